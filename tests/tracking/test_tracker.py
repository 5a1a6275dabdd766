"""Ids of people, frame by frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    tracker = PoseTracker(max_lost_frames=3)
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


def test_carried_boxes_stay_on_a_person_who_speeds_up():
    tracker = PoseTracker()
    size, peaks = np.array([40.0, 100.0]), np.ones((1, POSETRACK.num_joints))
    feed(tracker, 0, [(0, 0)])
    for frame in range(1, 10):
        place = np.array([frame**2, 0.0])
        boxes, scores = tracker.predict_boxes(frame)
        joints = place + SHAPE[None] * size
        assert tracker.update(frame, boxes, scores, joints, peaks).tolist() == [0]
    # seen at 81, with the velocity 17 of the last step averaged with those before it
    (box,), _ = tracker.predict_boxes(10)
    assert 81 + 15 < box[0] < 100
    np.testing.assert_array_equal(box[1:], [0, 40, 100])


def test_missing_and_unlabelled_joints_are_not_compared():
    tracker = PoseTracker()
    rng = np.random.default_rng(1)
    ears = [POSETRACK.index(name) for name in POSETRACK.unlabelled]
    boxes = np.array([[0.0, 0, 100, 200], [20, 0, 100, 200]])
    poses = rng.uniform(0, 200, (2, POSETRACK.num_joints, 2))
    peaks = np.ones((2, POSETRACK.num_joints))
    assert tracker.update(0, boxes, peaks[:, 0], poses, peaks).tolist() == [0, 1]
    # the boxes change places, the poses say who is who: what they cannot say is left out
    poses[:, ears] = rng.uniform(0, 200, (2, len(ears), 2))
    poses[:, :5] = np.nan
    peaks[:, 5:8], poses[:, 5:8] = 0.0, 1e6
    assert tracker.update(1, boxes, peaks[:, 0], poses[::-1], peaks).tolist() == [1, 0]
    nobody = np.full_like(poses, np.nan)  # boxes alone
    assert tracker.update(2, boxes[::-1], peaks[:, 0], nobody, peaks).tolist() == [0, 1]


@settings(max_examples=40)
@given(st.data())
def test_ids_are_unique_and_never_come_back_from_the_dead(data):
    tracker = PoseTracker(max_lost_frames=2)
    last_seen: dict[int, int] = {}
    frame = 0
    for _ in range(data.draw(st.integers(1, 6))):
        places = data.draw(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9)), max_size=4))
        ids = feed(tracker, frame, places)
        assert len(set(ids)) == len(ids)
        born = [i for i in ids if i not in last_seen]
        assert born == list(range(len(last_seen), len(last_seen) + len(born)))
        assert all(frame - last_seen[i] <= 2 for i in ids if i in last_seen)
        last_seen |= dict.fromkeys(ids, frame)
        frame += data.draw(st.integers(1, 4))


def test_settings_out_of_range():
    for bad in ({"max_lost_frames": 0}, {"min_similarity": 1.5}):
        with pytest.raises(ValueError, match="max_lost_frames must be at least 1"):
            PoseTracker(**bad)
