"""Written videos play like their source: frames, times, size, rotation, sound."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from dcpose.video.images import ImageSequence
from dcpose.video.opening import open_source
from dcpose.video.reader import VideoFile
from dcpose.video.writer import VideoWriter


def copy(source, path, stop_after=None):
    with VideoWriter(path, source) as writer:
        for frame in source:
            if frame.index == stop_after:
                raise KeyboardInterrupt
            writer.write(frame.image, frame.ticks, frame.duration)


def facts(path):
    """What players see, and what is stored."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return {
            "frames": len(frames),
            "times": [float(frame.pts * stream.time_base) for frame in frames],
            "rate": stream.average_rate,
            "stored": (frames[0].width, frames[0].height),
            "rotation": round(frames[0].rotation),
        }


CASES = {
    "usual": {},
    "one frame": {"num_frames": 1},
    "ntsc": {"rate": Fraction(30000, 1001)},
    "varying rate": {"steps": [4, 4, 12, 2, 4, 4]},
    "turned once": {"turn": 1},
    "turned twice": {"turn": 2},
    "turned thrice": {"turn": 3},
    "odd": {"wh": (63, 47), "pix_fmt": "yuv444p"},
    "odd and turned": {"wh": (63, 48), "pix_fmt": "yuv444p", "turn": 1},
    "sound": {"sound": True, "num_frames": 30},
    "mpeg4": {"codec": "mpeg4"},
}


@pytest.mark.parametrize("case", CASES)
def test_copy_equals_its_source(make_video, tmp_path, case):
    path, out = make_video(**CASES[case]), tmp_path / "copy.mp4"
    copy(VideoFile(path), out)
    before, after = facts(path), facts(out)
    np.testing.assert_allclose(after.pop("times"), before.pop("times"), atol=1e-6)
    assert after == before
    for ours, theirs in zip(VideoFile(out), VideoFile(path), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).mean() < 4
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(container.streams.audio) == bool(CASES[case].get("sound"))


def test_players_turn_it(make_video, tmp_path):
    out = tmp_path / "copy.mp4"
    copy(VideoFile(make_video(turn=1)), out)
    _, image = cv2.VideoCapture(str(out)).read()  # another program that honours the metadata
    assert image.shape == (64, 48, 3)
    assert image[5, -5].min() > 240 > 200 > image[5, 5].max()


def test_sound_is_the_same_to_the_byte(make_video, tmp_path):
    path, out = make_video(sound=True, num_frames=30), tmp_path / "copy.mp4"
    copy(VideoFile(path), out)

    def packets(name):
        with av.open(str(name)) as container:
            stream = container.streams.audio[0]
            return [(p.pts, bytes(p)) for p in container.demux(stream) if p.size]

    assert packets(out) == packets(path)
    assert len(packets(out)) > 15


def test_interrupted_copy_is_playable(make_video, tmp_path):
    path, out = make_video(sound=True, num_frames=30), tmp_path / "copy.mp4"
    with pytest.raises(KeyboardInterrupt):
        copy(VideoFile(path), out, stop_after=10)
    assert facts(out)["frames"] == 10
    with av.open(str(out)) as container:
        last = max(p.pts * p.time_base for p in container.demux(audio=0) if p.size)
    assert last < 0.45  # ten frames last 0.4 s
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_nothing_written_leaves_no_file(make_video, tmp_path):
    out = tmp_path / "copy.mp4"
    with VideoWriter(out, VideoFile(make_video())) as writer:
        assert writer.num_frames == 0
    writer.close()  # a second time does no harm
    assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_images_of_mixed_sizes_share_a_canvas(tmp_path):
    for name, wh in (("a10.png", (40, 30)), ("a2.png", (64, 20)), ("a1.jpg", (21, 33))):
        cv2.imwrite(str(tmp_path / name), np.full((wh[1], wh[0], 3), 200, np.uint8))
    source = open_source(tmp_path, image_rate=Fraction(5))
    assert isinstance(source, ImageSequence)
    assert source.frame_wh == (64, 33)
    names = [f"{tmp_path.name}/{name}" for name in ("a1.jpg", "a2.png", "a10.png")]
    assert [source.file_name(index) for index in range(3)] == names
    out = tmp_path / "out.mp4"
    copy(source, out)
    video = VideoFile(out)
    assert (video.rate, video.frame_wh, video.num_frames) == (5, (64, 33), 3)
    first = next(iter(video)).image
    assert first[16, 10].min() > 190  # the image, at the top left
    assert first[16, 50].max() < 10  # and black around it


def test_larger_images_are_refused(make_video, tmp_path):
    with (
        VideoWriter(tmp_path / "copy.mp4", VideoFile(make_video())) as writer,
        pytest.raises(ValueError, match="frame is 65x48, larger than the video of 64x48"),
    ):
        writer.write(np.zeros((48, 65, 3), np.uint8), 0)
