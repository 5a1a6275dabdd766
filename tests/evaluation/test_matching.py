"""Assignment of predictions to people, on crafted frames. Head size 60 px: 30 px is the limit."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcpose.evaluation.evaluator import Evaluator
from dcpose.evaluation.matching import _CHUNK_PAIRS, _assign, match_people
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.skeleton import POSETRACK

NOSE = POSETRACK.evaluation_names.index("nose")
SCORES = [0.5] * 17


@pytest.fixture
def match(build, write):
    """Match lists of people of a two-frame video; keywords go to the annotation file."""

    def run(annotated, predicted, **more):
        write("gt/a.json", build.video18(annotated, **more))
        write("pred/a.json", build.video18(predicted))
        root = write("keep", "").parent
        return match_people(
            read_poses(root / "gt/a.json", "annotations"),
            read_poses(root / "pred/a.json", "predictions"),
        ).detections()

    return run


@pytest.mark.parametrize(("offset", "hit"), [(0, True), (30, True), (30.001, False), (-30, True)])
def test_the_limit_counts_as_a_hit(match, build, offset, hit):
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD)]
    predicted = [build.person18(0, 0, build.joint_column(offset), SCORES)]
    # one joint in place keeps the prediction assigned
    predicted[0]["keypoints"][:3] = annotated[0]["keypoints"][:3]
    found = match(annotated, predicted)
    assert found.hits[0, NOSE]
    assert found.hits[0].sum() == (15 if hit else 1)
    assert found.num_annotated.tolist() == [1] * 15


def test_first_of_equal_predictions_wins_whatever_the_scores(match, build):
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD)]
    predicted = [
        build.person18(0, 0, build.joint_column(1), [0.1] * 17),
        build.person18(0, 1, build.joint_column(), [0.9] * 17),
    ]
    assert match(annotated, predicted).hits.sum(axis=1).tolist() == [15, 0]


def test_a_prediction_that_loses_its_best_person_gets_no_other(match, build):
    # both predictions fit person 0 best (15 joints against 1), person 1 stays without
    one_joint = build.joint_column(5, absent=POSETRACK.joint_names[1:])
    annotated = [
        build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD),
        build.person18(0, 1, build.joint_column(500), bbox_head=build.HEAD),
    ]
    loser = build.joint_column(0, absent=POSETRACK.joint_names[8:])
    loser[3 * 8 :] = build.joint_column(500)[3 * 8 :]  # 6 joints on person 0, 9 on person 1
    predicted = [
        build.person18(0, 0, build.joint_column(), SCORES),
        build.person18(0, 1, one_joint, SCORES),
        build.person18(0, 2, loser, SCORES),
    ]
    assert match(annotated, predicted).hits.sum(axis=1).tolist() == [15, 0, 9]


def test_a_person_with_few_joints_attracts_predictions(match, build):
    # 1 of 1 joints beats 14 of 15: the divisor is the person's own number of joints
    annotated = [
        build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD),
        build.person18(
            0, 1, build.joint_column(absent=POSETRACK.joint_names[1:]), bbox_head=build.HEAD
        ),
    ]
    keypoints = build.joint_column()
    keypoints[-3:] = [900.0, 900.0, 1.0]
    found = match(annotated, [build.person18(0, 0, keypoints, SCORES)])
    assert found.hits.sum() == 1
    assert found.present.sum() == 15  # the other 14 are false positives


def test_frames_without_annotated_people_are_dropped(match, build):
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD)]
    predicted = [build.person18(1, 0, build.joint_column(), SCORES)]
    found = match(annotated, predicted)
    assert found.num_frames == 1
    assert len(found.scores) == 0


def test_a_person_without_joints_keeps_the_frame(match, build):
    annotated = [build.person18(0, 0, [0] * 51, bbox_head=build.HEAD)]
    found = match(annotated, [build.person18(0, 0, build.joint_column(), SCORES)])
    assert found.present.sum() == 15
    assert found.hits.sum() == 0
    assert found.num_annotated.sum() == 0


def test_joints_in_ignore_regions_count_on_neither_side(match, build):
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD)]
    predicted = [
        build.person18(0, 0, build.joint_column(), SCORES),
        build.person18(0, 1, build.joint_column(20), SCORES),
    ]
    content = build.video18([])
    # a strip over x = 100 down to y = 105; the second prediction at x = 120 is outside
    content["images"][0] |= {
        "ignore_regions_x": [[90, 110, 110, 90]],
        "ignore_regions_y": [[0, 0, 105, 105]],
    }
    found = match(annotated, predicted, images=content["images"])
    inside = sum(50 + 10 * k < 105 for k, n in enumerate(POSETRACK.joint_names) if "ear" not in n)
    assert found.num_annotated.sum() == 15 - inside
    assert found.present.sum(axis=1).tolist() == [15 - inside, 15]


def test_head_size_zero_matches_nothing(match, build):
    annotated = [build.person18(0, 0, build.joint_column(), bbox_head=[5, 5, 0, 0])]
    found = match(annotated, [build.person18(0, 0, build.joint_column(), SCORES)])
    assert found.hits.sum() == 0
    assert found.num_annotated.sum() == 15


def test_missing_head_box_matters_only_where_something_is_compared(match, build):
    annotated = [
        build.person18(0, 0, build.joint_column(), bbox_head=build.HEAD),
        build.person18(1, 0, build.joint_column()),
    ]
    match(annotated, [build.person18(0, 0, build.joint_column(), SCORES)])
    with pytest.raises(ValueError, match=r"000001\.jpg, person 1: no head box"):
        match(annotated, [build.person18(1, 0, build.joint_column(), SCORES)])


def test_nothing_on_either_side(match):
    found = match([], [])
    assert found.num_frames == 0
    assert found.hits.shape == (0, 15)


def test_chunks_of_pairs_do_not_show(match, build, monkeypatch):
    rng = np.random.default_rng(3)
    annotated, predicted = [], []
    for track in range(6):
        keypoints = (np.array(build.joint_column()) + rng.normal(0, 20, 51)).tolist()
        annotated.append(build.person18(0, track, keypoints, bbox_head=build.HEAD))
        noisy = (np.array(keypoints) + rng.normal(0, 15, 51)).tolist()
        predicted.append(build.person18(0, track, noisy, SCORES))
    whole = match(annotated, predicted).hits
    assert _CHUNK_PAIRS > 36
    monkeypatch.setattr("dcpose.evaluation.matching._CHUNK_PAIRS", 5)
    assert whole.any()
    np.testing.assert_array_equal(match(annotated, predicted).hits, whole)


def slow_assignment(share):
    """The rules one by one, for a (P, G) table: {prediction: person}."""
    best = {p: int(np.argmax(row)) for p, row in enumerate(share) if row.max() > 0}
    chosen = {}
    for person in range(share.shape[1]):
        asking = [p for p in best if best[p] == person]
        if asking:
            chosen[max(asking, key=lambda p: (share[p, person], -p))] = person
    return chosen


@given(st.integers(0, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_assignment_equals_the_rules_one_by_one(num_predictions, num_people, seed):
    # few distinct values: ties everywhere
    share = np.random.default_rng(seed).integers(0, 4, (num_predictions, num_people)) / 3
    prediction, person = (a.ravel() for a in np.indices(share.shape))
    pairs = _assign(prediction, person, share.ravel())
    found = dict(zip(prediction[pairs].tolist(), person[pairs].tolist(), strict=True))
    assert found == slow_assignment(share)


def crowd(rng, num_people, left):
    """Keypoints (num_people, 51), people 2000 px apart: nobody is near another's joints."""
    places = np.arange(num_people)[:, None, None] * (2000.0, 0, 0) + (left, 200.0, 5.0)
    return (rng.normal(0, 20, (num_people, 17, 3)) + places).reshape(num_people, 51)


