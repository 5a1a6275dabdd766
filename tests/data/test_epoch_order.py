"""People who share frames stand together, and the order stays a fair shuffle."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpose.data.epoch_order import MOST_PER_FRAME, order_in_runs


def people(videos, frames, per_frame):
    """Video and frame of every person of videos of the same size."""
    grid = np.indices((videos, frames, per_frame)).reshape(3, -1)
    return grid[0], grid[1]


def stretches(*keys):
    """Lengths of the stretches along which all keys stay the same."""
    changes = np.any([np.diff(key) != 0 for key in keys], axis=0)
    return np.diff(np.flatnonzero(np.concatenate([[True], changes, [True]])))


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=60),
    length=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_everybody_once(places, length, seed):
    videos, frames = np.array(places).T
    order = order_in_runs(videos, frames, length, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(places)))


def test_people_of_a_frame_stand_together():
    videos, frames = people(3, 10, 6)
    order = order_in_runs(videos, frames, 1, np.random.default_rng(0))
    assert stretches(videos[order], frames[order]).tolist() == [6] * 30


def test_crowds_are_cut_into_equal_parts():
    videos, frames = people(1, 40, 20)
    order = order_in_runs(videos, frames, 1, np.random.default_rng(0))
    lengths = stretches(frames[order])
    # three parts per frame; two parts of one frame may come to meet by chance
    assert set(lengths[lengths <= MOST_PER_FRAME]) == {6, 7}
    assert np.mean(lengths <= MOST_PER_FRAME) > 0.9


def test_runs_of_neighbouring_frames_begin_elsewhere_in_other_epochs():
    videos, frames = people(1, 30, 1)
    runs = partial(order_in_runs, videos, frames, 3)
    first_frames = set()
    for seed in range(20):
        order = runs(np.random.default_rng(seed))
        inner = [frames[order[i : i + 3]] for i in range(len(order) - 2)]
        together = [min(run) for run in inner if np.ptp(run) == 2 and len(set(run)) == 3]
        assert len(together) >= 9  # ten runs, or nine and two cut ones
        first_frames |= {frame % 3 for frame in together}
    assert first_frames == {0, 1, 2}


def test_the_order_is_fair():
    videos, frames = people(2, 5, 4)
    runs = partial(order_in_runs, videos, frames, 1)
    orders = np.array([runs(np.random.default_rng([7, epoch])) for epoch in range(800)])
    places = np.argsort(orders, axis=1)
    # every person comes early as often as late: the mean place is 19.5, its error about 0.4
    assert np.abs(places.mean(axis=0) - 19.5).max() < 1.6
    # the first of a frame is anyone of its four people
    assert np.bincount(orders[:, 0], minlength=40).min() >= 5


def test_order_depends_on_the_generator_alone():
    videos, frames = people(2, 5, 4)
    runs = partial(order_in_runs, videos, frames, 2)
    orders = [runs(np.random.default_rng(seed)).tolist() for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]


def test_refusals():
    with pytest.raises(ValueError, match="expected a positive length"):
        order_in_runs(np.zeros(3, np.int64), np.zeros(3, np.int64), 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="as many videos as frames"):
        order_in_runs(np.zeros(3, np.int64), np.zeros(2, np.int64), 1, np.random.default_rng(0))
