"""What is missing is told by each container in its own way; what is whole is never called cut."""

import pytest
from mp4_boxes import trim

from dcpose.video.opening import open_source
from dcpose.video.source import VideoError


def walk(path):
    """Number of frames that came, how many were expected, and the error that ended them."""
    source, count = open_source(path), 0
    try:
        for _ in source:
            count += 1
    except VideoError as error:
        return count, source.num_frames, str(error)
    return count, source.num_frames, None


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("start_s", [0.0, 0.9])
def test_trimmed_by_an_edit_list(make_video, tmp_path, bframes, start_s):
    whole = make_video(num_frames=50, bframes=bframes)
    assert walk(whole) == (50, 50, None)
    path = trim(whole, tmp_path / "trimmed.mp4", 1.0, start_s)
    source = open_source(path)
    frames = list(source)
    assert (len(frames), source.num_frames) == (25, 25)
    assert [float(frame.ticks * source.time_base) for frame in frames] == [
        i / 25 for i in range(25)
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("front.mp4", {"movflags": "faststart"}),
        ("pieces.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("clip.mov", {"movflags": "faststart"}),
        ("clip.mkv", {}),
        ("sound.mkv", {"sound": True}),
        ("late.mkv", {"first": 2500}),
        ("clip.webm", {"codec": "libvpx"}),
        ("clip.avi", {"codec": "mpeg4"}),
        ("clip.ivf", {"codec": "libvpx"}),
    ],
)
def test_really_cut(make_video, tmp_path, name, options):
    path = make_video(name, num_frames=60, noisy=True, **options)
    assert walk(path)[::2] == (60, None)
    data = path.read_bytes()
    for share in (0.5, 0.8):
        cut = tmp_path / f"cut.{name}"
        cut.write_bytes(data[: int(len(data) * share)])
        count, _, error = walk(cut)
        assert 0 < count < 60
        assert f"{cut}: ends after frame {count} (" in error
        assert "the file is cut short or damaged; what could be read was used" in error


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "front.mp4"])
def test_a_place_that_was_reserved_and_never_filled(make_video, name):
    options = {"movflags": "faststart"} if name == "front.mp4" else {}
    codec = "mpeg4" if name == "clip.avi" else "libx264"
    path = make_video(name, num_frames=100, codec=codec, noisy=True, **options)
    data = path.read_bytes()
    kept = len(data) // 2
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
    if name == "front.mp4":  # its index lists the pieces; that they are empty is found on decoding
        assert walk(path)[0] < 100
    else:
        assert "cut short" in walk(path)[2]


WHOLE = {
    "sound goes on": ("clip.mkv", {"sound": 3.0}, 6),
    "sound goes on, mp4": ("clip.mp4", {"sound": 3.0}, 6),
    "the last picture stands": ("clip.mkv", {"steps": [4, 4, 4, 4, 1000, 4]}, 6),
    "time begins late": ("clip.mkv", {"first": 2500}, 6),
    "empty pieces for a rate that varies": ("clip.avi", {"codec": "mpeg4", "first": 3}, 6),
    "fragments": ("clip.mp4", {"movflags": "frag_keyframe+empty_moov"}, 6),
    "stream": ("clip.ts", {}, 6),
    "program stream": ("clip.mpg", {"codec": "mpeg1video", "num_frames": 100}, 100),
    "no container": ("clip.h264", {}, 6),
    "Flash": ("clip.flv", {"sound": 3.0}, 6),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_files(make_video, caplog, case):
    name, options, count = WHOLE[case]
    frames, _, error = walk(make_video(name, **options))
    assert (frames, error) == (count, None)
    assert not caplog.records


def test_frames_dropped_by_the_recorder(make_video):
    # an AVI has an empty piece where a frame was dropped, and counts it in its header
    path = make_video("clip.avi", codec="mpeg4", steps=[4, 4, 16, 4, 40, 4])
    count, expected, error = walk(path)
    assert (count, error) == (6, None)
    assert expected > 6


def test_what_follows_the_film_does_not_matter(make_video):
    for name in ("clip.mp4", "clip.mkv"):
        path = make_video(name)
        path.write_bytes(path.read_bytes() + bytes(5000))
        assert walk(path)[::2] == (6, None)


def test_a_live_recording_whose_length_was_never_filled_in(make_video):
    path = make_video("clip.mkv", num_frames=30, noisy=True)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7  # of unknown size
    path.write_bytes(data[: len(data) // 2])
    count, _, error = walk(path)
    assert 5 < count < 30
    assert error is None  # nothing says that there should be more


def test_a_box_of_more_bytes_than_any_file_has(make_video):
    path = make_video("pieces.mp4", movflags="frag_keyframe+empty_moov", num_frames=30)
    data = path.read_bytes()
    at = data.rindex(b"mdat") - 4
    huge = b"\0\0\0\1mdat" + b"\xff" * 8 + data[at + 8 :]
    path.write_bytes(data[:at] + huge)
    assert "bytes that its header announces are missing" in walk(path)[2] or walk(path)[0] < 30