def ap_of(build, folder, annotated, predicted):
    """AP of one frame with people as keypoint rows and predictions as (keypoints, scores)."""
    people = [build.person18(0, i, k, bbox_head=build.HEAD) for i, k in enumerate(annotated)]
    scored = [build.person18(0, i, k, s) for i, (k, s) in enumerate(predicted)]
    for name, content in (("gt.json", people), ("pred.json", scored)):
        (folder / name).write_text(json.dumps(build.video18(content)))
    evaluator = Evaluator()
    evaluator.update(folder / "gt.json", folder / "pred.json")
    return evaluator.compute().ap


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), num_people=st.integers(1, 6))
def test_ap_of_permuted_and_added_people(build, tmp_path, seed, num_people):
    rng = np.random.default_rng(seed)
    annotated = crowd(rng, num_people, left=200.0)
    noisy = annotated + rng.normal(0, 25, annotated.shape)
    scores = rng.permutation(np.linspace(0.1, 0.9, num_people * 17)).reshape(-1, 17)  # no ties
    predicted = list(zip(noisy.tolist(), scores.tolist(), strict=True))
    ap = ap_of(build, tmp_path, annotated.tolist(), predicted)

    order = rng.permutation(num_people)
    permuted = [predicted[i] for i in rng.permutation(num_people)]
    clutter = [(k.tolist(), [0.01] * 17) for k in crowd(rng, 2, left=100_000.0)]

    assert 0 < ap.mean() <= 100
    np.testing.assert_array_equal(ap_of(build, tmp_path, annotated[order].tolist(), permuted), ap)
    np.testing.assert_allclose(
        ap_of(build, tmp_path, annotated.tolist(), predicted + clutter), ap, rtol=0, atol=1e-9
    )
