"""PoseTrack AP of predictions files against annotation files.

The numbers are those of the official evaluator (poseval), computed on arrays, one video at a
time. A warning is logged for input that the official one accepts although it is probably wrong.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dcpose.evaluation.average_precision import average_precision
from dcpose.evaluation.matching import Detections, match_people
from dcpose.evaluation.subsets import in_order, split_by_condition
from dcpose.formats.posetrack.folders import paired_files
from dcpose.formats.posetrack.names import order_mismatch
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.formats.posetrack.video_poses import VideoPoses
from dcpose.skeleton import POSETRACK, Skeleton

GROUP_TITLES = {
    "Shou": "Shoulder", "Elb": "Elbow", "Wri": "Wrist", "Ankl": "Ankle", "Total": "Mean",
}  # fmt: skip
"""What the paper's tables call groups that have another name there."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class APResult:
    """AP of a set of videos, per evaluated joint of a skeleton (J = 15 for PoseTrack).

    Attributes:
        ap: (J,) float64 average precision in percent; NaN for joints that are predicted but
            never annotated, 0 for joints that are neither.
        precision: (J,) float64 right share of all predicted joints, in percent.
        recall: (J,) float64 found share of all annotated joints, in percent; NaN like `ap`.
        num_annotated: (J,) int64 annotated joints after filtering.
        num_predicted: (J,) int64 predicted joints after filtering.
        num_right: (J,) int64 predicted joints that are right.
        num_videos: videos evaluated.
        num_frames: frames evaluated, those with annotated people.
        skeleton: names the J joints and the groups of the table.
        num_people: annotated people with joints.
        subsets: the same for labelled parts of the people, by label; see `subsets`.
    """

    ap: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    num_annotated: np.ndarray
    num_predicted: np.ndarray
    num_right: np.ndarray
    num_videos: int
    num_frames: int
    skeleton: Skeleton = POSETRACK
    num_people: int = 0
    subsets: Mapping[str, APResult] = field(default_factory=dict)
    headline: ClassVar[str] = "AP"
    metric: ClassVar[str] = "PoseTrack AP, joints within half a head size"

    @property
    def total(self) -> float:
        """Mean AP over the joints that have one, the "Mean" of published tables."""
        return mean_of_defined(self.ap)

    @property
    def groups(self) -> dict[str, float]:
        """AP of the skeleton's groups (plain means of their joints) and Total.

        For PoseTrack: Head, Shou, Elb, Wri, Hip, Knee, Ankl, Total.
        """
        return group_means(self.ap, self.skeleton)

    @property
    def details(self) -> dict[str, float]:
        """AP by joint."""
        return dict(zip(self.skeleton.evaluation_names, map(float, self.ap), strict=True))

    @property
    def columns(self) -> dict[str, float]:
        """The groups under the titles of the paper's tables: Head, Shoulder, ... Mean."""
        return {GROUP_TITLES.get(group, group): value for group, value in self.groups.items()}

    def to_json_dict(self) -> dict[str, Any]:
        """Return joint_names, headline, ap, precision, recall, total, groups; undefined is None.

        And `subsets`, if there are any: by label, the number of people and the same again.
        """
        subsets = {
            name: {"people": part.num_people, **part.to_json_dict()}
            for name, part in self.subsets.items()
        }
        return {
            "joint_names": list(self.skeleton.evaluation_names),
            "headline": self.headline,
            "ap": [none_if_nan(value) for value in self.ap],
            "precision": [none_if_nan(value) for value in self.precision],
            "recall": [none_if_nan(value) for value in self.recall],
            "total": none_if_nan(self.total),
            "groups": {name: none_if_nan(value) for name, value in self.groups.items()},
            **({"subsets": subsets} if subsets else {}),
        }


