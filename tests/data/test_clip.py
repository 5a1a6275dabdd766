"""Neighbour choice: goldens of the release, borders, missing frames, randomness."""

import json
from collections import Counter

import numpy as np
import pytest

from dcpose.data.clip import Clip, ClipOptions, choose_clip, usable_frames
from dcpose.data.frames import FrameError

WINDOW = (-2, -1, 0, 1, 2)


def _clip_within(cur, available, max_gap, rng=None):
    return choose_clip(cur, available, ClipOptions(max_gap=max_gap), rng)


@pytest.mark.parametrize("case", ["clip_w48", "clip_w32"])
def test_neighbours_of_the_release(shared_dir, case):
    golden = json.loads((shared_dir / f"goldens/network/{case}.json").read_text())
    for person in golden["people"]:
        clip = _clip_within(person["frame"], range(golden["nframes"]), golden["max_gap"])
        assert [f"{clip.numbers[i]:06d}.jpg" for i in (0, 2)] == [person["prev"], person["next"]]
        assert list(clip.gaps) == person["margin"]


@pytest.mark.parametrize(
    ("cur", "max_gap", "expected", "gaps"),
    [
        (5, 1, Clip((4, 5, 6)), (1, 1)),
        (5, 3, Clip((2, 5, 8)), (3, 3)),
        (1, 3, Clip((0, 1, 4)), (1, 3)),
        (0, 3, Clip((0, 0, 3)), (1, 3)),
        (9, 3, Clip((6, 9, 9)), (3, 1)),
    ],
)
def test_farthest_neighbours(cur, max_gap, expected, gaps):
    clip = _clip_within(cur, range(10), max_gap)
    assert clip == expected
    assert clip.gaps == gaps


def test_clip_of_one_frame():
    assert _clip_within(0, range(1), 5) == Clip((0, 0, 0))


def test_random_neighbours_are_uniform_within_the_window():
    rng = np.random.default_rng(0)
    clips = [_clip_within(5, range(10), 3, rng) for _ in range(3000)]
    # 1000 expected each; 5 standard deviations of a binomial draw are 130
    for counts in (Counter(c.gaps[0] for c in clips), Counter(c.gaps[1] for c in clips)):
        assert sorted(counts) == [1, 2, 3]
        assert all(abs(count - 1000) < 130 for count in counts.values())


def test_gaps_in_the_numbering_are_stepped_over():
    assert _clip_within(5, {2, 5, 6}, 3) == Clip((2, 5, 6))
    assert _clip_within(5, {1, 5}, 3) == Clip((5, 5, 5))


@pytest.mark.parametrize(
    ("frames", "cur", "expected", "gaps"),
    [
        ((0,), 5, (5,), ()),
        ("neighbors", 5, (3, 5, 7), (2, 2)),
        ("past", 5, (3, 5, 5), (2, 1)),
        ("past", 0, (0, 0, 0), (1, 1)),
        (WINDOW, 5, (3, 4, 5, 6, 7), (1, 1, 1, 1)),
        (WINDOW, 1, (0, 0, 1, 2, 3), (1, 1, 1, 1)),
        (WINDOW, 9, (7, 8, 9, 9, 9), (1, 1, 1, 1)),
        ((-3, 0, 4), 5, (2, 5, 9), (3, 4)),
        ((-3, 0, 4), 1, (0, 1, 5), (1, 4)),
    ],
)
def test_frames_of_a_clip(frames, cur, expected, gaps):
    options = ClipOptions(max_gap=2, frames=frames)
    clip = choose_clip(cur, range(10), options)
    assert (clip.numbers, clip.cur, clip.gaps) == (expected, cur, gaps)
    assert options.num_frames == len(expected)


def test_missing_frames_of_a_window_are_replaced_by_nearer_ones():
    options = ClipOptions(max_gap=2, frames=WINDOW)
    assert choose_clip(5, {2, 3, 5, 6, 8}, options).numbers == (3, 5, 5, 6, 6)


def test_supporting_frame_is_uniform_in_its_window_the_current_frame_included():
    rng, options = np.random.default_rng(0), ClipOptions(max_gap=2, frames="support")
    clips = [choose_clip(5, range(10), options, rng).numbers for _ in range(5000)]
    assert {cur for _, cur in clips} == {5}
    counts = Counter(support for support, _ in clips)
    # 1000 expected each; 5 standard deviations of a binomial draw are 141
    assert sorted(counts) == [3, 4, 5, 6, 7]
    assert all(abs(count - 1000) < 141 for count in counts.values())
    border = {choose_clip(0, range(10), options, rng).numbers[0] for _ in range(100)}
    assert border == {0, 1, 2}
    with pytest.raises(ValueError, match="drawn for training, give a Generator"):
        choose_clip(5, range(10), options)


def video_without(data_folder, *missing, **kwargs):
    data_folder.add_video("000001_test", **kwargs)
    (video,) = data_folder.videos()
    for number in missing:
        video.frame_path(number).unlink()
    return video


def test_missing_neighbour_is_an_error(data_folder):
    video = video_without(data_folder, 3)
    with pytest.raises(FrameError, match=r"000003\.jpg: neighbour frame not found.*=repeat"):
        usable_frames(video, [2], ClipOptions())


def test_missing_neighbour_is_replaced_by_a_nearer_frame(data_folder):
    video = video_without(data_folder, 3, 5)
    options = ClipOptions(max_gap=2, missing_neighbors="repeat")
    usable = usable_frames(video, [2, 4], options)
    assert _clip_within(4, usable, 2) == Clip((2, 4, 4))
    assert _clip_within(2, usable, 2) == Clip((0, 2, 4))


@pytest.mark.parametrize("missing_neighbors", ["error", "repeat"])
def test_missing_current_frame_is_always_an_error(data_folder, missing_neighbors):
    video = video_without(data_folder, 3)
    options = ClipOptions(missing_neighbors=missing_neighbors)
    with pytest.raises(FrameError, match=r"000003\.jpg: frame not found"):
        usable_frames(video, [3], options)


def test_frames_that_no_clip_needs_may_be_missing(data_folder):
    video = video_without(data_folder, 0, 5, num_frames=6)
    assert usable_frames(video, [2, 3], ClipOptions()) == {1, 2, 3, 4}


def test_models_of_one_frame_need_no_neighbours(data_folder):
    video = video_without(data_folder, 1, 3)
    assert usable_frames(video, [2], ClipOptions(frames=(0,)))


def test_clip_border_is_not_a_missing_neighbour(data_folder):
    # 2017 files count from 1: there is no frame 0 to miss
    video = video_without(data_folder, first=1, digits=8)
    usable = usable_frames(video, [1, 6], ClipOptions(max_gap=3))
    assert _clip_within(1, usable, 3) == Clip((1, 1, 4))
    assert _clip_within(6, usable, 3) == Clip((3, 6, 6))


@pytest.mark.parametrize(
    "values",
    [
        {"max_gap": 0},
        {"box_enlarge": 0.0},
        {"box_enlarge": float("nan")},
        {"crop_wh": (0, 384)},
        {"missing_neighbors": "skip"},
        {"frames": "all"},
        {"frames": (0, 1)},
        {"frames": (-1, 0, 0)},
        {"frames": (1, 0, -1)},
        {"frames": ()},
    ],
)
def test_options_out_of_range(values):
    with pytest.raises(ValueError, match="must be"):
        ClipOptions(**values)
