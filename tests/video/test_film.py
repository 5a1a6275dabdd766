"""Of several streams, the one that a player shows is read."""

import logging

import av
import numpy as np
import pytest
from mp4_boxes import add_cover
from PIL import Image
from video_clips import write_tone

from dcpose.video.opening import open_source
from dcpose.video.source import VideoError
from dcpose.video.writer import VideoWriter


def read(path):
    """Number of frames and their size."""
    source = open_source(path)
    frames = list(source)
    return len(frames), frames[0].image.shape[1::-1], source.num_frames


@pytest.mark.parametrize("first", [True, False])
def test_covers_are_no_film(make_video, tmp_path, caplog, first):
    path = add_cover(make_video("plain.mp4"), tmp_path / "covered.mp4", first)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert read(path) == (6, (64, 48), 6)
    assert not caplog.records


def test_cover_of_a_song(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        write_tone(container, container.add_stream("aac", rate=16000), 0.2)
    song = add_cover(path, tmp_path / "covered.m4a", first=True)
    with pytest.raises(VideoError, match=r"holds no video, only audio, pictures \(a cover"):
        open_source(song)


PREVIEW, LARGER, PHOTO = ((32, 24), 6), ((96, 72), 6), ((96, 72), 1)


@pytest.mark.parametrize(
    ("name", "more", "read_wh"),
    [
        ("clip.mp4", PREVIEW, (64, 48)),
        ("clip.mov", PREVIEW, (64, 48)),
        ("clip.mp4", LARGER, (64, 48)),  # the first is marked as the default
        ("clip.mp4", PHOTO, (64, 48)),  # taken while filming
        ("clip.ts", LARGER, (96, 72)),  # no default: a broadcast of two qualities
        ("clip.ts", PREVIEW, (64, 48)),
    ],
)
def test_several_films(make_video, caplog, name, more, read_wh):
    with caplog.at_level(logging.WARNING):
        assert read(make_video(name, more_streams=[more]))[:2] == (6, read_wh)
    (record,) = caplog.records
    width, height = read_wh
    assert f"({width}x{height}) is read, not " in record.getMessage()


def test_a_photo_marked_as_the_default(make_video, caplog):
    path = make_video(wh=(96, 72), num_frames=1, more_streams=[((64, 48), 6)])
    assert read(path) == (6, (64, 48), 6)


def test_video_without_a_decoder(make_video):
    path = make_video()
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zz99"))
    with pytest.raises(VideoError, match=r"clip\.mp4: holds (video in a form that|no frame that)"):
        open_source(path)


def test_sound_without_a_decoder_is_left_out(make_video, tmp_path, caplog):
    path = make_video("clip.mkv", sound=True)
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    source = open_source(path)
    with VideoWriter(tmp_path / "copy.mp4", source) as writer:
        for frame in source:
            writer.write(frame.image, frame.ticks, frame.duration)
    assert "does not fit into mp4 and is left out" in caplog.text
    assert read(tmp_path / "copy.mp4")[0] == 6


LEVELS = (40, 80, 120, 160)


def moving_image(path, **options):
    """An image of four frames, in a format that also holds single ones."""
    frames = [Image.fromarray(np.full((24, 32, 3), level, np.uint8)) for level in LEVELS]
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


MOVING = {
    "film.webp": {"lossless": True, "duration": [40, 40, 120, 40]},
    "film.png": {"duration": [40, 40, 120, 40]},
    "film.gif": {"duration": [40, 40, 120, 40]},
    "film.avif": {"duration": [40, 40, 120, 40]},
    "film.tif": {},
}


@pytest.mark.parametrize("name", MOVING)
def test_images_that_move_are_films(tmp_path, name):
    source = open_source(moving_image(tmp_path / name, **MOVING[name]), image_rate=25)
    frames = list(source)
    assert [round(int(frame.image[12, 16, 0]), -1) for frame in frames] == list(LEVELS)
    assert source.frame_wh == (32, 24)
    assert source.num_frames in (4, None)
    seconds = [float(frame.ticks * source.time_base) for frame in frames]
    expected = [0, 0.04, 0.08, 0.12] if name == "film.tif" else [0, 0.04, 0.08, 0.2]
    np.testing.assert_allclose(seconds, expected, atol=1e-9)
    assert source.file_name(2) == "film/000002.jpg"
    assert len(list(source)) == 4


def test_the_picture_before_an_animation_is_no_frame_of_it(tmp_path):
    path = moving_image(tmp_path / "film.png", duration=[40, 40, 40], default_image=True)
    assert [int(frame.image[0, 0, 0]) for frame in open_source(path)] == list(LEVELS[1:])


def test_among_images_each_is_one_frame(tmp_path, caplog):
    moving_image(tmp_path / "1.webp", lossless=True)
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / "2.png")
    assert [int(frame.image[0, 0, 0]) for frame in open_source(tmp_path)] == [40, 0]
    assert "1.webp: holds 4 pictures; the first is read" in caplog.text
