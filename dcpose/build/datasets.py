"""Data sets that can be chosen by `data.layout`: how they are read, and how they are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpose.config.schema import DataSection, SplitFiles
from dcpose.evaluation.coco_ap import OksResult, evaluate_coco
from dcpose.evaluation.evaluator import APResult, evaluate_folders
from dcpose.formats.coco import read_coco
from dcpose.formats.posetrack.convert import Form
from dcpose.formats.posetrack.merged import write_videos
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.formats.posetrack.records import FRAME_DIGITS, VideoAnnotation, read_annotations
from dcpose.skeleton import Skeleton

Measured = APResult | OksResult

PCK_METRIC = "PoseTrack AP, joints within half a head size"
OKS_METRIC = "COCO AP, object keypoint similarity"


@dataclass(frozen=True)
class Dataset:
    """One kind of data set.

    Attributes:
        read: config section, root folder, files of a split and joints to annotated videos.
        evaluate: annotations, folder of predictions, how joints are scored (`test.joint_score`),
            joints, and an empty folder to work in, to what the predictions are worth.
        metric: what that is, for the protocol.
        form: of leaderboard files; None where there is no leaderboard.
    """

    read: Callable[[Any, Path, SplitFiles, Skeleton], list[VideoAnnotation]]
    evaluate: Callable[[Path, Path, JointScore, Skeleton, Path], Measured]
    metric: str = PCK_METRIC
    form: Form | None = None


def per_video_files(annotations: Path, scratch: Path) -> Path:
    """Return the folder of per-video annotation files.

    A file of all videos is written into `scratch`, one file per video, and that is returned.
    """
    if not annotations.is_file():
        return annotations
    write_videos(annotations, scratch)
    return scratch


def _read_posetrack(
    data: DataSection, root: Path, files: SplitFiles, skeleton: Skeleton
) -> list[VideoAnnotation]:
    """Read PoseTrack's files; raise ValueError also if frames have names of another layout."""
    videos = read_annotations(root / files.annotations, root, skeleton, files.images)
    digits = FRAME_DIGITS[data.layout]
    for video in videos:
        if video.digits != digits:
            fitting = [name for name, count in FRAME_DIGITS.items() if count == video.digits]
            raise ValueError(
                f"data.layout: found {data.layout}, whose frames have names of {digits} "
                f"digits, but {video.source} names {video.images[0]['file_name']}; "
                f"set data.layout={' or '.join(fitting)}"
            )
    return videos


def _evaluate_posetrack(
    annotations: Path, predictions: Path, joint_score: JointScore, skeleton: Skeleton, scratch: Path
) -> Measured:
    folder = per_video_files(annotations, scratch)
    return evaluate_folders(folder, predictions, skeleton, by_condition=True)


def _read_coco(
    data: DataSection, root: Path, files: SplitFiles, skeleton: Skeleton
) -> list[VideoAnnotation]:
    return read_coco(root / files.annotations, root / (files.images or ""), skeleton)


def _evaluate_coco(
    annotations: Path, predictions: Path, joint_score: JointScore, skeleton: Skeleton, scratch: Path
) -> Measured:
    return evaluate_coco(annotations, predictions, joint_score, skeleton)


DATASETS: dict[str, Dataset] = {
    "posetrack17": Dataset(_read_posetrack, _evaluate_posetrack, form="posetrack17"),
    "posetrack18": Dataset(_read_posetrack, _evaluate_posetrack, form="posetrack18"),
    "posetrack21": Dataset(_read_posetrack, _evaluate_posetrack, form="posetrack18"),
    "coco": Dataset(_read_coco, _evaluate_coco, OKS_METRIC),
}
"""By `data.layout`."""
