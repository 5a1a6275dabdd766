"""Video and frame numbers in image names."""

import pytest

from dcpose.formats.posetrack.names import order_mismatch, parse_frame_name


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
