"""What rendered people wear: textures wrapped around limbs, chest and head (NumPy, OpenCV).

A tile is a (H, W, 3) float32 RGB image in [0, 255]. Limb tiles: rows run from the first joint to
the second, columns across the limb. Chest and head tiles: rows run from the top downwards, columns
around the body by azimuth, the middle column is the front and the outer columns are the back.
"""

import colorsys
from dataclasses import dataclass, replace

import cv2
import numpy as np

TILE_HW = (48, 32)
"""Tile of a limb."""
WRAP_HW = (64, 96)
"""Tile around the chest or the head."""


@dataclass(frozen=True, eq=False)
class Look:
    """Tiles of one person, and which extra shapes to draw.

    Attributes:
        tiles: per part: upper_arm, forearm, hand, thigh, shank, foot, pelvis, neck, torso, head.
        hair: RGB of the hair, for hair that hangs over neck and back.
        skin: RGB of the skin, for nose and ears.
        long_hair: whether hair covers the neck.
        loose: factor on the thickness of clothed limbs and chest, 1 for tight clothes.
        skirt: how far a skirt or a coat reaches down the legs, 1 is the knee; 0 for none.
    """

    tiles: dict[str, np.ndarray]
    hair: np.ndarray
    skin: np.ndarray
    long_hair: bool
    loose: float = 1.0
    skirt: float = 0.0


def random_color(
    rng: np.random.Generator, saturation: tuple[float, float] = (0.1, 0.9), low: float = 0.15
) -> np.ndarray:
    """Draw an RGB colour, (3,) float32, of any hue."""
    rgb = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(low, 1.0))
    return np.array(rgb, dtype=np.float32) * 255


def smooth_noise(
    rng: np.random.Generator, hw: tuple[int, int], cells: int, octaves: int = 3
) -> np.ndarray:
    """Sum of enlarged random grids, (H, W) float32 in about [-1, 1].

    Args:
        rng: draws the grids.
        hw: shape of the result.
        cells: cells of the coarsest grid along the longer side.
        octaves: number of grids, each twice as fine and half as strong as the one before.
    """
    total, longer = np.zeros(hw, np.float32), max(hw)
    for octave in range(octaves):
        count = cells * 2**octave
        grid = [max(2, round(count * side / longer)) for side in hw]
        values = rng.uniform(-1, 1, grid).astype(np.float32)
        enlarged = cv2.resize(values, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC)
        total += enlarged * 0.5**octave
    return total / 1.3


def draw_look(rng: np.random.Generator, loose: float = 0.0, skirt: float = 0.0) -> Look:
    """Draw skin, hair and clothes of a person.

    Args:
        rng: draws everything.
        loose: probability of wide clothes.
        skirt: probability of a skirt or a coat.
    """
    skin = _skin(rng)
    hair = _hair(rng)
    shirt, trousers = _Cloth.draw(rng), _Cloth.draw(rng)
    shoe = random_color(rng, (0.0, 0.7), 0.1)
    sleeve, leg = rng.choice([0.0, 0.55, 1.7, 2.0]), rng.choice([0.5, 1.2, 2.0, 2.0])
    bare = _plain(skin, TILE_HW, rng)
    tiles = {
        "upper_arm": _covered(shirt, bare, sleeve, rng),
        "forearm": _covered(shirt, bare, sleeve - 1, rng),
        "hand": bare,
        "thigh": _covered(trousers, bare, leg, rng),
        "shank": _covered(trousers, bare, leg - 1, rng),
        "foot": _plain(shoe, TILE_HW, rng),
        "pelvis": trousers.tile(TILE_HW, rng),
        "neck": bare * 0.92,
        "torso": _chest(shirt, skin, rng),
        "head": _face(skin, hair, rng),
    }
    look = Look(tiles, hair, skin, bool(rng.uniform() < 0.35))
    if loose and rng.uniform() < loose:
        look = replace(look, loose=float(rng.uniform(1.05, 1.6)))
    if skirt and rng.uniform() < skirt:
        look = replace(look, skirt=float(rng.uniform(0.5, 1.6)))
    return look


def _skin(rng: np.random.Generator) -> np.ndarray:
    light, dark = np.array([240, 200, 172]), np.array([92, 58, 40])
    mix = rng.uniform() ** 1.3
    return (light * (1 - mix) + dark * mix + rng.normal(0, 5, 3)).astype(np.float32)


def _hair(rng: np.random.Generator) -> np.ndarray:
    tones = [(28, 22, 20), (60, 40, 26), (105, 70, 40), (190, 150, 90), (150, 145, 140)]
    tone = tones[rng.choice(5, p=[0.35, 0.25, 0.18, 0.14, 0.08])]
    return np.array(tone, dtype=np.float32) * rng.uniform(0.8, 1.2)


