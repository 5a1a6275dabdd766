"""HOTA of tracked people, by TrackEval's definition with OKS as the similarity of two poses.

HOTA balances how well people are found and how long their identity is kept: at each of 19 limits of
similarity it is the root of detection accuracy times association accuracy, and the result is the
mean over the limits. Source: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object
Tracking (IJCV 2021).

Legend: A limits; G annotated and P predicted identities of a video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LIMITS = np.arange(0.05, 0.99, 0.05)
_EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class HotaCounts:
    """What one video, or several, add up to, at each of A limits.

    Attributes:
        true_positives: (A,) matched people.
        false_negatives: (A,) annotated people without a match.
        false_positives: (A,) predicted people without a match.
        association: (A,) sum over matches of the association accuracy of their two identities.
        similarity: (A,) sum over matches.
    """

    true_positives: np.ndarray
    false_negatives: np.ndarray
    false_positives: np.ndarray
    association: np.ndarray
    similarity: np.ndarray

    def __add__(self, other: HotaCounts) -> HotaCounts:
        """Return the counts of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return HotaCounts(*(own + theirs for own, theirs in pairs))

    @classmethod
    def none(cls) -> HotaCounts:
        """Return the counts of nothing."""
        return cls(*(np.zeros(len(LIMITS)) for _ in range(5)))

    @property
    def detection_accuracy(self) -> np.ndarray:
        """(A,) DetA: matches, as a share of all annotated and predicted people."""
        everyone = self.true_positives + self.false_negatives + self.false_positives
        return self.true_positives / np.maximum(everyone, 1)

    @property
    def association_accuracy(self) -> np.ndarray:
        """(A,) AssA: mean over matches of how much their two identities have in common."""
        return self.association / np.maximum(self.true_positives, 1)

    @property
    def values(self) -> dict[str, float]:
        """HOTA, DetA, AssA and LocA in percent, means over the limits."""
        detection, association = self.detection_accuracy, self.association_accuracy
        # without a match at any limit TrackEval gives 1 as the place's accuracy
        least = 1e-10
        location = np.maximum(self.similarity, least) / np.maximum(self.true_positives, least)
        means = {
            "HOTA": np.sqrt(detection * association),
            "DetA": detection,
            "AssA": association,
            "LocA": location,
        }
        return {name: float(100 * value.mean()) for name, value in means.items()}


def video_counts(
    frames: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> HotaCounts:
    """Count the matches of a video.

    Args:
        frames: ids of the annotated people, ids of the predicted ones, each once in a frame, and
            their similarity (annotated, predicted) in [0, 1].
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    listed = list(frames)
    known = np.unique(np.concatenate([np.zeros(0), *(ids for ids, _, _ in listed)]))
    found = np.unique(np.concatenate([np.zeros(0), *(ids for _, ids, _ in listed)]))
    placed = [
        (np.searchsorted(known, ids), np.searchsorted(found, predicted), similarity)
        for ids, predicted, similarity in listed
    ]
    alignment, num_known, num_found = _alignment(placed, len(known), len(found))
    counts = HotaCounts.none()
    matches = np.zeros((len(LIMITS), len(known), len(found)))
    for people, predictions, similarity in placed:
        scores = alignment[np.ix_(people, predictions)] * similarity
        rows, columns = linear_sum_assignment(-scores)
        alike = similarity[rows, columns]
        right = alike[None] >= LIMITS[:, None] - _EPSILON  # (A, pairs)
        number = right.sum(axis=1)
        counts = counts + HotaCounts(
            number,
            len(people) - number,
            len(predictions) - number,
            np.zeros(len(LIMITS)),
            (right * alike[None]).sum(axis=1),
        )
        matches[:, people[rows], predictions[columns]] += right
    union = np.maximum(num_known[:, None] + num_found[None] - matches, 1)
    association = (matches * matches / union).sum(axis=(1, 2))
    nothing = np.zeros(len(LIMITS))
    return counts + HotaCounts(nothing, nothing, nothing, association, nothing)


def _alignment(
    placed: list[tuple[np.ndarray, np.ndarray, np.ndarray]], num_known: int, num_found: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (G, P) how much two identities agree over the video, and in how many frames each is.

    Matches are chosen by it, so that those of one frame do not break the tracks of the others.
    """
    together = np.zeros((num_known, num_found))
    known, found = np.zeros(num_known), np.zeros(num_found)
    for people, predictions, similarity in placed:
        all_similar = similarity.sum(axis=0)[None] + similarity.sum(axis=1)[:, None] - similarity
        share = np.divide(
            similarity, all_similar, out=np.zeros_like(similarity), where=all_similar > _EPSILON
        )
        together[np.ix_(people, predictions)] += share
        known[people] += 1
        found[predictions] += 1
    return together / (known[:, None] + found[None] - together), known, found
