"""Training augmentation: people of whom a table, a wall or the border of the picture hides a part.

A straight line is drawn through the person's box. What lies beyond it is covered by one colour,
the box shrinks to what is left, and the joints beyond it are not trained.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dcpose.geometry import apply_affine

SIDES = ("below", "above", "left", "right")
SIDE_PROBS = (0.65, 0.1, 0.125, 0.125)
"""Tables and the lower border of pictures hide more people than the others do."""
KEPT = (0.3, 0.8)
"""Share of the box that stays, along the direction of the cut."""
BORDER_PROB = 0.6
"""Probability of black, as beyond the border of a picture, in place of another colour."""
MIN_JOINTS = 3
"""Cuts that leave fewer visible joints are not made."""
_FAR = 20.0
"""How far the cover reaches, in sides of the box."""


@dataclass(frozen=True, eq=False)
class Cut:
    """What is hidden of a person.

    Attributes:
        box_xywh: (4,) what is left of the box, image pixels.
        cover: (4, 2) corners of the hidden part of the picture, image pixels.
        color: RGB of the cover, 0 to 255.
    """

    box_xywh: np.ndarray
    cover: np.ndarray
    color: tuple[int, int, int]

    def hide_joints(self, joints: np.ndarray) -> np.ndarray:
        """Return (J, 3) joints x, y, visible of which the covered ones are not visible."""
        low, high = self.cover.min(axis=0), self.cover.max(axis=0)
        covered = ((joints[:, :2] >= low) & (joints[:, :2] <= high)).all(axis=1)
        return np.column_stack([joints[:, :2], joints[:, 2] * ~covered])

    def paint(self, crops: np.ndarray, image_to_crop: np.ndarray) -> None:
        """Cover the hidden part of (F, H, W, 3) crops, in place."""
        corners = np.round(apply_affine(self.cover, image_to_crop)).astype(np.int32)
        for crop in crops:
            cv2.fillConvexPoly(crop, corners, self.color)


def random_cut(box_xywh: np.ndarray, joints: np.ndarray, rng: np.random.Generator) -> Cut | None:
    """Draw a cut through a person, or None where too few joints would be left.

    Args:
        box_xywh: (4,) person box, image pixels.
        joints: (J, 3) x, y in image pixels and visibility.
        rng: source of all randomness.
    """
    side = SIDES[rng.choice(len(SIDES), p=SIDE_PROBS)]
    kept = rng.uniform(*KEPT)
    color = (0, 0, 0)
    if rng.random() >= BORDER_PROB:
        red, green, blue = rng.integers(0, 256, 3).tolist()
        color = red, green, blue
    axis = 1 if side in ("below", "above") else 0
    low, high = box_xywh[:2].astype(np.float64), (box_xywh[:2] + box_xywh[2:]).astype(np.float64)
    reach = _FAR * (high - low)
    cover_low, cover_high = low - reach, high + reach
    if side in ("below", "right"):
        high[axis] = cover_low[axis] = low[axis] + kept * (high - low)[axis]
    else:
        low[axis] = cover_high[axis] = high[axis] - kept * (high - low)[axis]
    corners = np.array(
        [cover_low, (cover_high[0], cover_low[1]), cover_high, (cover_low[0], cover_high[1])]
    )
    cut = Cut(np.concatenate([low, high - low]), corners, color)
    return cut if (cut.hide_joints(joints)[:, 2] > 0).sum() >= MIN_JOINTS else None
