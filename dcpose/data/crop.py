"""The one crop of the package: frames of a clip and one matrix to crops."""

from collections.abc import Sequence

import cv2
import numpy as np

from dcpose.geometry import (
    Affine,
    clip_to_image,
    enlarge,
    image_to_crop_matrix,
    overlaps_image,
    pad_to_aspect,
)
from dcpose.structures import PersonRecord


def visible_box(person: PersonRecord, image_wh: tuple[int, int]) -> np.ndarray:
    """Return the (4,) box that a crop starts from, in image pixels.

    Annotated boxes are first cut to the image and detected ones are not, as the published
    networks were trained and evaluated.

    Raises:
        ValueError: if nothing of the box lies in the image; names the person.
    """
    box = person.box_xywh
    if overlaps_image(box, image_wh) and person.joints is not None:
        box = clip_to_image(box, image_wh)
    if not overlaps_image(box, image_wh) or min(box[2:]) <= 0:
        raise ValueError(
            f"{person.person_id}: box lies outside its {image_wh[0]}x{image_wh[1]} image; give "
            "width and height in the annotation file's images to have such people left out"
        )
    return box


def crop_matrix(
    box_xywh: np.ndarray,
    crop_wh: tuple[int, int],
    box_enlarge: float,
    angle_deg: float = 0.0,
    affine: Affine = "classic",
) -> np.ndarray:
    """Return the (2, 3) map from image to crop for a box that is padded, then enlarged."""
    box = enlarge(pad_to_aspect(box_xywh, crop_wh[0] / crop_wh[1]), box_enlarge)
    return image_to_crop_matrix(box, crop_wh, angle_deg, affine)


def warp_frames(
    frames: Sequence[np.ndarray],
    image_to_crop: np.ndarray,
    crop_wh: tuple[int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Cut the same window out of all frames of a clip, bilinearly, black outside the image.

    Args:
        frames: F frames (H, W, 3) uint8; a frame that occurs twice in a row is warped once.
        image_to_crop: (2, 3) map from image pixels to crop pixels.
        crop_wh: crop size in pixels.
        out: array of the result's shape to fill; None makes one.

    Returns:
        (F, crop height, crop width, 3) uint8.

    Raises:
        ValueError: if `out` has another shape or type.
    """
    shape = (len(frames), crop_wh[1], crop_wh[0], 3)
    crops = np.empty(shape, np.uint8) if out is None else out
    if crops.shape != shape or crops.dtype != np.uint8:
        raise ValueError(f"out is {crops.shape} {crops.dtype}, expected {shape} uint8")
    for index, frame in enumerate(frames):
        if index and frame is frames[index - 1]:
            crops[index] = crops[index - 1]
        else:
            cv2.warpAffine(frame, image_to_crop, crop_wh, dst=crops[index], flags=cv2.INTER_LINEAR)
    return crops
