"""Flip pairs by name, splits, numbers and boxes of imported labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.formats.labels.labels import LabelledFrame, LabelledPerson, LabelledVideo, numbered
from dcpose.formats.labels.split import split_labels
from dcpose.formats.labels.symmetry import guess_flip_pairs, stem
from dcpose.formats.labels.writing import new_numbers, person_box


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left_ear", "right_ear", "nose"], [("left_ear", "right_ear")]),
        (["rightear", "snout", "leftear"], [("leftear", "rightear")]),
        (["LeftEar", "RightEar"], [("LeftEar", "RightEar")]),
        (["ear_left", "ear_right"], [("ear_left", "ear_right")]),
        (["earL", "earR"], [("earL", "earR")]),
        (["LEar", "REar"], [("LEar", "REar")]),
        (["ear.L", "ear.R"], [("ear.L", "ear.R")]),
        (["l_ear", "r_ear"], [("l_ear", "r_ear")]),
        (["LF_paw", "RF_paw"], [("LF_paw", "RF_paw")]),
        (["tail", "rail", "left_eye", "snout"], []),
        (["1", "2"], []),
    ],
)
def test_flip_pairs(names, pairs):
    assert list(guess_flip_pairs(names)) == pairs


def test_stems():
    assert stem(("left_ear", "right_ear")) == "ear"
    assert stem(("earL", "earR")) == "ear"


@given(st.lists(st.text("lLrReft_. ", min_size=1, max_size=8), unique=True, max_size=12))
def test_each_joint_is_in_one_pair_at_most(names):
    paired = [name for pair in guess_flip_pairs(names) for name in pair]
    assert len(set(paired)) == len(paired)
    assert set(paired) <= set(names)


def _video(name, count):
    return LabelledVideo(name, tuple(LabelledFrame(number, ()) for number in range(count)))


def test_one_video_is_split_in_time():
    train, val, how = split_labels([_video("a", 116)], 0.25)
    assert [f.number for f in train[0].frames] == list(range(87))
    assert [f.number for f in val[0].frames] == list(range(87, 116))
    assert how.startswith("by time")


def test_many_videos_are_split_whole():
    videos = [_video(f"v{n}", 10) for n in range(10)]
    train, val, how = split_labels(videos, 0.2)
    assert len(val) == 2
    assert all(len(video.frames) == 10 for video in (*train, *val))
    assert {v.name for v in train}.isdisjoint(v.name for v in val)
    assert how.startswith("by video")
    assert split_labels(videos, 0.2)[2] == how


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(0.05, 0.9))
def test_no_frame_is_lost_or_on_both_sides(counts, share):
    videos = [_video(f"v{n}", count) for n, count in enumerate(counts)]
    videos.append(_video("more", 40))  # so that no share leaves a side empty
    counts = [*counts, 40]
    train, val, _ = split_labels(videos, share)
    sides = [{(v.name, f.number) for v in side for f in v.frames} for side in (train, val)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == sum(counts)


def test_impossible_shares():
    with pytest.raises(ValueError, match="expected between 0 and 1"):
        split_labels([_video("a", 9)], 1.0)
    with pytest.raises(ValueError, match="leaves nothing to validate"):
        split_labels([_video("a", 2)], 0.1)


def test_numbers_of_images():
    assert numbered(["img0010.png", "img2.png"]) == ([10, 2], True)
    assert numbered(["cam1_0007_crop.png"]) == ([7], True)
    assert numbered(["b.png", "a.png"]) == ([1, 0], False)
    assert numbered(["a1.png", "b1.png"]) == ([0, 1], False)


def test_long_videos_are_shortened_where_nothing_is_labelled():
    assert new_numbers([3, 9999]) == {3: 3, 9999: 9999}
    assert new_numbers([20000, 20001, 50000]) == {20000: 0, 20001: 1, 50000: 11}
    with pytest.raises(ValueError, match="split the video"):
        new_numbers(range(0, 200000, 10))


def test_boxes_around_joints():
    joints = np.array([[10.0, 50, 2], [110, 50, 2], [500, 500, 0]])
    # 100 x 0 px: 1.3 times 100 x 40, cut at the left
    box = person_box(LabelledPerson(joints, 0), (640, 480))
    np.testing.assert_allclose(box, [0, 24, 125, 52])
    point = person_box(LabelledPerson(joints[:1], 0), (640, 480))
    assert min(point[2:]) > 8
    given_box = LabelledPerson(joints, 0, np.array([-5.0, 10, 20, 30]))
    np.testing.assert_allclose(person_box(given_box, (640, 480)), [0, 10, 15, 30])
