"""Video from a server on this machine that falls silent, breaks off and ends."""

import itertools
import time
from fractions import Fraction

import numpy as np
import pytest

from dcpose.video.keep_up import KeepUp
from dcpose.video.opening import open_source
from dcpose.video.remote import RemoteVideo, is_address
from dcpose.video.source import VideoError, VideoFrame

FRAMES = 30


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """The bytes of a stream, and of a file that tells its length, by suffix."""
    from video_clips import write_video

    folder = tmp_path_factory.mktemp("streams")
    contents = {}
    for suffix in ("ts", "mkv"):
        write_video(folder / f"a.{suffix}", num_frames=FRAMES, noisy=True, wh=(320, 240))
        contents[suffix] = (folder / f"a.{suffix}").read_bytes()
    return contents


def taken(source):
    """Frames until the source ends, and how it ended."""
    frames = []
    try:
        frames.extend(source)
    except VideoError as error:
        return frames, str(error)
    return frames, None


def test_a_stream_that_ends(server, streams):
    source = open_source(server.serve("cam~1.ts", streams["ts"], length=False, ranges=False))
    assert isinstance(source, RemoteVideo)
    assert source.live
    assert (source.name, source.frame_wh, source.path) == ("cam-1", (320, 240), None)
    frames, error = taken(source)
    assert error is None
    assert [frame.index for frame in frames] == list(range(FRAMES))
    # times are those of arrival
    assert frames[0].ticks < 1000
    assert (np.diff([frame.ticks for frame in frames]) > 0).all()
    assert source.age(0) >= frames[-1].ticks / 1000 - 1e-3


def test_a_file_has_its_own_times(server, streams):
    source = RemoteVideo(server.serve("a.mkv", streams["mkv"]))
    assert not source.live
    frames, error = taken(source)
    assert error is None
    times = [frame.ticks * source.time_base for frame in frames]
    assert times[-1] == Fraction(FRAMES - 1, 25)


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_silence_is_an_error_after_a_while(server, streams, suffix):
    address = server.serve(f"a.{suffix}", streams[suffix], silence_s=5, length=False)
    source = RemoteVideo(address, timeout_s=0.4)
    frames, error = taken(source)
    assert 0 < len(frames) < FRAMES
    assert f"nothing came for 0.4 s after frame {len(frames)}" in error


def test_a_pause_shorter_than_that_is_none(server, streams):
    address = server.serve("a.ts", streams["ts"], silence_s=0.3, length=False)
    frames, error = taken(RemoteVideo(address, timeout_s=3))
    assert (len(frames), error) == (FRAMES, None)


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_connection_that_breaks_off(server, streams, suffix):
    source = RemoteVideo(server.serve(f"a.{suffix}", streams[suffix], share=(0.6,), ranges=False))
    frames, error = taken(source)
    assert 0 < len(frames) < FRAMES
    assert f"broke off after frame {len(frames)}" in error


# of MPEG-TS over RTP, FFmpeg takes a frame for complete when the next one begins
SENT = FRAMES - 1


def test_a_camera_that_ends(camera, streams):
    sender = camera(streams["ts"])
    source = open_source(sender.address)
    assert isinstance(source, RemoteVideo)
    assert (source.live, source.name, source.frame_wh) == (True, "cam-1", (320, 240))
    assert {"DESCRIBE", "SETUP", "PLAY"} <= set(sender.asked)
    frames, error = taken(source)
    assert error is None
    assert [frame.index for frame in frames] == list(range(SENT))
    assert (np.diff([frame.ticks for frame in frames]) > 0).all()


def test_a_camera_that_falls_silent(camera, streams):
    source = RemoteVideo(camera(streams["ts"], silence_s=2).address, timeout_s=0.4)
    frames, error = taken(source)
    assert 0 < len(frames) < FRAMES
    assert f"nothing came for 0.4 s after frame {len(frames)}" in error


def test_a_camera_that_pauses(camera, streams):
    frames, error = taken(RemoteVideo(camera(streams["ts"], silence_s=0.3).address, timeout_s=3))
    assert (len(frames), error) == (SENT, None)


def test_packets_that_a_camera_lost_cost_only_their_frames(camera, streams):
    source = RemoteVideo(camera(streams["ts"], lost=range(20, 24)).address, timeout_s=3)
    frames, error = taken(source)
    assert error is None
    assert SENT // 2 < len(frames) <= SENT


def test_a_camera_that_is_faster_than_the_work(camera, streams):
    sender = camera(streams["ts"], pause_s=0.002)
    source = KeepUp(RemoteVideo(sender.address, timeout_s=3))
    ticks = []
    for frame in source:
        ticks.append(frame.ticks)
        time.sleep(0.05)
    assert source.num_dropped > 0
    assert len(ticks) + source.num_dropped == SENT


def test_what_is_no_video(server):
    with pytest.raises(VideoError, match=r"page: cannot be opened \(.*\); is it right"):
        RemoteVideo(server.serve("page", b"<html>" * 99))
    with pytest.raises(VideoError, match="cannot be opened"):
        RemoteVideo("http://127.0.0.1:9/x.mp4", timeout_s=1)


def test_passwords_are_not_told(server):
    address = server.url("x").replace("//", "//ann:secret@") + "?token=7"
    with pytest.raises(VideoError) as error:
        RemoteVideo(address)
    assert "secret" not in str(error.value)
    assert "token" not in str(error.value)


def test_what_an_address_is():
    assert all(map(is_address, ("rtsp://a/b", "HTTP://a", "https://a/b.mp4")))
    assert not any(map(is_address, ("a.mp4", "udp://a", "C:\\a", "0")))


class Fast:
    """A source of ten frames that come faster than anybody works."""

    name, origin, path, frame_wh = "fast", "fast", None, (4, 4)
    rate, time_base, num_frames, rotation_deg = Fraction(25), Fraction(1, 25), None, 0
    audio, audio_start = None, Fraction(0)

    def __init__(self, error=None):
        self.error = error

    def file_name(self, index):
        return str(index)

    def age(self, time_s):
        return time_s

    def __iter__(self):
        for index in range(10):
            yield VideoFrame(index, np.zeros((4, 4, 3), np.uint8), 3 * index)
            time.sleep(0.01)
        if self.error is not None:
            raise self.error


def test_frames_are_dropped_to_keep_up():
    source = KeepUp(Fast())
    ticks = []
    for frame in source:
        assert frame.index == len(ticks)
        ticks.append(frame.ticks)
        time.sleep(0.035)
    assert len(ticks) + source.num_dropped == 10
    assert 2 <= len(ticks) < 8
    assert ticks[-1] == 27  # the last frame is never dropped
    assert (np.diff(ticks) > 0).all()


def test_an_error_comes_after_the_last_frame():
    frames, error = taken(KeepUp(Fast(VideoError("gone"))))
    assert error == "gone"
    assert frames[-1].ticks == 27


def test_a_loop_that_is_left_ends_the_reading():
    source = KeepUp(Fast())
    assert len(list(itertools.islice(source, 1))) == 1
