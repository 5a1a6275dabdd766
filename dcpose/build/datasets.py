"""Data sets that can be chosen by `data.layout`: how they are read, and how they are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dcpose.config.schema import DataSection, JhmdbDataConfig, PennActionDataConfig, Split
from dcpose.evaluation.by_content import evaluate_by_content
from dcpose.evaluation.coco_ap import evaluate_coco
from dcpose.evaluation.measured import Measured
from dcpose.evaluation.pck_result import evaluate_pck
from dcpose.formats.coco import read_coco
from dcpose.formats.findings import Findings
from dcpose.formats.jhmdb import JHMDB, read_jhmdb
from dcpose.formats.one_person import write_annotations
from dcpose.formats.penn_action import PENN_ACTION, read_penn_action
from dcpose.formats.posetrack.convert import Form
from dcpose.formats.posetrack.merged import write_videos
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.formats.posetrack.records import FRAME_DIGITS, VideoAnnotation, read_annotations
from dcpose.skeleton import POSETRACK, Skeleton


class Read(Protocol):
    """Reads the annotated videos of a split."""

    def __call__(
        self,
        data: Any,  # noqa: ANN401 - the layout's own section
        root: Path,
        split: Split,
        skeleton: Skeleton,
        findings: Findings | None = None,
        /,
    ) -> list[VideoAnnotation]:
        """Return the videos; without findings the first problem is a ValueError."""
        ...


@dataclass(frozen=True)
class Dataset:
    """One kind of data set.

    Attributes:
        read: config section, root folder, split and joints to annotated videos; what is wrong with
            single files goes to the findings, where some are given.
        evaluate: files of annotations (see `truth`), folder of predictions, how joints are scored
            (`test.joint_score`) and joints to what the predictions are worth.
        truth: config section, root folder, split, joints, and an empty folder to work in, to the
            folder of one annotation file per video, or the file, that `evaluate` takes.
        skeleton: joints, where the config names no file.
        form: of leaderboard files; None where there is no leaderboard.
        fixed_joints: labels have these joints in this order; else files name theirs.
    """

    read: Read
    evaluate: Callable[[Path, Path, JointScore, Skeleton], Measured]
    truth: Callable[[Any, Path, Split, Skeleton, Path], Path]
    skeleton: Skeleton = POSETRACK
    form: Form | None = None
    fixed_joints: bool = False


def _read_posetrack(
    data: DataSection,
    root: Path,
    split: Split,
    skeleton: Skeleton,
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    """Read PoseTrack's files; raise ValueError also if frames have names of another layout."""
    files = data.files_of(split)
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


def _per_video_files(
    data: DataSection, root: Path, split: Split, skeleton: Skeleton, scratch: Path
) -> Path:
    """Return the folder of annotation files; a file of all videos is taken apart into `scratch`."""
    annotations = root / data.files_of(split).annotations
    if not annotations.is_file():
        return annotations
    write_videos(annotations, scratch)
    return scratch


def _read_coco(
    data: DataSection,
    root: Path,
    split: Split,
    skeleton: Skeleton,
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    files = data.files_of(split)
    return read_coco(root / files.annotations, root / (files.images or ""), skeleton)


def _one_file(
    data: DataSection, root: Path, split: Split, skeleton: Skeleton, scratch: Path
) -> Path:
    return root / data.files_of(split).annotations


def _read_penn_action(
    data: PennActionDataConfig,
    root: Path,
    split: Split,
    skeleton: Skeleton,
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    _check_joints(skeleton, PENN_ACTION)
    return read_penn_action(root, split == "train", *_folders(data, split), findings)


def _read_jhmdb(
    data: JhmdbDataConfig,
    root: Path,
    split: Split,
    skeleton: Skeleton,
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    _check_joints(skeleton, JHMDB)
    return read_jhmdb(root, split == "train", data.fold, *_folders(data, split), findings)


def _folders(data: DataSection, split: Split) -> tuple[str, str]:
    """Return the folders of annotations and frames of data sets that have one for all splits."""
    files = data.files_of(split)
    return files.annotations, files.images or ""


def _check_joints(skeleton: Skeleton, own: Skeleton) -> None:
    """Raise ValueError if the config names a file of other joints than the labels have."""
    if skeleton.joint_names != own.joint_names:
        raise ValueError(
            f"data.skeleton: {skeleton.name} has joints {', '.join(skeleton.joint_names)}, "
            f"expected those of {own.name}: {', '.join(own.joint_names)}; set data.skeleton=null"
        )


def _written(
    read: Read,
) -> Callable[[Any, Path, Split, Skeleton, Path], Path]:
    """Return how annotations in files of another kind become files that can be measured by."""

    def write(
        data: DataSection, root: Path, split: Split, skeleton: Skeleton, scratch: Path
    ) -> Path:
        write_annotations(read(data, root, split, skeleton), scratch, skeleton)
        return scratch

    return write


def _posetrack(form: Form) -> Dataset:
    return Dataset(
        _read_posetrack,
        lambda truth, found, _, joints: evaluate_by_content(truth, found, joints),
        _per_video_files,
        form=form,
    )


DATASETS: dict[str, Dataset] = {
    "posetrack17": _posetrack("posetrack17"),
    "posetrack18": _posetrack("posetrack18"),
    "posetrack21": _posetrack("posetrack18"),
    "coco": Dataset(_read_coco, evaluate_coco, _one_file),
    "penn_action": Dataset(
        _read_penn_action,
        lambda truth, found, _, joints: evaluate_pck(truth, found, joints, by_torso=False),
        _written(_read_penn_action),
        PENN_ACTION,
        fixed_joints=True,
    ),
    "jhmdb": Dataset(
        _read_jhmdb,
        lambda truth, found, _, joints: evaluate_pck(truth, found, joints, by_torso=True),
        _written(_read_jhmdb),
        JHMDB,
        fixed_joints=True,
    ),
}
"""By `data.layout`."""
