"""Data sets that can be chosen by `data.layout`: how they are read, and how they are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dcpose.config.data import Split
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


class DataSplit(NamedTuple):
    """A split of a data set, as a config names it.

    Attributes:
        data: the layout's own section.
        root: folder of the data set.
        name: train, val or test.
        skeleton: joints that labels are read for.
    """

    data: Any
    root: Path
    name: Split
    skeleton: Skeleton

    @property
    def annotations(self) -> Path:
        """Folder or file of the annotations."""
        return self.root / self.data.files_of(self.name).annotations

    @property
    def images(self) -> str | None:
        """See `SplitFiles`."""
        return self.data.files_of(self.name).images


@dataclass(frozen=True)
class Dataset:
    """One kind of data set.

    Attributes:
        read: `DataSplit`, and maybe `Findings`, to annotated videos; what is wrong with single
            files goes to the findings, without them the first problem is a ValueError.
        evaluate: files of annotations (see `truth`), folder of predictions, how joints are scored
            (`test.joint_score`) and joints to what the predictions are worth.
        truth: `DataSplit`, and an empty folder to work in, to the folder of one annotation file per
            video, or the file, that `evaluate` takes.
        skeleton: joints, where the config names no file.
        form: of leaderboard files; None where there is no leaderboard.
        fixed_joints: labels have these joints in this order; else files name theirs.
        box_margin: how many times as long as boxes that touch the person, as those of detectors
            do, annotated boxes are.
    """

    read: Callable[..., list[VideoAnnotation]]
    evaluate: Callable[[Path, Path, JointScore, Skeleton], Measured]
    truth: Callable[[DataSplit, Path], Path]
    skeleton: Skeleton = POSETRACK
    form: Form | None = None
    fixed_joints: bool = False
    box_margin: float = 1.0


def _read_posetrack(of: DataSplit, findings: Findings | None = None) -> list[VideoAnnotation]:
    """Read PoseTrack's files; raise ValueError also if frames have names of another layout."""
    videos = read_annotations(of.annotations, of.root, of.skeleton, of.images)
    layout = of.data.layout
    digits = FRAME_DIGITS[layout]
    for video in videos:
        if video.digits != digits:
            fitting = [name for name, count in FRAME_DIGITS.items() if count == video.digits]
            raise ValueError(
                f"data.layout: found {layout}, whose frames have names of {digits} "
                f"digits, but {video.source} names {video.images[0]['file_name']}; "
                f"set data.layout={' or '.join(fitting)}"
            )
    return videos


def _per_video_files(of: DataSplit, scratch: Path) -> Path:
    """Return the folder of annotation files; a file of all videos is taken apart into `scratch`."""
    if not of.annotations.is_file():
        return of.annotations
    write_videos(of.annotations, scratch)
    return scratch


def _read_coco(of: DataSplit, findings: Findings | None = None) -> list[VideoAnnotation]:
    return read_coco(of.annotations, of.root / (of.images or ""), of.skeleton)


def _read_penn_action(of: DataSplit, findings: Findings | None = None) -> list[VideoAnnotation]:
    _check_joints(of.skeleton, PENN_ACTION)
    return read_penn_action(of.root, of.name == "train", *_folders(of), findings)


def _read_jhmdb(of: DataSplit, findings: Findings | None = None) -> list[VideoAnnotation]:
    _check_joints(of.skeleton, JHMDB)
    return read_jhmdb(of.root, of.name == "train", of.data.fold, *_folders(of), findings)


def _folders(of: DataSplit) -> tuple[str, str]:
    """Return the folders of annotations and frames of data sets that have one for all splits."""
    return of.data.files_of(of.name).annotations, of.images or ""


def _check_joints(skeleton: Skeleton, own: Skeleton) -> None:
    """Raise ValueError if the config names a file of other joints than the labels have."""
    if skeleton.joint_names != own.joint_names:
        raise ValueError(
            f"data.skeleton: {skeleton.name} has joints {', '.join(skeleton.joint_names)}, "
            f"expected those of {own.name}: {', '.join(own.joint_names)}; set data.skeleton=null"
        )


def _written(read: Callable[..., list[VideoAnnotation]]) -> Callable[[DataSplit, Path], Path]:
    """Return how annotations in files of another kind become files that can be measured by."""

    def write(of: DataSplit, scratch: Path) -> Path:
        write_annotations(read(of), scratch, of.skeleton)
        return scratch

    return write


def _posetrack(form: Form) -> Dataset:
    return Dataset(
        _read_posetrack,
        lambda truth, found, _, joints: evaluate_by_content(truth, found, joints),
        _per_video_files,
        form=form,
        # annotated boxes have 1.3 times the extent of the joints, boxes that touch people some 1.08
        box_margin=1.2,
    )


DATASETS: dict[str, Dataset] = {
    "posetrack17": _posetrack("posetrack17"),
    "posetrack18": _posetrack("posetrack18"),
    "posetrack21": _posetrack("posetrack18"),
    "coco": Dataset(_read_coco, evaluate_coco, lambda of, scratch: of.annotations),
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
