"""Ids of people, frame by frame."""

import numpy as np
import pytest

from dcpose.skeleton import POSETRACK
from dcpose.tracking.tracker import PoseTracker

SHAPE = np.random.default_rng(0).uniform(0, 1, (POSETRACK.num_joints, 2))


def feed(tracker, frame_index, places, size=(40.0, 100.0), peaks=1.0):
    """Update with people of one pose whose boxes have these top-left corners."""
    places = np.array(places, dtype=float).reshape(-1, 2)
    boxes = np.concatenate([places, np.tile(size, (len(places), 1))], axis=1)
    joints = places[:, None] + SHAPE * size
    count = len(places)
    scores = np.full((count, POSETRACK.num_joints), peaks)
    return tracker.update(frame_index, boxes, np.ones(count), joints, scores).tolist()


def test_people_keep_their_ids_whatever_their_order():
    tracker = PoseTracker()
    assert feed(tracker, 0, [(0, 0), (200, 0)]) == [0, 1]
    assert feed(tracker, 1, [(205, 0), (5, 0)]) == [1, 0]


def test_people_who_cross_keep_their_ids():
    tracker = PoseTracker()
    for frame in range(20):
        left, right = (10.0 * frame, 0), (190 - 10.0 * frame, 4)
        assert feed(tracker, frame, [left, right]) == [0, 1], frame


def test_birth_gap_and_death():
    tracker = PoseTracker(max_gap=3)
    assert feed(tracker, 0, [(0, 0)]) == [0]
    assert feed(tracker, 1, []) == []
    assert feed(tracker, 3, [(0, 0), (300, 0)]) == [0, 1]  # seen again after 3 frames, and a birth
    assert feed(tracker, 7, [(0, 0), (300, 0)]) == [2, 3]  # 4 frames later both are forgotten


def test_a_jump_cut_starts_new_ids():
    tracker = PoseTracker()
    feed(tracker, 0, [(0, 0), (100, 0)])
    feed(tracker, 1, [(5, 0), (105, 0)])
    assert feed(tracker, 2, [(400, 50), (600, 50)]) == [2, 3]


def test_boxes_are_carried_with_the_velocity_of_the_body():
    tracker = PoseTracker()
    boxes, scores = tracker.predict_boxes(0)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    feed(tracker, 0, [(0, 0)])
    feed(tracker, 2, [(8, 2)])
    boxes, scores = tracker.predict_boxes(5)
    np.testing.assert_allclose(boxes, [[20, 5, 40, 100]])
    np.testing.assert_array_equal(scores, [1])


def test_frames_have_to_ascend():
    tracker = PoseTracker()
    feed(tracker, 4, [(0, 0)])
    with pytest.raises(ValueError, match="frame 4 comes after frame 4"):
        feed(tracker, 4, [(0, 0)])


def test_arrays_have_to_agree():
    joints = np.zeros((2, POSETRACK.num_joints, 2))
    with pytest.raises(ValueError, match="2 poses, 1 boxes"):
        PoseTracker().update(0, np.ones((1, 4)), np.ones(2), joints, joints[..., 0])
    with pytest.raises(ValueError, match="must be finite"):
        PoseTracker().update(0, np.full((2, 4), np.nan), np.ones(2), joints, joints[..., 0])
