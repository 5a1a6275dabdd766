"""Video files to frames: order, times, rotation, and files that are cut short or no videos."""

import re
from fractions import Fraction

import numpy as np
import pytest

from dcpose.video.reader import VideoFile
from dcpose.video.source import VideoError


def corner(image):
    """Which quarter of a test frame is white: rows and columns of its darkest and brightest."""
    h, w = image.shape[:2]
    spots = {
        "top left": image[h // 8, w // 8, 0], "top right": image[h // 8, -w // 8, 0],
        "bottom left": image[-h // 8, w // 8, 0], "bottom right": image[-h // 8, -w // 8, 0],
    }  # fmt: skip
    return max(spots, key=lambda name: int(spots[name]))


def walk(video):
    """Frames that came, and the error that ended them."""
    frames = []
    try:
        frames.extend(iter(video))
    except VideoError as error:
        return frames, str(error)
    return frames, None


def test_frames_in_order_with_times(make_video):
    video = VideoFile(make_video(num_frames=6, rate=Fraction(30000, 1001)))
    assert (video.name, video.frame_wh, video.num_frames) == ("clip", (64, 48), 6)
    assert video.rate == Fraction(30000, 1001)
    frames = list(video)
    assert [frame.index for frame in frames] == list(range(6))
    for frame in frames:
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.dtype == np.uint8
        assert abs(int(frame.image[40, 50, 0]) - (40 + 15 * frame.index)) <= 2
        assert frame.ticks * video.time_base == frame.index * Fraction(1001, 30000)
    assert video.file_name(3) == "clip/000003.jpg"
    assert len(list(video)) == 6  # a second walk decodes again


def test_times_of_a_rate_that_varies(make_video):
    video = VideoFile(make_video(steps=[4, 4, 12, 2, 4, 4]))
    times = [float(frame.ticks * video.time_base) for frame in video]
    np.testing.assert_allclose(times, np.array([0, 4, 8, 20, 22, 26]) / 100, atol=1e-9)


@pytest.mark.parametrize(
    ("turn", "wh", "where"),
    [(0, (64, 48), "top left"), (1, (48, 64), "top right"), (2, (64, 48), "bottom right"),
     (3, (48, 64), "bottom left")],
)  # fmt: skip
def test_rotation_of_the_metadata_is_applied(make_video, turn, wh, where):
    video = VideoFile(make_video(turn=turn))
    assert video.rotation_deg == 90 * turn
    assert video.frame_wh == wh
    (first, *_) = video
    assert first.image.shape == (wh[1], wh[0], 3)
    assert corner(first.image) == where


def test_one_frame(make_video):
    video = VideoFile(make_video(num_frames=1))
    assert [frame.ticks for frame in video] == [0]
    assert video.num_frames == 1


def test_cut_short_file_gives_what_can_be_read_then_says_where_it_stopped(make_video, tmp_path):
    # its index comes first, so it opens although its end is lost
    whole = make_video(num_frames=40, movflags="faststart")
    cut = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])
    frames, error = walk(VideoFile(cut))
    assert 5 < len(frames) < 40
    assert re.search(rf"cut\.mp4: ends after frame {len(frames)} \(0\.\d+ s\) of 40: ", error)


def test_cut_short_matroska(make_video, tmp_path):
    whole = make_video("clip.mkv", num_frames=100)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"cut\.mkv: ends after frame \d+ .* should last 4\.0"):
        list(VideoFile(cut))
    assert len(list(VideoFile(whole))) == 100


def test_damaged_bytes_inside_do_not_end_the_video(make_video):
    path = make_video(num_frames=30)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + 900
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    assert len(list(VideoFile(path))) >= 25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Dear diary, today I saw a film.\n" * 20, "not a video that can be read"),
        (b"", "not a video"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=message) as error:
        VideoFile(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(VideoError, match="no such file"):
        VideoFile(tmp_path / "nowhere.mp4")


def test_sound_alone_is_no_video(song):
    with pytest.raises(VideoError, match="holds no video, only audio"):
        VideoFile(song)


def test_real_clips(shared_dir):
    for name, wh, rate in (
        ("street_960x540.mp4", (960, 540), 5),
        ("000001_mpiinew_test.mp4", (1280, 720), 30),
    ):
        video = VideoFile(shared_dir / "data" / "posetrack18_real" / name)
        frames = list(video)
        assert (video.frame_wh, video.rate, len(frames)) == (wh, rate, video.num_frames)
