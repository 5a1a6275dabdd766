"""Boxes and the affine map between an image and a person crop (NumPy only, no I/O).

Conventions used everywhere in this package:
    points      (..., 2) in (x, y) order, pixels; whole numbers are pixel centres, (0, 0) is the
                centre of the top-left pixel
    box_xywh    (4,) left, top, width, height, in pixels
    *_wh        sizes as (width, height); array shapes stay (height, width)
    matrix      (2, 3) affine that maps source pixels to destination pixels
"""

import math
from typing import Literal

import numpy as np

Affine = Literal["classic", "udp"]
"""What a box is mapped to: classic to 0 .. W, one factor for both axes, as in HRNet and DCPose; udp
to 0 .. W - 1 and 0 .. H - 1, the centres of the outermost pixels, as in ViTPose. For one box the
two differ by half a crop pixel and more, so training and inference must agree."""


def clip_to_image(box_xywh: np.ndarray, image_wh: tuple[int, int]) -> np.ndarray:
    """Move the corners of an annotated box into the image, as the published models were trained.

    The far corner is the last pixel inside the box (x + w - 1), and it is taken from the near
    corner *after* that was moved, so a box that starts left of the image slides right before it
    is cut. Detected boxes are used as they are.

    Returns:
        (4,) float64 box; width or height <= 0 when nothing of the box lies in the image.
    """
    x, y, width, height = np.asarray(box_xywh, dtype=np.float64)
    near = np.maximum([x, y], 0.0)
    far = np.minimum(near + np.maximum([width - 1, height - 1], 0.0), np.array(image_wh) - 1.0)
    return np.concatenate([near, far - near])


def overlaps_image(box_xywh: np.ndarray, image_wh: tuple[int, int]) -> bool:
    """Say whether a box and the image share an area."""
    x, y, width, height = box_xywh
    return bool(x < image_wh[0] and y < image_wh[1] and x + width > 0 and y + height > 0)


def box_iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Return (M, N) intersection over union of boxes (M, 4) with boxes (N, 4); see `paired_iou`."""
    return paired_iou(boxes_a[:, None], boxes_b[None])


def paired_iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Return (...) intersection over union of boxes (..., 4) xywh; 0 for empty and NaN ones."""
    low_a, low_b = boxes_a[..., :2], boxes_b[..., :2]
    high_a, high_b = low_a + boxes_a[..., 2:], low_b + boxes_b[..., 2:]
    overlap_wh = np.clip(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0, None)
    overlap = overlap_wh.prod(axis=-1)
    union = boxes_a[..., 2:].prod(axis=-1) + boxes_b[..., 2:].prod(axis=-1) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def pad_to_aspect(box_xywh: np.ndarray, aspect: float) -> np.ndarray:
    """Lengthen the shorter side about the centre until width / height equals `aspect`."""
    x, y, width, height = np.asarray(box_xywh, dtype=np.float64)
    padded = np.array([max(width, height * aspect), max(height, width / aspect)])
    return np.concatenate([[x + width / 2, y + height / 2] - padded / 2, padded])


def enlarge(box_xywh: np.ndarray, factor: float) -> np.ndarray:
    """Scale both sides of a box about its centre; the paper uses 1.25."""
    x, y, width, height = np.asarray(box_xywh, dtype=np.float64)
    size = factor * np.array([width, height])
    return np.concatenate([[x + width / 2, y + height / 2] - size / 2, size])


def image_to_crop_matrix(
    box_xywh: np.ndarray,
    crop_wh: tuple[int, int],
    angle_deg: float = 0.0,
    affine: Affine = "classic",
) -> np.ndarray:
    """Build the affine map that cuts one person out of a frame.

    Pad the box to the crop's aspect ratio first (`pad_to_aspect`). The classic map is a
    similarity: box centre to crop centre, box width to crop width; only the width sets the scale.
    The udp map has a factor per axis, applied after the rotation.

    Args:
        box_xywh: (4,) person box in image pixels, already padded and enlarged.
        crop_wh: crop size in pixels; (288, 384) for the network of the paper.
        angle_deg: rotation of the window, in degrees, clockwise on screen; the person in the
            crop turns the other way.
        affine: what the box is mapped to.

    Returns:
        (2, 3) float64 matrix from image pixels to crop pixels. Its inverse brings decoded
        joints back to the image.

    Raises:
        ValueError: if the box is empty or not finite.
    """
    x, y, width, height = np.asarray(box_xywh, dtype=np.float64)
    if not np.isfinite(box_xywh).all() or width <= 0 or height <= 0:
        raise ValueError(f"box_xywh must be finite with positive size, got {box_xywh}")

    extent = box_extent(crop_wh, affine)
    factors = extent / [width, height] if affine == "udp" else np.full(2, extent[0] / width)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    linear = factors[:, None] * np.array([[cos, sin], [-sin, cos]])
    box_center = np.array([x + width / 2, y + height / 2])
    return np.column_stack([linear, extent / 2 - linear @ box_center])


def box_extent(crop_wh: tuple[int, int], affine: Affine) -> np.ndarray:
    """Return (2,) the crop position of a box's far corner; that of its near corner is (0, 0)."""
    return np.array(crop_wh, dtype=np.float64) - (affine == "udp")


def cell_wh(
    crop_wh: tuple[int, int], heatmap_wh: tuple[int, int], affine: Affine = "classic"
) -> tuple[float, float]:
    """Return the crop pixels from one heatmap cell to the next, along x and y.

    Cell 0 stands for crop pixel 0. The udp map puts the last cell on the last pixel.
    """
    extents = zip(box_extent(crop_wh, affine), box_extent(heatmap_wh, affine), strict=True)
    x, y = (float(crop / heatmap) for crop, heatmap in extents)
    return x, y


def mirror_matrix(crop_wh: tuple[int, int], affine: Affine = "classic") -> np.ndarray:
    """Build the (2, 3) map that mirrors a crop about its vertical axis, x -> width - x.

    The axis is where `image_to_crop_matrix` puts the box centre, so this equals mirroring the
    image and the box before cutting, as the release does.
    """
    return np.array([[-1.0, 0.0, box_extent(crop_wh, affine)[0]], [0.0, 1.0, 0.0]])


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the (2, 3) map that applies `first`, then `second`."""
    return np.column_stack([second[:, :2] @ first[:, :2], apply_affine(first[:, 2], second)])


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """Return the (2, 3) inverse map.

    Raises:
        ValueError: if the map is not finite or flattens the plane.
    """
    # a map is singular relative to its own scale: tiny crops of huge boxes are legitimate
    size = float(np.abs(matrix[:, :2]).max())
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) <= 1e-12 * size * size:
        raise ValueError(f"affine matrix has no inverse: {matrix.tolist()}")
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map (..., 2) points with a (2, 3) matrix; the input is not changed."""
    return points @ matrix[:, :2].T + matrix[:, 2]
