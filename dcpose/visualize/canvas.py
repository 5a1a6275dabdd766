"""The few strokes that all pictures are drawn with (NumPy and OpenCV only).

Images are (H, W, 3) uint8 RGB and are drawn on in place; points are (x, y) in pixels.
"""

import cv2
import numpy as np

Rgb = tuple[int, int, int]

OUTLINE_RGB = (16, 16, 16)
FARTHEST = 1e5
"""Coordinates beyond this would overflow OpenCV's fixed-point numbers."""

_SUBPIXEL_BITS = 4


def line_thickness(image: np.ndarray) -> int:
    """Return a width of lines that is readable at the size of the image, in pixels."""
    return max(1, round(min(image.shape[:2]) / 140))


def line(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Rgb, thickness: int
) -> None:
    """Draw a line between two (2,) points."""
    cv2.line(image, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def circle(
    image: np.ndarray, center: np.ndarray, radius: int, colour: Rgb, thickness: int = -1
) -> None:
    """Draw a circle around a (2,) point, filled by a thickness of -1."""
    fixed_radius = radius << _SUBPIXEL_BITS
    cv2.circle(image, _fixed(center), fixed_radius, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.asarray(point) * (1 << _SUBPIXEL_BITS)).astype(int)
    return int(x), int(y)


def check_image(image: np.ndarray) -> None:
    """Raise ValueError for anything but an (H, W, 3) uint8 array."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
