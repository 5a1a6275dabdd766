"""One-Euro smoothing of the joints of tracks."""

import math

import numpy as np
import pytest

from dcpose.tracking.smoothing import PoseSmoother

BOX = np.array([[0.0, 0, 10, 40]])  # person size 20


def smooth(smoother, time, *points, track_id=0):
    joints = np.array([points], dtype=float)
    return smoother.update(time, np.array([track_id]), BOX, joints)[0]


def test_values_computed_by_hand():
    smoother = PoseSmoother(min_cutoff=1.0, beta=2.0, velocity_cutoff=0.5, max_silence_s=10)
    np.testing.assert_array_equal(smooth(smoother, 0.0, (100, 50)), [[100, 50]])
    # Half a second later, 8 px on: measured velocity 8 / 20 / 0.5 = 0.8 sizes per second, taken
    # with weight a = 1 / (1 + 1 / (2 pi 0.5 0.5)) = 1 / (1 + 2 / pi).
    velocity = 0.8 / (1 + 2 / math.pi)
    cutoff = 1 + 2 * velocity
    first = 100 + 8 / (1 + 1 / (math.pi * cutoff))
    np.testing.assert_allclose(smooth(smoother, 0.5, (108, 50)), [[first, 50]], rtol=1e-12)
    # Another step, of two seconds: back to 100.
    measured = (100 - first) / 20 / 2
    velocity += (measured - velocity) / (1 + 1 / (2 * math.pi))
    cutoff = 1 + 2 * abs(velocity)
    second = first + (100 - first) / (1 + 1 / (4 * math.pi * cutoff))
    np.testing.assert_allclose(smooth(smoother, 2.5, (100, 50)), [[second, 50]], rtol=1e-12)


def test_direction_does_not_matter():
    turned = []
    for turn in (lambda p: p, lambda p: (p[1], -p[0])):
        smoother = PoseSmoother()
        smooth(smoother, 0.0, turn((0, 0)))
        x, y = smooth(smoother, 0.04, turn((3, 4)))[0]
        turned.append(math.hypot(x, y))
    assert turned[0] == pytest.approx(turned[1])


@pytest.mark.parametrize(
    ("speed", "limit"),
    [
        (0.0, 0.7),  # pixels per second: at rest, the noise of one pixel shrinks
        (400.0, 2.0),  # a filter of 1 Hz, without beta, would lag 64 px behind
    ],
)
def test_rest_is_steadied_and_movement_is_followed(speed, limit):
    noise = np.random.default_rng(0).normal(0, 1, (100, 1, 2))
    smoother, errors = PoseSmoother(), []
    box = np.array([[0.0, 0, 100, 225]])  # person size 150
    for frame in range(100):
        true = np.array([[[speed * frame / 25, 0.0]]])
        found = smoother.update(frame / 25, np.array([0]), box, true + noise[frame])
        errors.append(found - true)
    assert np.sqrt(np.mean(np.square(errors[25:]))) < limit


def test_a_missing_joint_stays_missing_and_its_filter_waits():
    smoother, whole = PoseSmoother(), PoseSmoother()
    smooth(smoother, 0.0, (0, 0), (50, 50))
    missing = smooth(smoother, 0.04, (np.nan, np.nan), (50, 50))
    assert np.isnan(missing[0]).all()
    np.testing.assert_array_equal(missing[1], [50, 50])
    smooth(whole, 0.0, (0, 0), (50, 50))
    # the other joint, too, has moved 0.08 s on from its last sighting
    np.testing.assert_array_equal(
        smooth(smoother, 0.08, (4, 0), (50, 50))[0], smooth(whole, 0.08, (4, 0), (50, 50))[0]
    )
    assert smooth(smoother, 2.0, (90, 0), (50, 50))[0].tolist() == [90, 0]  # after max_silence_s


def test_tracks_do_not_mix_and_end():
    smoother = PoseSmoother(max_silence_s=1.0)
    ids, boxes = np.array([0, 1]), np.concatenate([BOX, BOX])
    smoother.update(0.0, ids, boxes, np.array([[[0.0, 0]], [[100, 0]]]))
    after = smoother.update(0.1, ids[::-1], boxes, np.array([[[100.0, 0]], [[0, 0]]]))
    np.testing.assert_array_equal(after, [[[100, 0]], [[0, 0]]])
    assert smooth(smoother, 5.0, (70, 0), track_id=1).tolist() == [[70, 0]]
    assert smoother.update(5.1, ids[:0], boxes[:0], np.zeros((0, 1, 2))).shape == (0, 1, 2)


def test_the_input_stays_as_it_is():
    smoother = PoseSmoother()
    smooth(smoother, 0.0, (0, 0))
    joints = np.array([[[10.0, 0]]])
    smoother.update(0.04, np.array([0]), BOX, joints)
    assert joints.tolist() == [[[10, 0]]]


def test_bad_arguments():
    with pytest.raises(ValueError, match="must be positive"):
        PoseSmoother(min_cutoff=0)
    smoother = PoseSmoother()
    smooth(smoother, 1.0, (0, 0))
    with pytest.raises(ValueError, match=r"time 1\.0 comes after 1\.0"):
        smooth(smoother, 1.0, (0, 0))
    with pytest.raises(ValueError, match="2 ids, 1 boxes and 1 poses"):
        smoother.update(2.0, np.array([0, 1]), BOX, np.zeros((1, 1, 2)))