class Evaluator:
    """Collects videos with `update`, measures them with `compute`.

    Args:
        skeleton: joints of the files, and which of them are evaluated.
        by_condition: also measure the subsets that annotated people are labelled with.
    """

    def __init__(self, skeleton: Skeleton = POSETRACK, by_condition: bool = False) -> None:
        self.skeleton = skeleton
        self.by_condition = by_condition
        self._videos: list[Detections] = []
        self._subsets: dict[str, list[Detections]] = {}

    def update(self, annotations_path: Path, predictions_path: Path) -> None:
        """Add one video, each side in the 2017 or 2018 form.

        Raises:
            ValueError: if a file is malformed, or the two do not have the same number
                of frames; nothing is added then.
        """
        annotated = read_poses(annotations_path, "annotations", self.skeleton)
        predicted = read_poses(predictions_path, "predictions", self.skeleton)
        matching = match_people(annotated, predicted)
        self._videos.append(matching.detections())
        if self.by_condition:
            for name, part in split_by_condition(matching).items():
                self._subsets.setdefault(name, []).append(part)
        for poses in (annotated, predicted):
            for note in poses.notes:
                _log.warning("%s: %s", poses.path, note)
        _warn_of_other_order(annotated, predicted)

    def compute(self) -> APResult:
        """Return the AP of all videos so far, pooled into one ranking per joint."""
        subsets = {name: self._pool(self._subsets[name]) for name in in_order(self._subsets)}
        return replace(self._pool(self._videos), subsets=subsets)

    def _pool(self, videos: Sequence[Detections]) -> APResult:
        num_joints = len(self.skeleton.evaluation_joints)
        empty = np.zeros((0, num_joints))
        present = np.concatenate([empty.astype(bool), *(v.present for v in videos)])
        scores = np.concatenate([empty, *(v.scores for v in videos)])
        hits = np.concatenate([empty.astype(bool), *(v.hits for v in videos)])
        num_annotated = sum((v.num_annotated for v in videos), np.zeros(num_joints, np.int64))
        curves = np.array(
            [
                average_precision(
                    scores[present[:, j], j], hits[present[:, j], j], int(num_annotated[j])
                )
                for j in range(num_joints)
            ]
        )
        return APResult(
            ap=curves[:, 0],
            precision=curves[:, 1],
            recall=curves[:, 2],
            num_annotated=num_annotated,
            num_predicted=present.sum(axis=0),
            num_right=hits.sum(axis=0),
            num_videos=len(videos),
            num_frames=sum(v.num_frames for v in videos),
            skeleton=self.skeleton,
            num_people=sum(v.num_people for v in videos),
        )


def evaluate_folders(
    annotations_dir: Path,
    predictions_dir: Path,
    skeleton: Skeleton = POSETRACK,
    by_condition: bool = False,
) -> APResult:
    """Evaluate every annotation file of a folder against the predictions file of the same name.

    Args:
        annotations_dir: ground truth, one JSON file per video.
        predictions_dir: predictions; files without an annotation file are not read.
        skeleton: joints of the files, and which of them are evaluated.
        by_condition: also measure the subsets that annotated people are labelled with.

    Raises:
        ValueError: if a folder or a predictions file is missing or a file is malformed.
    """
    evaluator = Evaluator(skeleton, by_condition)
    for annotations_path, predictions_path in paired_files(annotations_dir, predictions_dir):
        evaluator.update(annotations_path, predictions_path)
    return evaluator.compute()


def group_means(values: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """Return means over the skeleton's groups of joints, then over all joints as Total.

    Args:
        values: (J,) of the evaluated joints; a NaN leaves its group undefined, not the Total.
        skeleton: names joints and groups.
    """
    names = skeleton.evaluation_names
    groups = {
        group: float(np.mean(values[[names.index(joint) for joint in joints]]))
        for group, joints in skeleton.evaluation_groups
    }
    return {**groups, "Total": mean_of_defined(values)}


def mean_of_defined(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if len(defined) else math.nan


def none_if_nan(value: float) -> float | None:
    """Return what JSON can hold."""
    return None if math.isnan(value) else float(value)


def _warn_of_other_order(annotated: VideoPoses, predicted: VideoPoses) -> None:
    mismatch = order_mismatch(annotated.frame_names, predicted.frame_names)
    if mismatch:
        position, expected, found = mismatch
        _log.warning(
            "%s: images[%d] is %s where %s has %s; frames are paired by position, not by name",
            predicted.path, position, found, annotated.path, expected,
        )  # fmt: skip
