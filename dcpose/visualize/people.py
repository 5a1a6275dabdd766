"""All people of a frame: boxes, ids and skeletons, readable at any resolution.

Images are (H, W, 3) uint8 RGB; boxes are left, top, width, height in their pixels.
"""

import cv2
import numpy as np

from dcpose.skeleton import Skeleton
from dcpose.visualize.canvas import FARTHEST, OUTLINE_RGB, Rgb, check_image, line_thickness
from dcpose.visualize.pose import paint_pose

ID_COLOURS: tuple[Rgb, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (170, 170, 170),
)  # fmt: skip
"""Okabe and Ito's palette, which colour-blind readers tell apart; the grey one replaces black."""
NO_ID_RGB: Rgb = (230, 230, 230)
MIN_JOINT_SCORE = 0.2
"""Joints below this are not drawn; PoseTrack's own threshold."""
LINE_PER_BOX = 0.015
"""Width of a limb / height of the box; lines of small people stay thin in large images."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_HEIGHT = 22
"""Of OpenCV's font at scale 1, in pixels."""


def draw_people(
    image: np.ndarray,
    boxes_xywh: np.ndarray,
    track_ids: np.ndarray,
    joints: np.ndarray,
    joint_scores: np.ndarray,
    skeleton: Skeleton,
) -> np.ndarray:
    """Draw boxes, ids and skeletons; left limbs blue, right ones orange, unsure ones greyer.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes_xywh: (N, 4).
        track_ids: (N,) identities, which choose the colour of the box; negative ones have no id.
        joints: (N, J, 2) in pixels.
        joint_scores: (N, J) heatmap peaks.
        skeleton: of the J joints; those below `MIN_JOINT_SCORE`, and those that the format never
            labels, are left out.

    Returns:
        A new image.

    Raises:
        ValueError: if the image is none, or shapes do not fit.
    """
    check_image(image)
    if joints.shape[1:] != (skeleton.num_joints, 2) or joint_scores.shape != joints.shape[:2]:
        raise ValueError(
            f"expected joints (N, {skeleton.num_joints}, 2) and scores (N, {skeleton.num_joints}), "
            f"got {joints.shape} and {joint_scores.shape}"
        )
    drawn = image.copy()
    thickest = line_thickness(image)
    labelled = ~np.isin(skeleton.joint_names, skeleton.unlabelled)
    for box, track_id in zip(boxes_xywh, track_ids, strict=True):
        _box(drawn, box, int(track_id), max(1, thickest // 2))
    for box, pose, scores in zip(boxes_xywh, joints, joint_scores, strict=True):
        shown = labelled & (scores >= MIN_JOINT_SCORE)
        thickness = int(np.clip(round(LINE_PER_BOX * box[3]), 1, thickest))
        paint_pose(drawn, pose, skeleton, shown, thickness, np.nan_to_num(scores))
    return drawn


def draw_title(image: np.ndarray, title: str) -> None:
    """Write a title into the top left corner of an (H, W, 3) uint8 RGB image, in place."""
    check_image(image)
    # OpenCV's font has ASCII only
    _label(image, title.encode("ascii", "replace").decode(), 0, 0, NO_ID_RGB)


def _box(image: np.ndarray, box_xywh: np.ndarray, track_id: int, thickness: int) -> None:
    colour = NO_ID_RGB if track_id < 0 else ID_COLOURS[track_id % len(ID_COLOURS)]
    if not np.isfinite(box_xywh).all() or np.abs(box_xywh).max() > FARTHEST:
        return
    left, top = (round(float(value)) for value in box_xywh[:2])
    right, bottom = (round(float(value)) for value in box_xywh[:2] + box_xywh[2:])
    cv2.rectangle(image, (left, top), (right, bottom), colour, thickness)
    if track_id >= 0:
        _label(image, str(track_id), left, top, colour)


def _label(image: np.ndarray, text: str, left: int, top: int, colour: Rgb) -> None:
    """Write on a plate that stands on the box, or hangs from the top of the image."""
    scale = max(0.35, min(image.shape[:2]) / 900)
    stroke = max(1, round(1.6 * scale))
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, stroke)
    height = round(_TEXT_HEIGHT * scale)
    margin = max(2, height // 4)
    bottom = max(top, height + 2 * margin)
    left = int(np.clip(left, 0, max(image.shape[1] - width - 2 * margin, 0)))
    corner = (left + width + 2 * margin, bottom)
    cv2.rectangle(image, (left, bottom - height - 2 * margin), corner, colour, -1)
    place = (left + margin, bottom - margin)
    cv2.putText(image, text, place, _FONT, scale, OUTLINE_RGB, stroke, cv2.LINE_AA)
