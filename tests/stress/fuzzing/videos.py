"""Small valid videos and moving images of every container, and what is done with damaged ones."""

import io
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from dcpose.video.opening import open_source
from dcpose.video.writer import VideoWriter

FRAMES = 8
CONTAINERS = {
    "mp4": ("libx264", {}), "mov": ("mpeg4", {"movflags": "frag_keyframe+empty_moov"}),
    "mkv": ("libx264", {}), "webm": ("libvpx", {}), "avi": ("mpeg4", {}), "ts": ("mpeg2video", {}),
    "flv": ("libx264", {}), "mpg": ("mpeg1video", {}), "gif": ("gif", {}), "ivf": ("libvpx", {}),
}  # fmt: skip
SOUND = {"mp4": "aac", "mkv": "aac", "avi": "mp2", "ts": "mp2", "flv": "aac"}


def pictures() -> list[np.ndarray]:
    """Return the frames of all seeds."""
    rng = np.random.default_rng(0)
    return [np.tile(rng.integers(0, 255, (6, 8, 3), np.uint8), (4, 4, 1)) for _ in range(FRAMES)]


def video_seeds() -> dict[str, bytes]:
    """Return a video of each container, by its suffix; some of them with sound."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            suffix: _video(Path(folder) / f"seed.{suffix}", *how)
            for suffix, how in CONTAINERS.items()
        }


def image_seeds() -> dict[str, bytes]:
    """Return a moving image of each format, by its suffix."""
    frames = [Image.fromarray(picture) for picture in pictures()[:3]]
    seeds = {}
    for suffix, kind in (("webp", "WEBP"), ("png", "PNG"), ("tif", "TIFF"), ("avif", "AVIF")):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        seeds[suffix] = buffer.getvalue()
    return seeds


def _video(path: Path, codec: str, options: dict[str, str]) -> bytes:
    suffix = path.suffix[1:]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 32, 24
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        sound = container.add_stream(SOUND[suffix], rate=32000) if suffix in SOUND else None
        for index, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            for start in range(0, 9216, 1152):
                piece = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16",
                                                   layout="mono")  # fmt: skip
                piece.sample_rate, piece.pts = 32000, start
                container.mux(sound.encode(piece))
            container.mux(sound.encode())
    return path.read_bytes()


def copy_video(path: Path) -> None:
    """Read a source to its end, and write the copy that plays like it."""
    source = open_source(path)
    with VideoWriter(path.with_name("copy.mp4"), source) as writer:
        for frame in source:
            writer.write(frame.image, frame.ticks, frame.duration)
