"""Curves behind an AP. Head size 60 px: 30 px is the limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.evaluation.average_precision import average_precision
from dcpose.evaluation.curves import (
    PCKH_LIMITS,
    RECALL_STEPS,
    measure_curves,
    precision_envelope,
    read_matchings,
)


def test_envelope_of_three_detections():
    # right, wrong, right of 4 annotated: precision 1 up to recall 1/4, 2/3 up to 1/2, then 0
    envelope = precision_envelope(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    assert envelope.shape == RECALL_STEPS.shape
    assert envelope[[0, 25, 26, 50, 51, 100]] == pytest.approx([100, 100, 200 / 3, 200 / 3, 0, 0])


def test_no_detections_have_no_precision():
    assert not precision_envelope(np.zeros(0), np.zeros(0, dtype=bool), 3).any()


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 30))
def test_area_under_the_envelope_is_ap(hits, missed):
    hits = np.array(hits, dtype=bool)
    annotated = int(hits.sum()) + missed
    if not annotated:
        return
    scores = -np.arange(len(hits), dtype=float)
    envelope = precision_envelope(scores, hits, annotated)
    assert (np.diff(envelope) <= 0).all()
    # 101 samples of a falling staircase are off by less than a step of recall
    expected = average_precision(scores, hits, annotated)[0]
    assert abs(envelope[1:].mean() - expected) <= 100 / 100 + 1e-9


@pytest.fixture
def folders(build, write):
    """Two people: one predicted 15 px off, one that nothing was predicted for."""
    truth = [
        build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD),
        build.person18(1, 0, build.joint_column(), bbox_head=build.HEAD),
    ]
    poses = [build.person18(0, 0, build.joint_column(15.0), [0.9] * 17)]
    annotated = write("gt/a.json", build.video18(truth))
    predicted = write("pred/a.json", build.video18(poses))
    return annotated.parent, predicted.parent


def test_pckh_counts_distances_and_missing_people(folders):
    curves = measure_curves(read_matchings(*folders))
    # 15 px are a quarter of a head: half of the joints are found from there on, the rest never
    assert (curves.pckh[PCKH_LIMITS < 0.25] == 0).all()
    assert (curves.pckh[PCKH_LIMITS >= 0.2501] == 50).all()


def test_every_group_has_its_precision(folders):
    precision = measure_curves(read_matchings(*folders)).precision
    assert list(precision) == ["Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl"]
    for curve in precision.values():
        assert (curve[RECALL_STEPS <= 0.5] == 100).all()
        assert not curve[RECALL_STEPS > 0.51].any()


def test_nothing_annotated_gives_no_curve(build, write):
    annotated = write("gt/a.json", build.video18([]))
    predicted = write("pred/a.json", build.video18([]))
    curves = measure_curves(read_matchings(annotated.parent, predicted.parent))
    assert curves.precision == {}
    assert np.isnan(curves.pckh).all()


def test_missing_predictions_are_named(folders):
    (folders[1] / "a.json").unlink()
    with pytest.raises(ValueError, match=r"a\.json: does not exist"):
        read_matchings(*folders)
