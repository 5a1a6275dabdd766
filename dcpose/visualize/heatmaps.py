"""Heatmaps laid over the image that they belong to."""

import cv2
import numpy as np

from dcpose.visualize.canvas import check_image


def overlay_heatmaps(image: np.ndarray, heatmaps: np.ndarray, peak: float = 1.0) -> np.ndarray:
    """Lay the maximum over all joints of some heatmaps over an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        heatmaps: (J, h, w) float, stretched to the image; values below 0 and NaN are transparent.
        peak: value that gets the brightest colour, for example 1 for targets.

    Returns:
        A new image.

    Raises:
        ValueError: if shapes do not fit or peak is not positive.
    """
    check_image(image)
    if heatmaps.ndim != 3 or not peak > 0:
        raise ValueError(
            f"expected heatmaps (J, h, w) and peak > 0, got {heatmaps.shape} and {peak}"
        )
    strongest = np.nan_to_num(heatmaps.astype(np.float32), posinf=peak, neginf=0.0).max(axis=0)
    height, width = image.shape[:2]
    value = np.clip(strongest / peak, 0.0, 1.0)
    value = cv2.resize(value, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * value).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = 0.85 * np.sqrt(value)[..., None]  # the root keeps weak second peaks visible
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.rint((1 - opacity) * grey + opacity * colours).astype(np.uint8)
