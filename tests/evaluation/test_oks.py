"""OKS between poses, and the suppression of duplicates."""

import math

import numpy as np
import pytest

from dcpose.evaluation.oks import oks_matrix, oks_nms, suppress_duplicates
from dcpose.skeleton import COCO, POSETRACK
from dcpose.structures import PersonRecord, PosePrediction


def pose(joints, score=1.0, image_id=1, box_score=1.0, box=(0, 0, 100, 100)):
    person = PersonRecord("a", image_id, 0, np.array(box, float), box_score)
    return PosePrediction(person, np.array(joints, float), np.full(17, score))


BODY = np.random.default_rng(0).uniform(0, 100, (17, 2))


def test_hand_computed_similarity():
    # two joints: one equal, the other 5 px apart; areas 400 and 600, mean 500; sigma 0.1:
    # exp(-25 / (2 * 500 * 0.04)) = exp(-0.625)
    joints = np.array([[[0, 0], [10, 10]], [[0, 0], [13, 14]]], float)
    similarity = oks_matrix(joints, np.array([400.0, 600.0]), np.array([0.1, 0.1]))
    expected = (1 + math.exp(-0.625)) / 2
    np.testing.assert_allclose(similarity, [[1, expected], [expected, 1]], rtol=1e-12)


def test_sigmas_are_those_of_coco_where_coco_has_the_joint():
    coco_eval = pytest.importorskip("pycocotools.cocoeval")
    official = dict(
        zip(COCO.joint_names, coco_eval.Params("keypoints").kpt_oks_sigmas, strict=True)
    )
    ours = dict(zip(POSETRACK.joint_names, POSETRACK.oks_sigmas, strict=True))
    shared = set(official) & set(ours)
    assert len(shared) == 15
    assert all(math.isclose(official[name], ours[name]) for name in shared)


def test_a_suppressed_pose_suppresses_nobody():
    # 0 is the best, resembles 1; 1 resembles 2; 2 stays because 1 is gone
    similarity = np.array([[1, 0.95, 0.5], [0.95, 1, 0.95], [0.5, 0.95, 1]])
    assert oks_nms(similarity, np.array([0.9, 0.8, 0.7]), 0.9).tolist() == [True, False, True]
    # 1 is the best: both others go
    assert oks_nms(similarity, np.array([0.8, 0.9, 0.7]), 0.9).tolist() == [False, True, False]
    assert oks_nms(similarity, np.ones(3), 1.0).tolist() == [True, True, True]


def test_duplicates_go_within_a_frame_only():
    people = [
        pose(BODY, 0.5),
        pose(BODY + 0.1, 0.9),
        pose(BODY + 60, 0.4),
        pose(BODY, 0.3, image_id=2),
    ]
    kept = suppress_duplicates(people, 0.9)
    assert [people.index(person) for person in kept] == [1, 2, 3]


def test_equal_poses_keep_the_first():
    people = [pose(BODY), pose(BODY)]
    assert suppress_duplicates(people, 0.9) == people[:1]


def test_the_box_score_decides_between_equal_peaks():
    people = [pose(BODY, box_score=0.4), pose(BODY, box_score=0.5)]
    assert suppress_duplicates(people, 0.9) == people[1:]


def test_ears_are_not_compared():
    other = BODY.copy()
    other[[POSETRACK.index("left_ear"), POSETRACK.index("right_ear")]] += 1000
    assert len(suppress_duplicates([pose(BODY), pose(other)], 0.99)) == 1


def test_nobody_and_wrong_joints():
    assert suppress_duplicates([], 0.9) == []
    with pytest.raises(ValueError, match=r"shape \(3, 2\), expected \(17, 2\)"):
        suppress_duplicates([pose(np.zeros((3, 2)))], 0.9)
    with pytest.raises(ValueError, match="coco has no oks_sigmas"):
        suppress_duplicates([pose(BODY)], 0.9, COCO)
