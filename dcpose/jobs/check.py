"""Check the data sets of a config: data.root, and those of data.sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from dcpose.build.data import build_skeleton, joints_of_set, read_train_set, read_videos, section_of
from dcpose.build.datasets import DATASETS, DataSplit
from dcpose.check.findings import Report
from dcpose.check.frames import NeighborNeeds
from dcpose.check.layout import SplitFiles
from dcpose.check.other_sets import ReadSplit, check_other_set
from dcpose.check.run import CheckOptions, Progress, check_data_set
from dcpose.config.data import DataSection, Split, TrainSet
from dcpose.config.schema import Config
from dcpose.config.shipped import find_config
from dcpose.formats.findings import Finding, Level
from dcpose.formats.posetrack.records import FRAME_DIGITS, VideoAnnotation
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import POSETRACK, Skeleton

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class CheckedData:
    """What a check of everything that a config reads found.

    Attributes:
        root: of data.root; None where only sets were asked for.
        sets: of each of data.sets.
    """

    root: Report | None
    sets: Sequence[Report] = ()

    @property
    def reports(self) -> list[Report]:
        """All of them."""
        return [*([] if self.root is None else [self.root]), *self.sets]

    @property
    def healthy(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(report.problems for report in self.reports)

    def allowing(self, codes: Sequence[str]) -> CheckedData:
        """Return the same with all findings of some codes turned into notes."""
        root = None if self.root is None else self.root.allowing(codes)
        return CheckedData(root, [report.allowing(codes) for report in self.sets])

    def to_json_dict(self) -> dict[str, Any]:
        """Return the report of data.root, healthy only if all are, and those of `sets`."""
        of_root = {} if self.root is None else self.root.to_json_dict()
        of_sets = {"sets": [report.to_json_dict() for report in self.sets]} if self.sets else {}
        return {**of_root, "healthy": self.healthy, **of_sets}


def check_config(
    cfg: Config,
    splits: Sequence[str],
    cache_dir: Path | None,
    progress: Progress = lambda stage, done, total: None,
) -> CheckedData:
    """Check everything that runs with this config read.

    Args:
        cfg: with data.sets, these are its train split.
        splits: of `SPLITS`.
        cache_dir: folder for what was found; None keeps nothing.
        progress: see `check_data_set`.

    Raises:
        ValueError: if a folder or a skeleton that the config names cannot be used.
    """
    of_root = own_splits(cfg, splits)
    report = None
    if of_root:
        joints = joints_of_files(cfg)
        report = _check_section(cfg, cfg.data, joints, of_root, cache_dir, progress)
    sets = cfg.data.sets if "train" in splits else None
    return CheckedData(
        report, [_check_train_set(cfg, one, cache_dir, progress) for one in sets or ()]
    )


def _check_train_set(
    cfg: Config, one: TrainSet, cache_dir: Path | None, progress: Progress
) -> Report:
    """Check one of data.sets; if its files are fine, also how it fits the config."""
    wanted = build_skeleton(cfg)
    section, joints = section_of(one), joints_of_set(one, wanted)
    report = _check_section(cfg, section, joints, ("train",), cache_dir, progress)
    if report.problems:
        return report
    try:
        found = _in_val(cfg, read_train_set(one, wanted))
    except ValueError as error:
        mend = "correct the entry of data.sets"
        found = [Finding("keypoint-names", report.root, str(error), mend)]
    return replace(report, findings=[*report.findings, *found])


def own_splits(cfg: Config, splits: Sequence[str]) -> list[Split]:
    """Return the splits that data.root is read for."""
    return [s for s in SPLITS if s in splits and (s != "train" or cfg.data.sets is None)]


def joints_of_files(cfg: Config) -> Skeleton:
    """Return the joints of the files of data.root, be the model made for them or not."""
    if cfg.data.layout not in FRAME_DIGITS:
        return build_skeleton(cfg)
    file = cfg.data.skeleton
    return POSETRACK if file is None else read_skeleton(find_config(file))


def split_files(data: DataSection, splits: Sequence[Split]) -> list[SplitFiles]:
    """Return where a section of a config says that splits lie."""
    root = Path(data.root)
    found = []
    for split in splits:
        files = data.files_of(split)
        boxes = None if files.detections is None else root / files.detections
        found.append(SplitFiles(split, root / files.annotations, boxes, files.images))
    return found


def _check_section(
    cfg: Config,
    data: DataSection,
    skeleton: Skeleton,
    splits: Sequence[Split],
    cache_dir: Path | None,
    progress: Progress,
) -> Report:
    """Check one data set for a run with a config."""
    root = Path(data.root)
    max_gap = 0 if cfg.model.name == "single_frame" else cfg.data.max_gap
    missing = cfg.data.missing_neighbors
    if data.layout in FRAME_DIGITS:
        options = CheckOptions(data.layout, max_gap, missing, cfg.data.min_box_score, skeleton)
        return check_data_set(root, split_files(data, splits), options, cache_dir, progress)
    read = DATASETS[data.layout].read
    # val and test are the same videos, and COCO's test images have no annotations
    readers: dict[str, ReadSplit] = {
        split: partial(read, DataSplit(data, root, split, skeleton))
        for split in splits
        if split != "test"
    }
    level: Level = "problem" if missing == "error" else "note"
    needs = NeighborNeeds(max_gap if data.has_clips else 0, level)
    name = f"{data.layout}, as published"
    return check_other_set(root, name, readers, needs, cache_dir)


def _in_val(cfg: Config, videos: Sequence[VideoAnnotation]) -> list[Finding]:
    """Look for labelled frames that are validated on, too."""
    try:
        val = {path for video in read_videos(cfg, "val") for path in _labelled(video)}
    except ValueError:  # told by the report of data.root
        return []
    findings = []
    for video in videos:
        shared = _labelled(video) & val
        if shared:
            found = f"{min(shared)} is validated on, too"
            mend = "leave val out of data.sets: AP on training frames means nothing"
            findings.append(
                Finding("split-overlap", str(video.source), found, mend, count=len(shared))
            )
    return findings


def _labelled(video: VideoAnnotation) -> set[Path]:
    """Return the frames of a video that somebody is labelled in, wherever links lead."""
    numbers = {person.frame for person in video.people}
    return {video.frame_path(number).resolve() for number in numbers}
