"""Where rendered people are: backgrounds, the moving camera, and things that pass in front.

Scene coordinates are the image pixels of a camera at rest; the camera of each frame is a (2, 3)
matrix from scene to image pixels. A background reaches `MARGIN` of the image size beyond the
image on every side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from dcpose.synthetic.look import random_color, smooth_noise
from dcpose.synthetic.motion import FRAMES_PER_SECOND
from dcpose.synthetic.render import Sprite, composite

MARGIN = 0.25
PRINT = 512
"""Side of the pictures of which parts are printed on clothes and things, pixels."""


def camera_path(frames: int, image_wh: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw pan, zoom, roll and shake of a hand-held camera.

    Returns:
        (N, 2, 3) float64 matrices from scene pixels to image pixels.
    """
    turn = 2 * np.pi * np.arange(frames) / FRAMES_PER_SECOND
    width, height = image_wh

    def drift(size: float) -> np.ndarray:
        rate, phase = rng.uniform(0.1, 0.45), rng.uniform(0, 2 * np.pi)
        return rng.uniform(0.3, 1) * size * np.sin(rate * turn + phase)

    shake = rng.uniform(0, 0.0025) * width
    jitter = rng.normal(0, shake, (2, frames))
    pan_x = drift(0.07 * width) + jitter[0]
    pan_y = drift(0.02 * height) + jitter[1]
    zoom, roll = np.exp(drift(0.07)), drift(0.04)
    cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)
    center = np.array([width, height]) / 2
    shift = center - np.einsum("nij,nj->ni", linear, center + np.stack([pan_x, pan_y], -1))
    return np.concatenate([linear, shift[..., None]], axis=-1)


def draw_background(
    image_wh: tuple[int, int], horizon: float, rng: np.random.Generator
) -> np.ndarray:
    """Paint a cluttered place: wall or sky above the horizon, textured ground below.

    Args:
        image_wh: size of the image; the picture is larger by `MARGIN` on every side.
        horizon: row where the ground begins, scene pixels.
        rng: draws everything.

    Returns:
        (H * (1 + 2 * MARGIN), W * (1 + 2 * MARGIN), 3) float32 RGB.
    """
    width, height = (round(side * (1 + 2 * MARGIN)) for side in image_wh)
    edge = round(horizon + MARGIN * image_wh[1])
    picture = np.empty((height, width, 3), np.float32)
    _paint_wall(picture[:edge], rng)
    _paint_ground(picture[edge:], rng)
    for _ in range(rng.integers(8, 22)):
        _paint_thing(picture, edge, rng)
    picture *= 1 + 0.07 * smooth_noise(rng, (height, width), 60, 2)[..., None]
    return picture.clip(0, 255)


def read_photo(path: Path) -> np.ndarray:
    """Return a picture as (h, w, 3) uint8 RGB.

    Raises:
        ValueError: if it cannot be decoded.
    """
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path}: not a picture that OpenCV can decode; remove it")
    return np.ascontiguousarray(picture[..., ::-1])


