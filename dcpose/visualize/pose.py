"""One person's skeleton on an image.

Images are (H, W, 3) uint8 RGB; points are (x, y) in pixels of the image they are drawn on. Left and
right are the person's own.
"""

import numpy as np

from dcpose.skeleton import Skeleton
from dcpose.visualize.canvas import (
    FARTHEST,
    OUTLINE_RGB,
    Rgb,
    check_image,
    circle,
    line,
    line_thickness,
)

LEFT_RGB = (64, 190, 255)
RIGHT_RGB = (255, 150, 40)
MIDDLE_RGB = (120, 230, 90)
"""Sky blue, orange and green stay apart for colour-blind readers and on most clothes."""

_UNSURE_LEVEL = 110
"""Grey that the colours of unsure joints move to."""


def draw_pose(
    image: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """Draw one person's skeleton: left blue, right orange, middle green.

    Args:
        image: (H, W, 3) uint8 RGB.
        joints: (J, 2) in pixels; joints outside the image are drawn as far as they are inside.
        skeleton: names the limbs and the sides.
        shown: (J,) bool, the joints to draw; None draws all but those the format never labels.
            Joints that are not finite are never drawn, and a limb needs both of its joints.

    Returns:
        A new image.

    Raises:
        ValueError: if shapes do not fit.
    """
    check_image(image)
    if joints.shape != (skeleton.num_joints, 2):
        raise ValueError(f"expected joints ({skeleton.num_joints}, 2), got {joints.shape}")
    if shown is None:
        shown = ~np.isin(skeleton.joint_names, skeleton.unlabelled)
    drawn = image.copy()
    paint_pose(drawn, joints, skeleton, shown, line_thickness(image))
    return drawn


def paint_pose(
    image: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    shown: np.ndarray,
    thickness: int,
    confidence: np.ndarray | None = None,
) -> None:
    """Draw a skeleton onto an image, in place; see `draw_pose`.

    Args:
        image: (H, W, 3) uint8 RGB.
        joints: (J, 2); those that are not finite, or far beyond any image, are not drawn.
        skeleton: names the limbs and the sides.
        shown: (J,) bool.
        thickness: width of the limbs, in pixels.
        confidence: (J,) in [0, 1]; less sure joints are greyer. None draws all as sure.
    """
    # comparisons with NaN are False
    shown = shown & (np.abs(joints) < FARTHEST).all(axis=1)
    colours = joint_colours(skeleton)
    sure = np.ones(len(joints)) if confidence is None else np.clip(confidence, 0.0, 1.0)
    limbs = [(a, b) for a, b in skeleton.limb_indices if shown[a] and shown[b]]
    # all outlines come first, so that crossing limbs do not cut each other
    for a, b in limbs:
        line(image, joints[a], joints[b], OUTLINE_RGB, thickness + 2)
    for a, b in limbs:
        side = colours[a] if colours[a] == colours[b] else limb_colour(colours[a], colours[b])
        line(image, joints[a], joints[b], _greyed(side, min(sure[a], sure[b])), thickness)
    for joint in np.flatnonzero(shown):
        circle(image, joints[joint], thickness + 2, OUTLINE_RGB)
        circle(image, joints[joint], thickness + 1, _greyed(colours[joint], sure[joint]))


def _greyed(colour: Rgb, confidence: float) -> Rgb:
    """Mix a colour with grey, down to half of each where nothing is sure."""
    share = 0.5 + 0.5 * float(confidence)
    red, green, blue = (round(share * value + (1 - share) * _UNSURE_LEVEL) for value in colour)
    return red, green, blue


def joint_colours(skeleton: Skeleton) -> list[Rgb]:
    """Return the colour of each of the J joints."""
    left = {name for name, _ in skeleton.flip_pairs}
    right = {name for _, name in skeleton.flip_pairs}
    return [
        LEFT_RGB if name in left else RIGHT_RGB if name in right else MIDDLE_RGB
        for name in skeleton.joint_names
    ]


def limb_colour(one: Rgb, other: Rgb) -> Rgb:
    """Colour of a limb between sides: that of the side it leads to, or middle across the body."""
    sides = {one, other} - {MIDDLE_RGB}
    return sides.pop() if len(sides) == 1 else MIDDLE_RGB
