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


def join(make_video, path, *parts):
    """Several recordings one after the other in a file, as `cat` joins broadcasts."""
    videos = [make_video(f"part{i}.ts", **options) for i, options in enumerate(parts)]
    path.write_bytes(b"".join(video.read_bytes() for video in videos))
    return path


SMALL, LARGE, TALL = {"wh": (64, 48)}, {"wh": (128, 96)}, {"wh": (48, 96)}
LONGER = {"num_frames": 25}


@pytest.mark.parametrize(
    ("parts", "sides"),
    [
        ((SMALL, LARGE), ((64, 48), (64, 48))),
        ((LARGE, SMALL), ((128, 96), (64, 48))),
        ((SMALL, TALL), ((64, 48), (24, 48))),
    ],
)
def test_picture_that_changes_on_the_way(make_video, tmp_path, parts, sides):
    """All frames come at their own size; the copy shows them whole, at most at its own size."""
    source = VideoFile(join(make_video, tmp_path / "call.ts", *parts))
    wanted = [part["wh"] for part in parts for _ in range(6)]
    assert [frame.image.shape[1::-1] for frame in source] == wanted
    out = tmp_path / "copy.mp4"
    copy(source, out)
    frames = list(VideoFile(out))
    assert len(frames) == 12
    for frame, (width, height) in zip((frames[0], frames[-1]), sides, strict=True):
        # the top left quarter of the picture is white, the rest grey, and outside is black
        assert frame.image[height // 4, width // 4].min() > 220
        assert 30 < frame.image[height * 3 // 4, width * 3 // 4].min() < 220
        assert frame.image.shape == (*parts[0]["wh"][::-1], 3)
        if width < parts[0]["wh"][0]:
            assert frame.image[height // 2, -3].max() < 20


def test_clock_that_starts_again(make_video, tmp_path, caplog):
    path = join(make_video, tmp_path / "joined.ts", *[LONGER | {"sound": 1.0}] * 2)
    source = VideoFile(path)
    times = [float(frame.ticks * source.time_base) for frame in source]
    np.testing.assert_allclose(times, np.arange(50) / 25, atol=1e-4)
    (record,) = caplog.records
    assert "joined.ts: its clock starts again or jumps at 1 frames" in record.getMessage()
    out = tmp_path / "copy.mp4"
    copy(source, out)
    np.testing.assert_allclose(facts(out)["times"], times, atol=1e-4)
    with av.open(str(out)) as container:
        sound = [p.pts * p.time_base for p in container.demux(audio=0) if p.size]
    assert sorted(set(sound)) == sound
    assert 1.8 < sound[-1] < 2.2


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv"])
def test_gaps_are_kept_where_the_clock_cannot_jump(make_video, name):
    source = VideoFile(make_video(name, steps=[4, 4, 4, 2000, 4, 4]))  # 20 s
    times = [float(frame.ticks * source.time_base) for frame in source]
    jump = 0.04 if name == "clip.ts" else 20
    expected = [0, 0.04, 0.08, 0.12, 0.12 + jump, 0.16 + jump]
    assert np.abs(np.array(times) - expected).max() < (0.5 if name == "clip.ts" else 1e-3)


@pytest.mark.parametrize(
    ("first", "second", "sounds"),
    [
        ({}, {"sound": 1.0}, 0),  # sound that sets in later has no place in the copy
        ({"sound": 1.0}, {}, 1),
    ],
)
def test_sound_that_comes_and_goes(make_video, tmp_path, caplog, first, second, sounds):
    path = join(make_video, tmp_path / "joined.ts", first | LONGER, second | LONGER)
    source = VideoFile(path)
    out = tmp_path / "copy.mp4"
    copy(source, out)
    assert facts(out)["frames"] == 50
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == sounds
    assert ("sound does not begin with the film" in caplog.text) == (not sounds)


def test_the_source_is_no_output(make_video, tmp_path):
    path = make_video()
    (tmp_path / "link.mp4").symlink_to(path)
    for out in (path, tmp_path / "link.mp4"):
        with pytest.raises(ValueError, match="would replace the source; choose another --out"):
            VideoWriter(out, VideoFile(path))
    assert facts(path)["frames"] == 6
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clip.mp4", "link.mp4"]
