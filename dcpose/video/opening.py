"""From what a user names to a source of frames."""

import glob
import re
from fractions import Fraction
from pathlib import Path

from dcpose.files.reading import named_path
from dcpose.video.animation import AnimatedWebP, Pages
from dcpose.video.camera import Camera
from dcpose.video.images import IMAGE_SUFFIXES, ImageSequence, find_images, moving_format
from dcpose.video.reader import VideoFile
from dcpose.video.remote import SCHEMES, RemoteVideo, is_address
from dcpose.video.source import FrameSource, VideoError, frame_rate

DEFAULT_IMAGE_RATE = Fraction(25)


def open_source(
    where: str | Path, image_rate: Fraction | float | str = DEFAULT_IMAGE_RATE
) -> FrameSource:
    """Open a video file, a folder or pattern of images, one image, a camera, or an address.

    Args:
        where: a path; a pattern such as `frames/*.png`; the number of a camera; or an address,
            `rtsp://...` or `http://...`.
        image_rate: frames per second of images, greater than 0; a number, or text (30000/1001).

    Raises:
        VideoError: if there is nothing that can be read.
        ValueError: if the rate is no such number.
    """
    image_rate = frame_rate(image_rate)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(where)) and not Path(where).exists():
        if not is_address(str(where)):
            raise VideoError(
                f"{where}: addresses of this kind are not read, expected {', '.join(SCHEMES)}, a "
                "file, a folder, a pattern or the number of a camera; download the file first"
            )
        return RemoteVideo(str(where))
    path = named_path(where)
    text = str(path)
    if text.isdecimal() and not path.exists():
        return Camera(int(text))
    if path.is_dir():
        return ImageSequence(find_images(text), image_rate, path.resolve().name)
    if glob.has_magic(text) and not path.exists():
        parent = path.parent.name if not glob.has_magic(path.parent.name) else ""
        return ImageSequence(find_images(text), image_rate, parent or "images")
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        kind = moving_format(path)
        if kind is None:
            return ImageSequence([path], image_rate, path.stem)
        if kind != "PNG":  # FFmpeg reads animated PNG
            return AnimatedWebP(path) if kind == "WEBP" else Pages(path, image_rate)
    return VideoFile(path)
