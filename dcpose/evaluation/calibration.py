"""From the score of a joint to the probability that it lies within a limit of its true place.

A heatmap's peak says which of two joints is the surer one, not how sure it is. What scores were
worth on labelled data is fitted by the best rising function of them (isotonic regression), over
groups of equal size, so that single joints do not make steps of their own.

Legend: N scored joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.evaluation.joint_errors import JointErrors
from dcpose.formats import fields

GROUPS = 50
"""Groups of joints that a fit is made of, at most."""
LEAST_GROUP = 20
"""Joints of a group at least."""
BINS = 15
"""Groups of probabilities in the calibration error."""
HEAD_LIMIT, BOX_LIMIT = 0.5, 0.1
"""Limits in head sizes, and without head boxes in longer sides of the box."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rising function of scores.

    Attributes:
        scores: (K,) float64 rising; lower and higher scores count as the first and last.
        probabilities: (K,) float64 in [0, 1], not falling.
        limit: what "within" means, in words.
    """

    scores: np.ndarray
    probabilities: np.ndarray
    limit: str

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities of scores, of any shape."""
        return np.interp(scores, self.scores, self.probabilities)

    def to_json_dict(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "limit": self.limit,
            "scores": self.scores.round(6).tolist(),
            "probabilities": self.probabilities.round(6).tolist(),
        }

    @classmethod
    def from_json(cls, content: Any, where: str) -> Calibration:  # noqa: ANN401 - parsed JSON
        """Read what `to_json_dict` gave.

        Raises:
            ValueError: if it is something else; `where` begins the message.
        """
        count = len(fields.get_list(content, "scores", where))
        scores = fields.get_numbers(content, "scores", count, where)
        probabilities = fields.get_numbers(content, "probabilities", count, where)
        if (
            not count
            or (np.diff(scores) <= 0).any()
            or (np.diff(probabilities) < 0).any()
            or probabilities[0] < 0
            or probabilities[-1] > 1
        ):
            raise ValueError(
                f"{where}: expected rising scores, with probabilities from 0 to 1 that do not fall"
            )
        return cls(scores, probabilities, fields.get_str(content, "limit", where))


def read_calibration(path: Path) -> Calibration:
    """Read what `scripts/calibrate.py` wrote, or the calibration in a card.

    Raises:
        ValueError: if the file cannot be read, or holds none.
    """
    content = fields.read_json(path)
    return calibration_in(content, path) or Calibration.from_json(content, str(path))


def calibration_in(card: Any, path: Path) -> Calibration | None:  # noqa: ANN401 - parsed JSON
    """Return the calibration in the content of a card, None without; `path` is for messages."""
    if not isinstance(card, dict) or "calibration" not in card:
        return None
    return Calibration.from_json(card["calibration"], f"{path}: calibration")


def scored_joints(errors: JointErrors) -> tuple[np.ndarray, np.ndarray, str]:
    """Return (N,) scores of predicted joints, (N,) bool whether they are right, and the limit.

    The limit is half a head size where all people have head boxes, else a tenth of the longer side
    of the box. Joints that nobody annotated are unknown, not wrong, and do not count.
    """
    if np.isfinite(errors.head_sizes).all() and len(errors.head_sizes):
        limits, words = HEAD_LIMIT * errors.head_sizes, f"{HEAD_LIMIT} head sizes"
    else:
        limits, words = BOX_LIMIT * errors.box_sizes, f"{BOX_LIMIT} of the box's longer side"
    known = np.isfinite(errors.distances) & np.isfinite(errors.scores)
    right = errors.distances <= limits[:, None]
    return errors.scores[known], right[known], words


def fit(scores: np.ndarray, right: np.ndarray, limit: str) -> Calibration:
    """Fit a calibration to (N,) scores and (N,) bool whether joints are right.

    Raises:
        ValueError: if there are too few joints.
    """
    if len(scores) < 2 * LEAST_GROUP:
        raise ValueError(f"{len(scores)} scored joints, expected at least {2 * LEAST_GROUP}")
    order = np.argsort(scores, kind="stable")
    count = min(GROUPS, len(scores) // LEAST_GROUP)
    groups = np.array_split(order, count)
    means = np.array([scores[group].mean() for group in groups])
    shares = np.array([right[group].mean() for group in groups])
    sizes = np.array([len(group) for group in groups], dtype=float)
    from scipy.optimize import isotonic_regression  # slow to import

    rising = isotonic_regression(shares, weights=sizes).x
    # groups of one and the same score: one knot with their mean
    knots, place = np.unique(means, return_inverse=True)
    total = np.bincount(place, sizes)
    return Calibration(knots, np.bincount(place, sizes * rising) / total, limit)


def calibration_error(probabilities: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of (N,) probabilities, in [0, 1]; NaN for none.

    Probabilities fall into `BINS` of equal width; the error is the mean over joints of how far the
    mean probability of their bin is from the share that is right.
    """
    bins = reliability(probabilities, right)
    total = bins[:, 2].sum()
    if not total:
        return float("nan")
    return float((bins[:, 2] * np.abs(bins[:, 0] - bins[:, 1])).sum() / total)


def reliability(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (`BINS`, 3): mean probability, share that is right, and number, of each bin."""
    place = np.clip((probabilities * BINS).astype(int), 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS).astype(float)
    at_least_one = np.maximum(counts, 1)
    means = np.bincount(place, probabilities, minlength=BINS) / at_least_one
    shares = np.bincount(place, right.astype(float), minlength=BINS) / at_least_one
    return np.column_stack([means, shares, counts])
