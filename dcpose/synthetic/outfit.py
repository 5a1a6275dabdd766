"""What people of a wardrobe wear, and in which colours (NumPy, OpenCV)."""

from collections.abc import Sequence

import cv2
import numpy as np

from dcpose.synthetic.scene import cut_print

MALE_SUITS = (
    "male_casualsuit01", "male_casualsuit02", "male_casualsuit03", "male_casualsuit04",
    "male_casualsuit05", "male_casualsuit06", "male_elegantsuit01", "male_worksuit01",
)  # fmt: skip
MALE_TOPS = ("Harvey_Sweater2", "short_tail_camo_tee", "Tank_Top_01", "VNeckTop")
MALE_BOTTOMS = ("Tightjeans", "Harvey_PantsBootsV1", "ShortJeans")
MALE_HAIR = ("short01", "short02", "short03", "short04", "afro01", "curly2")
FEMALE_SUITS = (
    "female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01",
)  # fmt: skip
DRESSES = (
    "F_Dress_01", "F_Dress_02", "F_Dress_03", "F_Dress_04", "TubeDress", "Cocktaildress",
    "F_Beach_Dress_01", "Asymmetric_Tunic_and_Sash", "Sari1",
)  # fmt: skip
FEMALE_TOPS = (
    "Harvey_Sweater2", "VNeckTop", "Sleeveless", "Tank_Top_01", "short_tail_camo_tee",
    "Rolled_neck_blouse", "female_top_01", "spaghetti-top", "TubeTop",
)  # fmt: skip
FEMALE_BOTTOMS = (
    "Tightjeans", "Tightjeans", "ShortJeans", "JeansSkirt", "miniskirt", "Harvey_PantsBootsV1",
)  # fmt: skip
FEMALE_HAIR = (
    "Braid01", "bob01", "bob02", "curly", "curly2", "long01", "ponytail01", "short03",
    "Wig_bun_blonde", "long_alpha7", "afro01",
)  # fmt: skip
SHOES = ("shoes01", "shoes02", "shoes03", "shoes04", "shoes05", "shoes06", "WinterBoots")
HATS = ("fedora", "Fishing_Hat_01", "pith_helmet")
HAIR_TONES = (
    (25, 20, 18), (60, 40, 28), (110, 75, 45), (190, 150, 90), (150, 145, 140), (120, 60, 30),
)  # fmt: skip
"""Black, brown, light brown, blond, gray and red."""


def draw_outfit(sex: str, rng: np.random.Generator, hats: float) -> list[tuple[str, str]]:
    """Draw what a person wears: kind and name of each thing, as `Wardrobe.garment` takes them.

    Args:
        sex: "male" or "female".
        rng: draws everything.
        hats: share of the people who have one.
    """

    def one_of(names: Sequence[str]) -> str:
        return names[int(rng.integers(len(names)))]

    chance = rng.uniform()
    male = sex == "male"
    if chance < 0.06:
        worn = ["ShortJeans" if male else "F_One-piece_Swimsuit_01"]
    elif chance < (0.38 if male else 0.5):
        bottoms, tops = (MALE_BOTTOMS, MALE_TOPS) if male else (FEMALE_BOTTOMS, FEMALE_TOPS)
        worn = [one_of(bottoms), one_of(tops)]
    elif male or chance < 0.8:
        worn = [one_of(MALE_SUITS if male else FEMALE_SUITS)]
    else:
        worn = [one_of(DRESSES)]
    extras = {"Coat": 0.0 if male else 0.08, "Rucksack1": 0.08, "glasses": 0.1}
    worn += [name for name, share in extras.items() if rng.uniform() < share]
    for names, share in ((SHOES, 0.9), (HATS, hats)):
        if rng.uniform() < share:
            worn.append(one_of(names))
    things = [("clothes", name) for name in worn]
    if rng.uniform() < 0.93:
        things.append(("hair", one_of(MALE_HAIR if male else FEMALE_HAIR)))
    if male and rng.uniform() < 0.15:
        things.append(("hair", "Full_beard"))
    return [*things, ("eyes", "Low-Poly"), ("eyebrows", "eyebrow001")]


def recolor(
    texture: np.ndarray, kind: str, rng: np.random.Generator, prints: Sequence[np.ndarray]
) -> np.ndarray:
    """Give a texture another colour or print, and keep its folds; one in four stays as it is.

    Args:
        texture: (h, w, 4) uint8, RGB and alpha.
        kind: of the thing, as `Wardrobe.garment` takes it; eyes stay as they are.
        rng: draws everything.
        prints: pictures (h, w, 3) uint8 RGB of which parts are printed on clothes; may be none.
    """
    color, alpha = texture[..., :3].astype(np.float32), texture[..., 3:]
    chance = rng.uniform()
    if kind == "eyes":
        return texture
    if chance > 0.75:
        gain = rng.uniform(0.6, 1.4) if kind == "clothes" else 1.0
        return np.dstack([(color * gain).clip(0, 255).astype(np.uint8), alpha])
    gray = color.mean(axis=2, keepdims=True)
    fold = (gray / max(float(gray[alpha > 100].mean()), 20.0)).clip(0.3, 1.7)
    if kind != "clothes":
        tone = np.array(HAIR_TONES[int(rng.integers(len(HAIR_TONES)))]) * rng.uniform(0.7, 1.3)
    elif chance < 0.4:
        tone = _tone(rng)
    elif prints and chance < 0.58:
        tone = cut_print(prints, color.shape[:2], rng)
    else:
        tone = _pattern(color.shape[:2], rng)
    return np.dstack([(fold * tone).clip(0, 255).astype(np.uint8), alpha])


def _tone(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour, (3,) float32; two in five are gray or nearly so."""
    saturation = rng.integers(255) if rng.uniform() < 0.6 else rng.integers(40)
    hsv = np.array([[[rng.integers(180), saturation, rng.integers(20, 255)]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _pattern(hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Paint stripes of either direction, or checks, in two colours."""
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    period = rng.uniform(0.02, 0.16) * hw[0]
    wide = rng.uniform(0.2, 0.6) * period
    first = (
        rows % period < wide,
        columns % period < wide,
        (rows // period + columns // period) % 2 < 1,
    )
    return np.where(first[int(rng.integers(3))][..., None], _tone(rng), _tone(rng))
