"""OKS AP of any joint set, by COCO's rules: greedy matching, 101 points of recall, 10 thresholds.

It gives what pycocotools gives for people of all areas, none of whom is a crowd; where COCO counts
the segment's area, here the area of the box counts, as data of one's own have no segments.
`dcpose/evaluation/coco_ap.py` measures COCO itself, by pycocotools.

Legend: G annotated and P predicted people of a frame; J joints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dcpose.evaluation.matching import people_of_frame
from dcpose.evaluation.subsets import person_boxes
from dcpose.formats.posetrack.video_poses import VideoPoses

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_PEOPLE = 20
"""Predictions of a frame that count, the best first (COCO's maxDets)."""
DEFAULT_SIGMA = 0.025
"""Of every joint of a skeleton without `oks_sigmas`: that of COCO's eyes, the strictest there."""


@dataclass(frozen=True)
class OksAP:
    """AP in percent: the mean over `THRESHOLDS`, and those at OKS 0.5 and 0.75; NaN for nobody."""

    ap: float
    ap50: float
    ap75: float


def oks_ap(videos: Iterable[tuple[VideoPoses, VideoPoses]], sigmas: np.ndarray) -> OksAP:
    """Measure predictions of videos whose frames pair by position.

    Annotated people without joints count on neither side. A prediction ranks by the mean of its
    joint scores.

    Args:
        videos: annotated and predicted people of each.
        sigmas: (J,) of the evaluated joints, relative to the root of a person's area.
    """
    scores, hits = [np.zeros(0)], [np.zeros((len(THRESHOLDS), 0), dtype=bool)]
    num_people = 0
    for annotated, predicted in videos:
        annotated = annotated.keep(np.any(annotated.present, axis=1))
        boxes = person_boxes(annotated)
        ranks = _mean_scores(predicted)
        num_people += len(annotated.joints)
        for frame in range(annotated.num_frames):
            people = people_of_frame(annotated, frame)
            predictions = people_of_frame(predicted, frame)
            order = np.argsort(-ranks[predictions], kind="stable")[:MAX_PEOPLE]
            predictions = predictions[order]
            similarity = oks(
                annotated.joints[people],
                annotated.present[people],
                boxes[people, 2] * boxes[people, 3],
                predicted.joints[predictions],
                sigmas,
            )
            scores.append(ranks[predictions])
            hits.append(match(similarity))
    values = _average_precisions(np.concatenate(scores), np.concatenate(hits, axis=1), num_people)
    at = {round(float(t), 2): value for t, value in zip(THRESHOLDS, values, strict=True)}
    return OksAP(float(values.mean()), float(at[0.5]), float(at[0.75]))


def oks(
    joints: np.ndarray,
    present: np.ndarray,
    areas: np.ndarray,
    predicted: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """Return the (P, G) similarity of predicted and annotated people, over annotated joints.

    Args:
        joints: (G, J, 2) annotated, in pixels.
        present: (G, J) bool, at least one for each person.
        areas: (G,) square pixels.
        predicted: (P, J, 2), in pixels.
        sigmas: (J,).
    """
    squared = ((predicted[:, None] - joints[None]) ** 2).sum(axis=-1)
    exponent = squared / (2 * (areas[:, None] + np.spacing(1)) * (2 * sigmas) ** 2)
    alike = np.where(present, np.exp(-exponent), 0.0)
    return np.asarray(alike.sum(axis=-1) / present.sum(axis=-1))


def match(similarity: np.ndarray) -> np.ndarray:
    """Return (T, P) bool: whether a prediction finds a person at each of `THRESHOLDS`.

    Each prediction in turn takes the free person it resembles most; of equals the last.

    Args:
        similarity: (P, G), the best prediction first.
    """
    hits = np.zeros((len(THRESHOLDS), len(similarity)), dtype=bool)
    for t, threshold in enumerate(THRESHOLDS):
        free = np.ones(similarity.shape[1], dtype=bool)
        for p, row in enumerate(similarity):
            candidates = np.where(free, row, -1.0)
            if not free.any() or candidates.max() < threshold:
                continue
            free[np.flatnonzero(candidates == candidates.max())[-1]] = False
            hits[t, p] = True
    return hits


def _mean_scores(predicted: VideoPoses) -> np.ndarray:
    """Return (P,) means of the scores of present joints; 0 without any."""
    counts = predicted.present.sum(axis=1)
    sums = np.where(predicted.present, predicted.scores, 0.0).sum(axis=1)
    return np.asarray(sums / np.maximum(counts, 1))


def _average_precisions(scores: np.ndarray, hits: np.ndarray, num_people: int) -> np.ndarray:
    """Return (T,) AP in percent of (N,) scored predictions with (T, N) hits."""
    if not num_people:
        return np.full(len(hits), np.nan)
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[:, order], axis=1)
    recall = found / num_people
    precision = found / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    values = np.zeros((len(hits), len(RECALLS)))
    for t in range(len(hits)):
        place = np.searchsorted(recall[t], RECALLS, side="left")
        reached = place < len(order)
        values[t, reached] = envelope[t, place[reached]]
    return 100 * values.mean(axis=1)
