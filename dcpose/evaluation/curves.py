"""Curves behind an AP: precision over recall, and PCKh over its limit.

Legend: J joints in evaluation order, N detections of one joint, A annotated joints, L limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcpose.evaluation.average_precision import best_from_here, ranked_curve
from dcpose.evaluation.matching import Matching, joint_distances, match_people
from dcpose.formats.posetrack.predictions import read_pairs
from dcpose.skeleton import POSETRACK, Skeleton

PCKH_LIMITS = np.linspace(0.0, 1.0, 51)
"""(L,) distances in head sizes at which PCKh is read; AP is counted at 0.5."""
RECALL_STEPS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is read."""


@dataclass(frozen=True, eq=False)
class Curves:
    """What a model does between "finds nothing" and "guesses everything".

    Attributes:
        precision: by group of joints, (101,) percent at `RECALL_STEPS`: the envelope whose area
            is AP, mean over the group's joints; groups without annotated joints have no entry.
        pckh: (L,) percent of all annotated joints whose prediction lies at most `PCKH_LIMITS`
            head sizes away; NaN if nothing is annotated.
    """

    precision: dict[str, np.ndarray]
    pckh: np.ndarray


def read_matchings(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton = POSETRACK
) -> list[Matching]:
    """Match every video of a folder of annotations with its predictions.

    Raises:
        ValueError: if a folder or file is missing or malformed.
    """
    pairs = read_pairs(annotations_dir, predictions_dir, skeleton)
    return [match_people(*pair) for pair in pairs]


def measure_curves(matchings: Iterable[Matching], skeleton: Skeleton = POSETRACK) -> Curves:
    """Return the curves of the matched people of some videos, pooled as AP pools them."""
    matchings = list(matchings)
    names = skeleton.evaluation_names
    found = [matching.detections() for matching in matchings]
    by_joint = {}
    for joint, name in enumerate(names):
        scores = np.concatenate([[], *(d.scores[d.present[:, joint], joint] for d in found)])
        hits = np.concatenate([[], *(d.hits[d.present[:, joint], joint] for d in found)])
        num_annotated = sum(int(d.num_annotated[joint]) for d in found)
        if num_annotated:
            by_joint[name] = precision_envelope(scores, hits.astype(bool), num_annotated)
    precision = {
        group: np.mean([by_joint[name] for name in joints if name in by_joint], axis=0)
        for group, joints in skeleton.evaluation_groups
        if any(name in by_joint for name in joints)
    }
    distances = np.concatenate([[], *map(annotated_distances, matchings)])
    within = (distances[:, None] <= PCKH_LIMITS).sum(axis=0)
    share = within / len(distances) if len(distances) else np.full(len(PCKH_LIMITS), np.nan)
    return Curves(precision, 100 * share)


def precision_envelope(scores: np.ndarray, hits: np.ndarray, num_annotated: int) -> np.ndarray:
    """Return the best precision at each of `RECALL_STEPS` or beyond, in percent, (101,).

    Args:
        scores: (N,) float64; the later of equal scores ranks first, as in `average_precision`.
        hits: (N,) bool.
        num_annotated: annotated joints, at least 1.
    """
    precision, recall = ranked_curve(scores, hits, num_annotated)
    # the first rank that reaches a recall; beyond the last one precision is 0
    rank = np.searchsorted(recall, RECALL_STEPS - 1e-12)
    return 100 * best_from_here(np.append(precision, 0.0))[rank]


def annotated_distances(matching: Matching) -> np.ndarray:
    """Return (A,) distances of predictions from annotated joints, in head sizes.

    Infinite where a person has no assigned prediction, or that one lacks the joint.
    """
    annotated, predicted = matching.annotated, matching.predicted
    assigned = np.flatnonzero(matching.person_of >= 0)
    person = matching.person_of[assigned]
    distance = joint_distances(annotated, predicted, person, assigned)
    found = np.full(annotated.present.shape, np.inf)
    found[person] = np.where(np.isfinite(distance), distance, np.inf)
    return found[annotated.present]
