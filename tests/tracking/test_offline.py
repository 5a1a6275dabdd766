"""Smoothing of whole tracks and filling of gaps."""

import numpy as np
import pytest

from dcpose.tracking.offline import _spline, smooth_track

FRAMES = np.arange(40)


def _track(path, frames=FRAMES, scores=1.0, **settings):
    joints = np.asarray(path, float).reshape(len(frames), -1, 2)
    scores = np.broadcast_to(np.asarray(scores, float), joints.shape[:2])
    return smooth_track(frames, joints, scores, size=100.0, rate=25.0, **settings)


def _line(frames=FRAMES):
    return np.column_stack([3.0 * frames, 50.0 - frames])


def test_straight_paths_stay():
    frames, joints = _track(_line())
    np.testing.assert_array_equal(frames, FRAMES)
    np.testing.assert_allclose(joints[:, 0], _line(), atol=1e-6)


def test_the_path_is_the_least_squares_one():
    # 0, 0, 1, 0, 0, .. on a grid: the same minimum by dense linear algebra, with the second
    # derivative of the natural cubic spline (Green and Silverman, sections 2.1 and 2.3)
    rng = np.random.default_rng(0)
    count, stiffness = 8, 0.7
    places = rng.normal(size=(count, 2))
    deviations = rng.uniform(0.5, 2, count)
    q, r = np.zeros((count, count - 2)), np.zeros((count - 2, count - 2))
    for column in range(count - 2):
        q[column : column + 3, column] = 1, -2, 1
        r[column, column] = 2 / 3
        if column:
            r[column, column - 1] = r[column - 1, column] = 1 / 6
    k = q @ np.linalg.inv(r) @ q.T
    w = np.diag(1 / deviations**2)
    expected = np.linalg.solve(w + stiffness * k, w @ places)
    frames = np.arange(count)
    np.testing.assert_allclose(
        _spline(frames, places, deviations, stiffness, frames), expected, atol=1e-8
    )


def test_jitter_is_removed_without_delay():
    rng = np.random.default_rng(1)
    truth = np.column_stack([100 + 30 * np.sin(FRAMES / 8), 50 + 0 * FRAMES])
    _, joints = _track(truth + rng.normal(0, 2, truth.shape), noise=0.02, agility=4)
    errors = joints[:, 0] - truth
    assert np.abs(errors).mean() < 0.6 * 2 * np.sqrt(2 / np.pi)
    # a delay would make the errors follow the velocity
    velocity = np.gradient(truth[:, 0])
    assert abs(np.corrcoef(velocity, errors[:, 0])[0, 1]) < 0.5


def test_unsure_joints_count_less():
    path = np.zeros((40, 2))
    path[20] = 30
    sure, unsure = np.ones((40, 1)), np.ones((40, 1))
    unsure[20] = 0.1
    _, joints = _track(path, scores=sure)
    _, trusting_less = _track(path, scores=unsure)
    assert trusting_less[20, 0, 0] < 0.2 * joints[20, 0, 0]


def test_short_gaps_are_filled_and_long_ones_are_not():
    frames = np.array([0, 1, 2, 3, 4, 8, 9, 20, 21])
    numbers, joints = _track(_line(frames), frames, max_gap=3)
    assert numbers.tolist() == [*range(10), 20, 21]
    np.testing.assert_allclose(joints[:, 0], _line(numbers), atol=1e-6)


def test_a_joint_that_is_missing_for_long_stays_missing():
    path = np.stack([_line(), _line()], axis=1)
    path[10:20, 1] = np.nan
    path[30:32, 1] = np.nan
    _, joints = _track(path, max_gap=3)
    assert np.isfinite(joints[:, 0]).all()
    assert np.flatnonzero(np.isnan(joints[:, 1]).any(axis=1)).tolist() == list(range(10, 20))


def test_few_frames_stay_and_gaps_are_lines():
    frames = np.array([3, 5])
    numbers, joints = _track([[0, 0], [10, 4]], frames)
    assert numbers.tolist() == [3, 4, 5]
    np.testing.assert_allclose(joints[:, 0], [[0, 0], [5, 2], [10, 4]])


def test_frames_that_do_not_rise():
    with pytest.raises(ValueError, match="expected rising frames"):
        _track(_line(np.array([1, 1])), np.array([1, 1]))
