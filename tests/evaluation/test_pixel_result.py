"""Measures without head boxes against hand-computed values."""

import math

import numpy as np
import pytest

from dcpose.evaluation.pixel_result import evaluate_pixels
from dcpose.skeleton import Skeleton

MOUSE = Skeleton(
    name="mouse",
    joint_names=("snout", "tail"),
    flip_pairs=(),
    limbs=(("snout", "tail"),),
    upper_body=("snout",),
    evaluation_joints=("snout", "tail"),
    evaluation_groups=(("Snout", ("snout",)), ("Tail", ("tail",))),
)
BOX = [0.0, 0.0, 100.0, 50.0]  # PCK@0.05, 0.1 and 0.2 reach 5, 10 and 20 px


@pytest.fixture
def measure(build, write, tmp_path):
    """Function (annotated, predicted) -> result; each person is (frame, track id, snout, tail)."""

    def video(people, scores, boxes):
        category = {"id": 1, "name": "person", "keypoints": list(MOUSE.joint_names)}
        entries = [
            build.person18(frame, track_id, [*snout, *tail], scores, **boxes)
            for frame, track_id, snout, tail in people
        ]
        return {**build.video18(entries), "categories": [category]}

    def evaluate(annotated, predicted, boxes=None):
        write("gt/a.json", video(annotated, [], {"bbox": BOX} if boxes is None else boxes))
        write("pred/a.json", video(predicted, [1.0, 1.0], {}))
        return evaluate_pixels(tmp_path / "gt", tmp_path / "pred", MOUSE)

    return evaluate


def test_values(measure):
    result = measure(
        [(0, 0, (50, 20, 1), (10, 20, 1)), (1, 0, (50, 20, 1), (0, 0, 0))],
        [(0, 0, (53, 24, 1), (10, 32, 1)), (1, 0, (50, 40, 1), (90, 90, 1))],
    )
    # snout: 5 and 20 px, tail: 12 px; the second tail is not annotated
    assert result.mean_error == pytest.approx(37 / 3)
    assert result.median_error == 12
    np.testing.assert_allclose(result.joint_means, [12.5, 12])
    assert result.columns["PCK@0.05"] == 25  # snout 1/2, tail 0
    assert result.columns["PCK@0.1"] == 25
    assert result.columns["PCK@0.2"] == 100  # 20 px is at the limit
    # snout: 1 - 5/20 and 0; tail: 1 - 12/20
    assert result.auc == pytest.approx(100 * (0.75 / 2 + 0.4) / 2)
    assert result.total == result.auc
    assert result.details["snout px"] == 12.5
    content = result.to_json_dict()
    assert content["counts"] == {
        "people": 2, "joints": 3, "joints_missing": 0, "extra_people": 0,
    }  # fmt: skip
    assert content["groups"]["mean px"] == pytest.approx(37 / 3)
    assert result.num_frames == 2
    assert list(result.columns)[-1] == "AUC"  # tables compare by the last
    assert content["headline"] == "AUC"
    assert "sigma 0.025 for every joint" in result.metric


def test_who_is_not_found_is_wrong_but_has_no_error(measure):
    result = measure(
        [(0, 0, (50, 20, 1), (10, 20, 1)), (1, 0, (50, 20, 1), (10, 20, 1))],
        [(0, 0, (50, 20, 1), (0, 0, 0))],
    )
    assert result.mean_error == 0
    assert result.columns["PCK@0.2"] == 25  # snout 1/2, tail 0/2
    assert result.auc == 25
    assert result.to_json_dict()["counts"]["joints_missing"] == 3


def test_people_are_paired_by_the_smallest_sum(measure):
    # alone, each prediction is nearest to the first person
    result = measure(
        [(0, 0, (10, 10, 1), (10, 30, 1)), (0, 1, (90, 10, 1), (90, 30, 1))],
        [
            (0, 0, (15, 10, 1), (15, 30, 1)),
            (0, 1, (45, 10, 1), (45, 30, 1)),
            (0, 2, (500, 500, 1), (500, 500, 1)),
        ],
    )
    assert result.mean_error == pytest.approx((5 + 45) / 2)
    assert result.to_json_dict()["counts"]["extra_people"] == 1


def test_without_boxes_the_extent_of_the_joints_is_the_size(measure):
    result = measure(
        [(0, 0, (50, 20, 1), (10, 20, 1))],  # 40 px apart: PCK@0.1 reaches 4 px
        [(0, 0, (54, 20, 1), (10, 25, 1))],
        boxes={},
    )
    assert result.columns["PCK@0.1"] == 50


def test_nothing_to_measure_is_undefined(measure):
    result = measure([], [(0, 0, (1, 1, 1), (2, 2, 1))])
    assert all(math.isnan(value) for value in result.columns.values())
    assert result.to_json_dict()["total"] is None


def test_files_of_other_lengths_are_refused(build, write, tmp_path):
    category = {"id": 1, "name": "person", "keypoints": list(MOUSE.joint_names)}
    write("gt/a.json", {**build.video18([], 2), "categories": [category]})
    write("pred/a.json", {**build.video18([], 3), "categories": [category]})
    with pytest.raises(ValueError, match="3 frames, expected the 2 of"):
        evaluate_pixels(tmp_path / "gt", tmp_path / "pred", MOUSE)
