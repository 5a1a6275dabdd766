"""Average precision of one joint: the area under the precision envelope (VOC 2010 and later)."""

import numpy as np


def average_precision(
    scores: np.ndarray, hits: np.ndarray, num_annotated: int
) -> tuple[float, float, float]:
    """Rank detections by score and measure the curve.

    The later detection of equal scores ranks first, so that the result does not depend on the
    sort of the machine. NaN scores rank first.

    Args:
        scores: (N,) float64.
        hits: (N,) bool, whether a detection is right.
        num_annotated: annotated joints, found or not.

    Returns:
        average precision, precision and recall of all detections, in percent. Without annotated
        joints: 0, 0, 0 if there are no detections either, else NaN, 0, NaN. Without detections:
        0, 0, 0 (PoseTrack's evaluator).
    """
    if not len(scores):
        return 0.0, 0.0, 0.0
    if not num_annotated:
        return float("nan"), 0.0, float("nan")
    precision, recall = ranked_curve(scores, hits, num_annotated)
    envelope = best_from_here(np.concatenate([[0.0], precision, [0.0]]))
    recall_steps = np.concatenate([[0.0], recall, [1.0]])
    changes = np.flatnonzero(recall_steps[1:] != recall_steps[:-1]) + 1
    area = np.sum((recall_steps[changes] - recall_steps[changes - 1]) * envelope[changes])
    return float(100 * area), float(100 * precision[-1]), float(100 * recall[-1])


def ranked_curve(
    scores: np.ndarray, hits: np.ndarray, num_annotated: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) precision and (N,) recall, 0 to 1, of the first 1, 2, ... N detections by score.

    The arguments and the order are those of `average_precision`; at least one joint is annotated.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    true_positives = np.cumsum(hits[order])
    return true_positives / np.arange(1, len(order) + 1), true_positives / num_annotated


def best_from_here(values: np.ndarray) -> np.ndarray:
    """Return (N,) the largest of (N,) values from each position on."""
    return np.maximum.accumulate(values[::-1])[::-1]
