"""PCK as Penn Action and Sub-JHMDB publish it: joints within 0.2 of the size of the person.

Penn Action: the size is the longer side of the person's box; joints that are marked visible count.
Sub-JHMDB: the same, and beside it the size of the torso, the distance from the left shoulder to the
right hip; joints inside the picture count. The mean is over joints, as the published one is, not
over the columns of the table: Sub-JHMDB's head is three joints (head, neck, belly).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dcpose.evaluation.evaluator import GROUP_TITLES, mean_of_defined, none_if_nan
from dcpose.evaluation.joint_errors import JointErrors, joint_errors
from dcpose.evaluation.pixel_result import column_means, within
from dcpose.formats.posetrack.predictions import read_pairs
from dcpose.skeleton import Skeleton

PCK_THRESHOLD = 0.2
TORSO = ("left_shoulder", "right_hip")


@dataclass(frozen=True, eq=False)
class PckResult:
    """PCK in percent, see the top of this file.

    Attributes:
        errors: of all annotated people.
        by_torso: also measure by the size of the torso.
    """

    errors: JointErrors
    by_torso: bool
    headline: ClassVar[str] = "PCK"

    @property
    def metric(self) -> str:
        """What is counted."""
        torso = ", or of the torso" if self.by_torso else ""
        return f"PCK, joints within {PCK_THRESHOLD} of the longer side of the box{torso}"

    @property
    def pck(self) -> np.ndarray:
        """(J,) by the size of the box; NaN for joints that are never annotated."""
        return 100 * column_means(within(self.errors, PCK_THRESHOLD * self.errors.box_sizes))

    @property
    def torso_pck(self) -> np.ndarray:
        """(J,) by the size of the torso, of people both of whose ends are annotated."""
        return 100 * column_means(within(self.errors, PCK_THRESHOLD * self.errors.span(*TORSO)))

    @property
    def total(self) -> float:
        """Mean over joints by the size of the box."""
        return mean_of_defined(self.pck)

    @property
    def columns(self) -> dict[str, float]:
        """The groups of the skeleton, the mean by torso size, and the mean over joints."""
        names = self.errors.skeleton.evaluation_names
        pck = self.pck
        groups = {
            GROUP_TITLES.get(title, title): mean_of_defined(pck[[names.index(n) for n in members]])
            for title, members in self.errors.skeleton.evaluation_groups
        }
        torso = {"Mean (torso)": mean_of_defined(self.torso_pck)} if self.by_torso else {}
        return {**groups, **torso, "Mean": self.total}

    @property
    def details(self) -> dict[str, float]:
        """PCK by joint."""
        return dict(zip(self.errors.skeleton.evaluation_names, map(float, self.pck), strict=True))

    @property
    def num_frames(self) -> int:
        """Frames that the annotations list."""
        return self.errors.num_frames

    @property
    def num_videos(self) -> int:
        """Videos evaluated."""
        return self.errors.num_videos

    def to_json_dict(self) -> dict[str, Any]:
        """Return joint_names, headline, pck by joint, total and groups; undefined is None."""
        torso = {"torso_pck": [none_if_nan(v) for v in self.torso_pck]} if self.by_torso else {}
        return {
            "joint_names": list(self.errors.skeleton.evaluation_names),
            "headline": self.headline,
            "pck": [none_if_nan(value) for value in self.pck],
            **torso,
            "total": none_if_nan(self.total),
            "groups": {name: none_if_nan(value) for name, value in self.columns.items()},
        }


def evaluate_pck(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton, by_torso: bool
) -> PckResult:
    """Measure every annotation file of a folder against the predictions file of the same name.

    Raises:
        ValueError: if a folder or file is missing or malformed.
    """
    videos = read_pairs(annotations_dir, predictions_dir, skeleton)
    return PckResult(joint_errors(videos, skeleton), by_torso)
