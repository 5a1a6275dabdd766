"""Measures of data without head boxes: pixel errors, PCK by the size of the box, AUC, OKS AP.

    error       distance in pixels of predicted and annotated joint, over joints with a prediction
    PCK@a       share of annotated joints whose error is at most a times the longer side of the
                person's box (Penn Action's measure, with a = 0.2)
    AUC         area under PCK as a function of a from 0 to 0.2, over 0.2: the mean over joints of
                1 - error / (0.2 times the longer side), and 0 past that
    OKS AP      see `oks_ap.py`

PCK and AUC are means over joints, each weighing the same however often it is annotated. A joint for
which nothing was predicted is wrong at every threshold and has no error; there the count says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dcpose.evaluation.evaluator import mean_of_defined, none_if_nan
from dcpose.evaluation.joint_errors import JointErrors, joint_errors
from dcpose.evaluation.oks_ap import DEFAULT_SIGMA, OksAP, oks_ap
from dcpose.formats.posetrack.predictions import read_pairs
from dcpose.skeleton import POSETRACK, Skeleton

PCK_THRESHOLDS = (0.05, 0.1, 0.2)
AUC_LIMIT = 0.2


@dataclass(frozen=True, eq=False)
class PixelResult:
    """What predictions are worth; see the top of this file.

    Attributes:
        errors: of all annotated people.
        oks: OKS AP, with the skeleton's sigmas, or `DEFAULT_SIGMA` for every joint.
    """

    errors: JointErrors
    oks: OksAP
    headline: ClassVar[str] = "AUC"

    @property
    def metric(self) -> str:
        """What is counted."""
        named = bool(self.errors.skeleton.oks_sigmas)
        sigmas = "the skeleton's sigmas" if named else f"sigma {DEFAULT_SIGMA} for every joint"
        return (
            "pixel error; PCK and AUC (to 0.2) by the longer side of the box, mean over joints; "
            f"OKS AP by box area, {sigmas}"
        )

    @property
    def mean_error(self) -> float:
        """Pixels, over all joints that have a prediction; NaN without any."""
        found = self.errors.distances[self.errors.found]
        return float(found.mean()) if len(found) else math.nan

    @property
    def median_error(self) -> float:
        """Pixels, over all joints that have a prediction; NaN without any."""
        found = self.errors.distances[self.errors.found]
        return float(np.median(found)) if len(found) else math.nan

    @property
    def joint_means(self) -> np.ndarray:
        """(J,) mean error of each joint in pixels; NaN for those without one."""
        return column_means(np.where(self.errors.found, self.errors.distances, np.nan))

    @property
    def auc(self) -> float:
        """Percent."""
        relative = self.errors.distances / (AUC_LIMIT * self.errors.box_sizes[:, None])
        return mean_over_joints(np.maximum(1 - relative, 0.0))

    @property
    def total(self) -> float:
        """The AUC, which the best checkpoint is chosen by."""
        return self.auc

    @property
    def columns(self) -> dict[str, float]:
        """The row of tables: errors in pixels, the rest in percent."""
        sizes = self.errors.box_sizes
        pck = {
            f"PCK@{a:g}": mean_over_joints(within(self.errors, a * sizes)) for a in PCK_THRESHOLDS
        }
        return {
            "mean px": self.mean_error,
            "median px": self.median_error,
            **pck,
            "OKS AP": self.oks.ap,
            "AUC": self.auc,
        }

    @property
    def details(self) -> dict[str, float]:
        """The columns and each joint's mean error, for the log."""
        by_joint = zip(self.errors.skeleton.evaluation_names, self.joint_means, strict=True)
        return {**self.columns, **{f"{name} px": float(value) for name, value in by_joint}}

    @property
    def num_frames(self) -> int:
        """Frames that the annotations list."""
        return self.errors.num_frames

    @property
    def num_videos(self) -> int:
        """Videos evaluated."""
        return self.errors.num_videos

    def to_json_dict(self) -> dict[str, Any]:
        """Return joint_names, headline, joint errors, total, groups, counts; undefined is None."""
        return {
            "joint_names": list(self.errors.skeleton.evaluation_names),
            "headline": self.headline,
            "joint_mean_px": [none_if_nan(value) for value in self.joint_means],
            "total": none_if_nan(self.total),
            "groups": {name: none_if_nan(value) for name, value in self.columns.items()},
            "oks": {"ap50": none_if_nan(self.oks.ap50), "ap75": none_if_nan(self.oks.ap75)},
            "counts": self.counts(),
        }

    def counts(self) -> dict[str, int]:
        """Return annotated people and joints, joints without a prediction, people too many."""
        annotated, found = int(self.errors.annotated.sum()), int(self.errors.found.sum())
        return {
            "people": len(self.errors.distances),
            "joints": annotated,
            "joints_missing": annotated - found,
            "extra_people": self.errors.num_extra,
        }


def evaluate_pixels(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton = POSETRACK
) -> PixelResult:
    """Measure every annotation file of a folder against the predictions file of the same name.

    Raises:
        ValueError: if a folder or file is missing or malformed.
    """
    videos = list(read_pairs(annotations_dir, predictions_dir, skeleton))
    return PixelResult(joint_errors(videos, skeleton), oks_ap(videos, evaluated_sigmas(skeleton)))


def evaluated_sigmas(skeleton: Skeleton) -> np.ndarray:
    """Return (J,) sigmas of the evaluated joints; `DEFAULT_SIGMA` where the skeleton has none."""
    if not skeleton.oks_sigmas:
        return np.full(len(skeleton.evaluation_joints), DEFAULT_SIGMA)
    rows = [skeleton.index(name) for name in skeleton.evaluation_joints]
    return np.array(skeleton.oks_sigmas)[rows]


def within(errors: JointErrors, limits: np.ndarray) -> np.ndarray:
    """Return (N, J) 1 for annotated joints within the (N,) limits, else 0; NaN if not annotated.

    A limit of NaN leaves the person out.
    """
    right = np.where(errors.annotated, errors.distances <= limits[:, None], np.nan)
    return np.where(np.isnan(limits)[:, None], np.nan, right)


def column_means(values: np.ndarray) -> np.ndarray:
    """Return (J,) means of (N, J) values that are not NaN; NaN for none."""
    counted = ~np.isnan(values)
    counts = counted.sum(axis=0)
    sums = np.where(counted, values, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def mean_over_joints(values: np.ndarray) -> float:
    """Return the mean in percent of `column_means`, over the joints that have one."""
    return mean_of_defined(100 * column_means(values))
