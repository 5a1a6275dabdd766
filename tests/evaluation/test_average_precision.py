"""Hand-computed curves and properties of the area under the precision envelope."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.evaluation.average_precision import average_precision


def ap_of(hits_by_rank, num_annotated):
    """AP of detections listed from best to worst."""
    scores = -np.arange(len(hits_by_rank), dtype=float)
    return average_precision(scores, np.array(hits_by_rank, dtype=bool), num_annotated)


@pytest.mark.parametrize(
    ("hits", "num_annotated", "ap", "precision", "recall"),
    [
        ([1, 1], 2, 100, 100, 100),
        ([0, 1], 1, 50, 50, 100),  # the only hit has precision 1/2
        ([1, 0, 1], 2, 100 * (1 + 2 / 3) / 2, 200 / 3, 100),
        ([1, 0, 0, 1], 4, 100 * (1 + 2 / 4) / 4, 50, 50),  # two people never found
        ([0, 1, 1, 1], 4, 100 * 3 * 0.75 / 4, 75, 75),  # the envelope lifts 1/2 and 2/3 to 3/4
        ([0, 0], 3, 0, 0, 0),
    ],
)
def test_hand_computed(hits, num_annotated, ap, precision, recall):
    assert ap_of(hits, num_annotated) == pytest.approx((ap, precision, recall), abs=1e-12)


def test_undefined_cases():
    nothing = np.zeros(0)
    assert average_precision(nothing, nothing.astype(bool), 3) == (0, 0, 0)
    assert average_precision(nothing, nothing.astype(bool), 0) == (0, 0, 0)
    ap, precision, recall = average_precision(np.ones(2), np.zeros(2, dtype=bool), 0)
    assert math.isnan(ap)
    assert precision == 0
    assert math.isnan(recall)


def test_of_equal_scores_the_later_ranks_first():
    hits = np.array([False, True])
    assert average_precision(np.array([0.5, 0.5]), hits, 1)[0] == 100
    assert average_precision(np.array([0.5, 0.5]), hits[::-1], 1)[0] == 50


def test_nan_scores_rank_first():
    scores, hits = np.array([0.9, np.nan]), np.array([True, False])
    assert average_precision(scores, hits, 1)[0] == 50


rankings = st.lists(st.booleans(), min_size=1, max_size=30)


@given(rankings, st.integers(0, 5))
def test_stays_in_range(hits, missed):
    annotated = sum(hits) + missed
    ap, precision, recall = ap_of(hits, max(annotated, 1))
    assert 0 <= ap <= recall + 1e-9 <= 100 + 2e-9
    assert precision == pytest.approx(100 * sum(hits) / len(hits))


@given(rankings, st.integers(1, 5))
def test_wrong_detections_at_the_bottom_change_nothing(hits, extra):
    annotated = max(sum(hits), 1)
    assert ap_of(hits + [False] * extra, annotated)[0] == pytest.approx(ap_of(hits, annotated)[0])


@given(rankings, st.integers(0, 5))
def test_a_further_hit_at_the_bottom_never_lowers_ap(hits, missed):
    annotated = sum(hits) + missed + 1
    assert ap_of([*hits, True], annotated)[0] >= ap_of(hits, annotated)[0] - 1e-9


@given(rankings)
def test_equals_the_mean_best_precision_at_or_below_each_hit(hits):
    # the same definition, written the slow way
    annotated = sum(hits) + 2
    precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
    best = [max(precisions[k:]) for k, hit in enumerate(hits) if hit]
    assert ap_of(hits, annotated)[0] == pytest.approx(100 * sum(best) / annotated)
