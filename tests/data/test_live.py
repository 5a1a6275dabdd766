"""Clips of running videos are those of the same video on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.data.clip import ClipOptions, choose_clip
from dcpose.data.live import live_clips


def frames(count, wh=(6, 4), first=0):
    return [np.full((wh[1], wh[0], 3), first + n, np.uint8) for n in range(count)]


def levels(clips):
    return [[int(frame[0, 0, 0]) for frame in clip.frames] for clip in clips]


@given(
    count=st.integers(0, 9),
    max_gap=st.integers(1, 4),
    kind=st.sampled_from([(0,), "neighbors", (-2, -1, 0, 1, 2), (-4, 0, 1)]),
)
def test_same_clips_as_of_a_whole_video(count, max_gap, kind):
    options = ClipOptions(max_gap=max_gap, frames=kind)
    clips = list(live_clips(frames(count), options))
    expected = [choose_clip(cur, range(count), options) for cur in range(count)]
    assert [clip.clip for clip in clips] == expected
    assert levels(clips) == [list(clip.numbers) for clip in expected]


@pytest.mark.parametrize(("kind", "ahead"), [((0,), 0), ("neighbors", 2), ((-4, 0, 1), 1)])
def test_looks_no_further_ahead_than_it_must_and_keeps_no_more(kind, ahead):
    taken = []

    def source():
        for number, frame in enumerate(frames(50)):
            taken.append(number)
            yield frame

    for cur, clip in enumerate(live_clips(source(), ClipOptions(max_gap=2, frames=kind))):
        assert clip.clip.cur == cur
        assert len(taken) == min(cur + ahead + 1, 50)


def test_another_size_starts_another_video():
    images = frames(2) + frames(3, wh=(8, 4), first=2) + frames(1, first=5)
    clips = list(live_clips(images, ClipOptions()))
    assert levels(clips) == [[0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 4], [3, 4, 4], [5, 5, 5]]
    assert [clip.clip.cur for clip in clips] == list(range(6))


def test_an_error_comes_after_all_frames_before_it():
    def source():
        yield from frames(3)
        raise ValueError("cut short")

    clips = live_clips(source(), ClipOptions())
    assert levels(next(clips) for _ in range(3)) == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    with pytest.raises(ValueError, match="cut short"):
        next(clips)