def photo_background(
    photo: np.ndarray, image_wh: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Cut a random part out of a picture, as large as `draw_background` makes them.

    Args:
        photo: (h, w, 3) uint8 RGB.
        image_wh: size of the image.
        rng: draws the part, and whether it is mirrored.
    """
    width, height = (round(side * (1 + 2 * MARGIN)) for side in image_wh)
    share = rng.uniform(0.35, 1.0) * min(photo.shape[1] / width, photo.shape[0] / height)
    wide, tall = max(int(share * width), 1), max(int(share * height), 1)
    x = int(rng.integers(photo.shape[1] - wide + 1))
    y = int(rng.integers(photo.shape[0] - tall + 1))
    part = photo[y : y + tall, x : x + wide]
    if rng.uniform() < 0.5:
        part = part[:, ::-1]
    return cv2.resize(part.astype(np.float32), (width, height))


@lru_cache(maxsize=1)
def read_prints(photos: tuple[Path, ...]) -> list[np.ndarray]:
    """Return every third picture in `PRINT` pixels square, for clothes and things, uint8 RGB."""
    size = (PRINT, PRINT)
    return [cv2.resize(read_photo(p), size, interpolation=cv2.INTER_AREA) for p in photos[::3]]


def cut_print(
    prints: Sequence[np.ndarray], hw: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Cut a square out of one of some pictures (h, w, 3), and stretch it: float32."""
    picture = prints[int(rng.integers(len(prints)))]
    side = max(int(rng.uniform(0.2, 0.9) * min(picture.shape[:2])), 1)
    y, x = (int(rng.integers(size - side + 1)) for size in picture.shape[:2])
    part = picture[y : y + side, x : x + side]
    return cv2.resize(part, hw[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)


def scatter_pieces(
    picture: np.ndarray, prints: Sequence[np.ndarray], count: int, rng: np.random.Generator
) -> None:
    """Lay pieces of other pictures, of any shape, size and brightness, on a background."""
    height, width = picture.shape[:2]
    for _ in range(count):
        tall, wide = (max(int(rng.uniform(0.05, 0.5) * height), 4) for _ in range(2))
        alpha = _outline((tall, wide), rng)
        part = cut_print(prints, (tall, wide), rng) * rng.uniform(0.5, 1.4)
        x, y = rng.integers(-wide // 2, width - wide // 2), rng.integers(-tall // 2, height)
        color = part.clip(0, 255).astype(np.float32) * alpha[..., None]
        composite(picture, Sprite(int(x), int(y), color, alpha))


def _outline(hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw a rectangle, an ellipse or a polygon that fills a piece, (h, w) float32, 0 or 1."""
    kind, mask = rng.integers(3), np.zeros(hw, np.float32)
    if kind == 0:
        mask[:] = 1
    elif kind == 1:
        middle = (hw[1] // 2, hw[0] // 2)
        cv2.ellipse(mask, middle, middle, 0, 0, 360, 1, -1)
    else:
        corners = (rng.uniform(0, 1, (7, 2)) * hw[::-1]).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1)
    return mask


def draw_seat(size: float, rng: np.random.Generator) -> Sprite:
    """Paint a chair, bench or sofa for a person `size` pixels tall; the seat is at the origin."""
    wide = round(size * rng.choice([0.32, 0.4, 0.8, 1.6]) * rng.uniform(0.8, 1.2)) + 4
    below, above = round(0.27 * size) + 2, round(rng.uniform(0.05, 0.4) * size) + 2
    sprite = Sprite.empty(-(wide // 2), -above, wide - wide // 2, below)
    color = random_color(rng, (0.0, 0.7), 0.1)
    _paint_panel(sprite.color, color, rng)
    sprite.alpha[:] = 1
    if rng.uniform() < 0.5:  # legs with nothing between them
        leg = max(round(0.02 * size), 1)
        sprite.alpha[above + round(0.06 * size) :, leg : max(wide - leg, leg)] = 0
    sprite.color *= sprite.alpha[..., None]
    return sprite


def draw_table(image_wh: tuple[int, int], size: float, rng: np.random.Generator) -> Sprite:
    """Paint a table, counter, hedge or fence; its upper edge is at the origin.

    Args:
        image_wh: size of the image, which bounds how far down it reaches.
        size: of the person behind it, pixels.
        rng: draws everything.
    """
    wide = round(size * rng.uniform(0.7, 2.5)) + 4
    tall = round(min(size * rng.choice([0.12, 0.5, 1.2]) * rng.uniform(0.8, 1.2), image_wh[1])) + 4
    sprite = Sprite.empty(-(wide // 2), 0, wide - wide // 2, tall)
    color = random_color(rng, (0.0, 0.7), 0.1)
    kind = rng.integers(3)
    if kind == 0:
        _paint_panel(sprite.color, color, rng)
    else:
        sprite.color[:] = color * (1 + 0.3 * smooth_noise(rng, (tall, wide), 12)[..., None])
        sprite.color[: max(tall // 12, 1)] *= 1.25
    sprite.alpha[:] = 1
    if kind == 2 and rng.uniform() < 0.5:  # bars
        period = max(round(0.05 * size), 4)
        sprite.alpha[:, np.arange(wide) % period > period // 3] = 0
        sprite.alpha[: max(period // 3, 1)] = 1
    np.clip(sprite.color, 0, 255, out=sprite.color)
    sprite.color *= sprite.alpha[..., None]
    return sprite


def _gradient(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    ramp = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    top, bottom = random_color(rng, (0.0, 0.4), 0.3), random_color(rng, (0.0, 0.4), 0.3)
    return np.broadcast_to(top * (1 - ramp) + bottom * ramp, shape)


def _paint_wall(wall: np.ndarray, rng: np.random.Generator) -> None:
    wall[:] = _gradient(wall.shape, rng)
    rows, columns = np.mgrid[: wall.shape[0], : wall.shape[1]].astype(np.float32)
    kind, period = rng.integers(4), rng.uniform(14, 50)
    if kind == 0:  # clouds or stains
        wall += 40 * smooth_noise(rng, wall.shape[:2], 6, 4)[..., None]
    elif kind == 1:  # bricks
        row = np.floor(rows / (period / 2))
        joint = ((rows % (period / 2)) < 1.5) | (
            ((columns + (row % 2) * period / 2) % period) < 1.5
        )
        wall[joint] *= 0.75
    elif kind == 2:  # panels
        wall *= 1 + 0.2 * np.sign(np.sin(2 * np.pi * columns / period))[..., None]
    else:
        wall += 25 * np.sin(rows / period)[..., None] * np.cos(columns / period)[..., None]


def _paint_ground(ground: np.ndarray, rng: np.random.Generator) -> None:
    ground[:] = _gradient(ground.shape, rng)
    height, width = ground.shape[:2]
    rows, columns = np.mgrid[1 : height + 1, :width].astype(np.float32)
    depth = 60 / rows  # far away near the horizon
    across = (columns - width / 2) * depth
    kind = rng.integers(3)
    if kind == 0:
        tiles = np.sign(np.sin(across / rng.uniform(5, 12)) * np.sin(depth * rng.uniform(6, 14)))
        ground *= (
            1 + rng.uniform(0.05, 0.16) * tiles[..., None] * np.minimum(rows / 60, 1)[..., None]
        )
    elif kind == 1:
        lines = np.abs(np.sin(across / rng.uniform(8, 25))) < 0.06
        ground[lines] = random_color(rng, (0.0, 0.3), 0.6)
    noise = smooth_noise(rng, (max(height // 3, 2), width), 40, 3)
    ground *= 1 + 0.22 * cv2.resize(noise, (width, height))[..., None]


def _paint_thing(picture: np.ndarray, edge: int, rng: np.random.Generator) -> None:
    """One piece of clutter that stands on the ground or hangs on the wall."""
    height, width = picture.shape[:2]
    x = int(rng.integers(width))
    color = random_color(rng, (0.0, 0.65), 0.1)
    bottom = int(edge + rng.uniform(-0.12, 0.12) * height)
    kind = rng.choice(["box", "box", "pole", "tree", "poster", "ball"])
    tall = int(rng.uniform(0.08, 0.4) * height)
    wide = max(3, int(tall * rng.uniform(0.3, 1.6)))
    if kind == "pole":
        wide = int(rng.uniform(3, 9))
        cv2.rectangle(picture, (x, bottom - 2 * tall), (x + wide, bottom), color.tolist(), -1)
        cv2.rectangle(
            picture, (x, bottom - 2 * tall), (x + wide // 3, bottom), (color * 1.3).tolist(), -1
        )
    elif kind in ("tree", "ball"):
        if kind == "tree":
            trunk = (x - wide // 12, bottom - tall), (x + wide // 12, bottom)
            cv2.rectangle(picture, *trunk, (70, 50, 35), -1)
            color = color * (0.5, 0.9, 0.4)
        for _ in range(9 if kind == "tree" else 1):
            spot = (x + int(rng.normal(0, wide / 5)), bottom - tall + int(rng.normal(0, tall / 5)))
            axes = (max(2, wide // 4), max(2, tall // 4))
            tone = (color * rng.uniform(0.7, 1.2)).tolist()
            cv2.ellipse(picture, spot, axes, 0, 0, 360, tone, -1, cv2.LINE_AA)
    else:
        y = bottom - tall if kind == "box" else int(rng.uniform(0, max(edge - tall, 1)))
        _paint_panel(picture[max(y, 0) : y + tall, x : x + wide], color, rng)


def _paint_panel(patch: np.ndarray, color: np.ndarray, rng: np.random.Generator) -> None:
    if min(patch.shape[:2]) < 4:
        return
    rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]]
    patch[:] = color * (1 + 0.25 * smooth_noise(rng, patch.shape[:2], 4)[..., None])
    second, period = random_color(rng, (0.0, 0.65), 0.1), int(rng.integers(6, 20))
    kind = rng.integers(4)
    if kind == 0:  # windows or shelves
        patch[(rows % period < period // 2) & (columns % period < period // 2)] = second
    elif kind == 1:
        patch[(rows + columns) % period < period // 2] = second
    elif kind == 2:
        patch[rows % period < 2] = second
    patch[:2] *= 1.2
    patch[:, -2:] *= 0.6


@dataclass(frozen=True, eq=False)
class Occluder:
    """Something that crosses in front of a person.

    Attributes:
        picture: its sprite, centred on the origin of its own pixels.
        center: (2,) scene pixels at `time`.
        velocity: (2,) scene pixels per frame.
        time: frame (may be fractional) at which it is at `center`.
    """

    picture: Sprite
    center: np.ndarray
    velocity: np.ndarray
    time: float

    def at(self, frame: int, camera: np.ndarray) -> Sprite:
        """Return its sprite in image pixels of a frame."""
        scene = self.center + self.velocity * (frame - self.time)
        x, y = camera[:, :2] @ scene + camera[:, 2]
        return Sprite(
            round(self.picture.x + float(x)),
            round(self.picture.y + float(y)),
            self.picture.color,
            self.picture.alpha,
        )


def draw_occluder(kind: str, size: float, rng: np.random.Generator) -> Sprite:
    """Paint a pole, board, ball or car, for a person `size` pixels tall.

    Raises:
        ValueError: for an unknown kind.
    """
    shapes = {
        "pole": (rng.uniform(0.14, 0.24), 2.4),
        "board": (rng.uniform(0.4, 0.6), rng.uniform(0.36, 0.6)),
        "ball": (rng.uniform(0.36, 0.5),) * 2,
        "car": (rng.uniform(1.3, 1.9), rng.uniform(0.5, 0.65)),
    }
    if kind not in shapes:
        raise ValueError(f"unknown occluder {kind!r}, expected one of {', '.join(shapes)}")
    width, height = (max(8, round(size * part)) for part in shapes[kind])
    sprite = Sprite.empty(-(width // 2), -(height // 2), width - width // 2, height - height // 2)
    color, second = random_color(rng, (0.0, 0.9), 0.2), random_color(rng, (0.0, 0.9), 0.1)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    inside = np.ones((height, width), bool)
    shade = 0.75 + 0.35 * np.sqrt(np.clip(1 - x * x, 0, 1)) + 0 * y
    sprite.color[:] = color
    if kind == "board":
        _paint_panel(sprite.color, color, rng)
        shade = 0.95 - 0.1 * x + 0 * y
    elif kind == "ball":
        inside = x * x + y * y < 1
        shade = 0.55 + 0.5 * np.sqrt(np.clip(1 - (x + 0.25) ** 2 - (y + 0.3) ** 2, 0, 1))
        sprite.color[np.sin(x * 4 + y) * np.sin(y * 5) > 0.2] = second
    elif kind == "pole":
        sprite.color[np.broadcast_to(np.sin(y * rng.uniform(4, 40)) > 0.6, inside.shape)] = second
    else:
        inside = _paint_car(sprite.color, x, y)
        shade = 1.05 - 0.2 * np.abs(y) + 0 * x
    sprite.alpha[:] = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.7)
    sprite.color *= (shade * sprite.alpha)[..., None]
    return sprite


def _paint_car(color: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Paint windows and wheels; return the outline, (h, w) bool."""
    cabin = (np.abs(x + 0.05) < 0.6 + 0.2 * y) & (y < -0.05)
    body = (y >= -0.15) & (y < 0.75) & (np.abs(x) < 0.99)
    glass = (np.abs(x + 0.05) < 0.52 + 0.2 * y) & (y < -0.15) & (y > -0.85) & (np.abs(x) > 0.04)
    color[glass] = (150, 175, 190)
    aspect = color.shape[0] / color.shape[1]
    wheels = np.minimum(*(((x - c) / aspect) ** 2 + (y - 0.62) ** 2 for c in (-0.6, 0.6)))
    color[wheels < 0.13] = (25, 25, 28)
    color[wheels < 0.035] = (170, 170, 175)
    return cabin | body | (wheels < 0.13)
