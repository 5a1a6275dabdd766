"""Video and frame numbers in image names."""

import pytest

from dcpose.formats.posetrack.names import (
    has_posetrack_ids,
    order_mismatch,
    parse_frame_name,
    videos_of,
)


@pytest.mark.parametrize(
    ("name", "folder", "source", "frame", "image_id"),
    [
        # image ids as in PoseTrack 2018 files: source, 6 digits of video, 4 digits of frame
        ("images/val/003418_mpii_test/000000.jpg", "003418_mpii_test", "mpii", 0, 10034180000),
        ("images/bonn_5sec/000342_bonn/00000012.jpg", "000342_bonn", "bonn", 12, 20003420012),
        ("000001_mpiinew_test/000149.png", "000001_mpiinew_test", "mpiinew", 149, 30000010149),
    ],
)
def test_parts_and_image_id(name, folder, source, frame, image_id):
    parsed = parse_frame_name(name)
    assert (parsed.folder, parsed.source, parsed.frame) == (folder, source, frame)
    assert parsed.image_id == image_id


@pytest.mark.parametrize(
    "name",
    [
        "000000.jpg", "", "video/000000.jpg", "abc_mpii/000000.jpg", "000342_youtube/000000.jpg",
        "000342_mpii/frame0.jpg", "000342_mpii/010000.jpg", "000342_mpii/-1.jpg", "000342_mpii/",
    ],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="does not follow"):
        parse_frame_name(name)


def names(*frames, folder="000342_mpii", digits=6):
    return [f"images/{folder}/{frame:0{digits}d}.jpg" for frame in frames]


def test_order_mismatch():
    assert order_mismatch(names(0, 1, 2), names(0, 1, 2)) is None
    # 2017 files count from 1 and write eight digits
    assert order_mismatch(names(0, 1, 2), names(1, 2, 3, digits=8)) is None
    assert order_mismatch(names(0, 1, 2), names(0, 2, 1)) == (1, names(1)[0], names(2)[0])
    other = names(0, 1, folder="000343_mpii")
    assert order_mismatch(names(0, 1), other) == (0, names(0)[0], other[0])
    assert order_mismatch(names(0, 1), names(40, 41)) == (0, names(0)[0], names(40)[0])
    assert order_mismatch(["annolist[0]", "annolist[1]"], names(5, 9)) is None
    assert order_mismatch([], []) is None


def test_messages_stay_readable_whatever_the_name():
    with pytest.raises(ValueError, match=r"image '9+'\.\.\.") as caught:
        parse_frame_name("9" * 5000)
    assert len(str(caught.value)) < 500


def test_ids_tell_whose_names_a_file_has():
    assert has_posetrack_ids([5, "x", None, 10003420000])
    assert has_posetrack_ids([30000010149, 2.0])
    assert not has_posetrack_ids([0, 5_009_994, "10003420000", 40_000_000_000, 1_764_399_000_123])
    own = [(5_010_000, "images/val/kitchen/010000.jpg"), (3, "images/val/hall/1.png"), (4, "a.jpg")]
    assert videos_of(own) == ["images/val/kitchen", "images/val/hall", "."]
    assert videos_of([(1, "000342_mpii/000000.jpg"), (10003420001, "000342_mpii/000001.jpg")]) == [
        "342", "342",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"images\[1\]: image '000342_mpii/010000.jpg': .*11"):
        videos_of([(10003420000, "000342_mpii/000000.jpg"), (2, "000342_mpii/010000.jpg")])


def test_order_of_names_of_ones_own():
    late = ["kitchen/009999.jpg", "kitchen/010000.jpg"]
    assert order_mismatch(late, late) is None
    assert order_mismatch(late, late[::-1]) == (0, late[0], late[1])
    assert order_mismatch(late, ["hall/009999.jpg", "hall/010000.jpg"])[0] == 0
