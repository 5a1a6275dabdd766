"""Marking what is wrong with a drawn pose (NumPy and OpenCV only).

Images are (H, W, 3) uint8 RGB; points are (x, y) in pixels. Nothing draws on its input.
"""

import cv2
import numpy as np

from dcpose.visualize.canvas import FARTHEST, OUTLINE_RGB, Rgb, check_image, circle, line_thickness

WRONG_RGB: Rgb = (255, 40, 40)

_CAPTION_RGB = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def circle_joints(image: np.ndarray, joints: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Draw a red ring around some joints.

    Args:
        image: (H, W, 3) uint8 RGB.
        joints: (J, 2) in pixels; a joint outside the image is circled where it left it, one that
            is not finite is not circled.
        wrong: (J,) bool, the joints to circle.

    Returns:
        A new image.

    Raises:
        ValueError: if shapes do not fit.
    """
    check_image(image)
    if joints.shape != (len(wrong), 2):
        raise ValueError(f"expected joints ({len(wrong)}, 2), got {joints.shape}")
    height, width = image.shape[:2]
    drawn = image.copy()
    thickness = line_thickness(image)
    radius = 5 * thickness
    marked = joints[wrong & (np.abs(joints) < FARTHEST).all(axis=1)]
    inside = marked.clip(radius, np.array([width, height]) - 1 - radius)
    # all outlines come first, so that rings do not cut each other
    for colour, extra in ((OUTLINE_RGB, 1), (WRONG_RGB, 0)):
        for point in inside:
            circle(drawn, point, radius, colour, thickness + extra)
    return drawn


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """Return a new image with a line of ASCII text on a dark bar at its foot."""
    check_image(image)
    drawn = image.copy()
    height, width = image.shape[:2]
    scale = max(0.4, width / 520)
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, 1)
    bar = text_height + below + 4
    drawn[max(height - bar, 0) :] //= 3
    origin = (max((width - text_width) // 2, 2), height - below - 1)
    cv2.putText(drawn, text, origin, _FONT, scale, _CAPTION_RGB, 1, cv2.LINE_AA)
    return drawn
