"""Times run on, whatever the clock of a file does."""

from fractions import Fraction
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dcpose.video.clock import RunningClock


def times(raw, frame=10, longest_gap=1000, zero=None):
    clock = RunningClock(raw[0] or 0 if zero is None else zero, Fraction(frame), longest_gap)
    return [clock.next(value) for value in raw], clock.num_jumps, clock.num_standing


CASES = {
    "even": ([5, 15, 25], [0, 10, 20], 0, 0),
    "varying": ([0, 10, 300, 310], [0, 10, 300, 310], 0, 0),
    "starts again": ([0, 10, 90, 100, 0, 10, 20], [0, 10, 90, 100, 110, 120, 130], 1, 0),
    "starts again twice": ([0, 50, 0, 50, 0, 50], [0, 50, 60, 110, 120, 170], 2, 0),
    "jumps": ([0, 10, 5000, 5010, 5020], [0, 10, 20, 30, 40], 1, 0),
    "negative": ([-70, -60, -50], [0, 10, 20], 0, 0),
    "goes below zero": ([0, 10, 20, -100, -90], [0, 10, 20, 30, 40], 1, 0),
    "one repeated": ([0, 10, 10, 20, 30], [0, 10, 15, 20, 30], 0, 1),
    "stands": ([0, 0, 0, 0], [0, 5, 15, 25], 0, 3),
    "pairs": ([0, 0, 20, 20, 40, 40], [0, 5, 20, 25, 40, 45], 0, 3),
    "catches up": ([0, 10, 10, 10, 20, 30, 40, 60], [0, 10, 15, 25, 30, 35, 40, 60], 0, 4),
    "disorder": ([0, 30, 10, 20, 60], [0, 30, 35, 40, 60], 0, 2),
    "no times": ([None, None, None], [0, 10, 20], 0, 0),
    "some times": ([0, None, 20, None, 40], [0, 10, 20, 30, 40], 0, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_times(case):
    raw, expected, jumps, standing = CASES[case]
    assert times(raw) == (expected, jumps, standing)


def test_sound_may_begin_before_the_film():
    assert times([-20, -10, 0], zero=0)[0] == [-20, -10, 0]


def test_rates_that_are_no_whole_ticks_do_not_drift():
    clock = RunningClock(0, Fraction(100, 3), Fraction(10_000))
    assert [clock.next(None) for _ in range(301)][-1] == 10_000


def test_ticks_as_coarse_as_frames_still_rise():
    assert times([0, 0, 0, 1, 2], frame=1)[0] == [0, 1, 2, 3, 4]


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=50))
def test_times_always_rise(raw):
    result, _, _ = times(raw)
    assert result[0] == 0
    assert all(after > before for before, after in pairwise(result))
