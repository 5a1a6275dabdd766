"""The measures that annotations allow: PoseTrack AP with head boxes, pixel errors without."""

from __future__ import annotations

from pathlib import Path

from dcpose.evaluation.evaluator import APResult, evaluate_folders
from dcpose.evaluation.pixel_result import PixelResult, evaluate_pixels
from dcpose.formats.posetrack.folders import json_files
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.skeleton import POSETRACK, Skeleton


def evaluate_by_content(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton = POSETRACK
) -> APResult | PixelResult:
    """Measure the predictions of a folder by what its annotations have.

    Raises:
        ValueError: if a folder or file is missing or malformed, or some people have head
            boxes and others have not.
    """
    if has_head_boxes(annotations_dir, skeleton):
        return evaluate_folders(annotations_dir, predictions_dir, skeleton, by_condition=True)
    return evaluate_pixels(annotations_dir, predictions_dir, skeleton)


def has_head_boxes(annotations_dir: Path, skeleton: Skeleton = POSETRACK) -> bool:
    """Say whether anybody in the annotation files has a head box; True where nobody is in them.

    Files are read up to the first head box, which for PoseTrack's is in the first with people.
    """
    nobody = True
    for path in json_files(annotations_dir):
        poses = read_poses(path, "annotations", skeleton)
        if poses.has_head_box.any():
            return True
        nobody = nobody and not len(poses.frame_of)
    return nobody