def _plain(color: np.ndarray, hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    shade = 1 + 0.06 * smooth_noise(rng, hw, 6)
    return (color * shade[..., None]).astype(np.float32)


@dataclass(frozen=True)
class _Cloth:
    """A fabric: a pattern in two colours."""

    pattern: str
    colors: tuple[np.ndarray, np.ndarray]
    period: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "_Cloth":
        pattern = str(
            rng.choice(
                ["plain", "rings", "lines", "checks", "noise", "dots"],
                p=[0.42, 0.14, 0.1, 0.12, 0.14, 0.08],
            )
        )
        first = random_color(rng, (0.0, 0.85), 0.12)
        second = random_color(rng, (0.0, 0.85), 0.12)
        return _Cloth(pattern, (first, second), rng.uniform(6, 14))

    def tile(self, hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        rows, columns = np.mgrid[: hw[0], : hw[1]].astype(np.float32) / self.period
        ring, line = np.sin(2 * np.pi * rows), np.sin(2 * np.pi * columns)
        weight = {
            "plain": np.zeros(hw),
            "rings": ring,
            "lines": line,
            "checks": ring * line,
            "noise": smooth_noise(rng, hw, 10),
            "dots": ring + line - 1.0,
        }[self.pattern]
        # a steep ramp instead of a step keeps the edges free of aliasing
        mix = np.clip(weight * 3 + 0.5 * (self.pattern != "plain"), 0, 1)[..., None]
        folds = 1 + 0.1 * smooth_noise(rng, hw, 4)[..., None]
        return ((self.colors[0] * (1 - mix) + self.colors[1] * mix) * folds).astype(np.float32)


def _covered(
    cloth: _Cloth, bare: np.ndarray, amount: float, rng: np.random.Generator
) -> np.ndarray:
    """A limb whose first `amount` (0 to 1) is covered by cloth, with a darker hem."""
    tile, edge = cloth.tile(TILE_HW, rng), round(np.clip(amount, 0, 1) * TILE_HW[0])
    tile[edge:] = bare[edge:]
    if 0 < edge < TILE_HW[0]:
        tile[edge - 1 : edge + 1] *= 0.6
    return tile


def _columns(azimuth: float) -> int:
    """Column of a wrapped tile for an azimuth in turns, 0 is the front."""
    return round((azimuth + 0.5) * (WRAP_HW[1] - 1))


def _chest(shirt: _Cloth, skin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shirt with something in front (neckline, buttons, print) and something else behind."""
    height, width = WRAP_HW
    tile = shirt.tile(WRAP_HW, rng)
    rows, columns = np.mgrid[:height, :width]
    azimuth = np.abs(columns / (width - 1) - 0.5)
    depth = rng.uniform(0.1, 0.24)
    neckline = (rows / height < depth) & (azimuth < 0.09 * (1 - rows / height / depth))
    tile[neckline] = skin * 0.95
    accent = random_color(rng, (0.3, 0.9), 0.1)
    front = rng.integers(4)
    middle = _columns(0.0)
    if front == 0:
        tile[:, middle - 1 : middle + 2] = accent
    elif front == 1:
        tile[round(0.25 * height) : round(0.5 * height), middle - 9 : middle + 10] = accent
    elif front == 2:
        cv2.circle(tile, (middle, round(0.38 * height)), 8, accent.tolist(), -1)
    else:
        tile[:, middle - 1 : middle + 1] *= 0.45
        tile[round(0.3 * height) : round(0.42 * height), middle + 5 : middle + 13] *= 0.7
    back = rng.integers(3)
    behind = azimuth > 0.5 - 0.12
    if back == 0:
        tile[behind & (rows > 0.15 * height) & (rows < 0.7 * height)] = random_color(rng)
    elif back == 1:
        tile[behind & (np.abs(rows - 0.3 * height) < 3)] = accent
    tile[rows > height - 3] *= 0.6
    return tile


def _face(skin: np.ndarray, hair: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Head seen from all around: face in front, hair above and behind."""
    height, width = WRAP_HW
    tile = _plain(skin, WRAP_HW, rng)
    rows, columns = np.mgrid[:height, :width]
    elevation = 0.5 - rows / (height - 1)  # half turns, 0.5 is the crown
    azimuth = columns / (width - 1) - 0.5
    line = rng.uniform(0.2, 0.3) - 0.1 * (np.abs(azimuth) < 0.1)
    side = rng.uniform(0.2, 0.25)
    hairy = (elevation > line) | ((np.abs(azimuth) > side) & (elevation > -0.25))
    for sign in (-1, 1):
        eye = np.hypot((azimuth - sign * 0.065) / 0.032, (elevation - 0.05) / 0.04)
        tile[eye < 1] = (245, 245, 245)
        tile[eye < 0.65] = (30, 25, 25)
        brow = (np.abs(azimuth - sign * 0.065) < 0.04) & (np.abs(elevation - 0.125) < 0.018)
        tile[brow] = hair * 0.8
        tile[np.hypot((azimuth - sign * 0.09) / 0.05, (elevation + 0.08) / 0.07) < 1] *= (
            1.03, 0.93, 0.92,
        )  # fmt: skip
    tile[(np.abs(azimuth) < 0.06) & (np.abs(elevation + 0.2) < 0.025)] = (150, 60, 60)
    if rng.uniform() < 0.25:
        beard = (elevation < -0.12) & (np.abs(azimuth) < side) & (elevation > -0.5)
        tile[beard & ~((np.abs(azimuth) < 0.06) & (np.abs(elevation + 0.2) < 0.03))] = hair
    strands = 1 + 0.25 * smooth_noise(rng, WRAP_HW, 24)
    if rng.uniform() < 0.92:
        tile[hairy] = (hair * strands[..., None])[hairy]
    if rng.uniform() < 0.15:
        tile[(elevation > 0.12) & (elevation < 0.3)] = random_color(rng)
    return tile
