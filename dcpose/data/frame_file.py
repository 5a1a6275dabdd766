"""Size and completeness of frames from the first and last bytes of their files, without decoding.

Frames are JPEGs, or PNGs where their names say so.
"""

import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dcpose.files import jpeg, png

SUFFIXES = (".jpg", ".jpeg", ".png")
"""How names of frames end."""
_HEAD_BYTES = 1024
_TAIL_BYTES = 4096
MAX_BYTES = 2**28
"""Size of a file that is read at all."""
MAX_PIXELS = 2**26
"""Pixels of a frame that is decoded: twice those of 8K video, 200 MB once decoded."""


@dataclass(frozen=True)
class FrameFacts:
    """What the ends of a file tell.

    Attributes:
        image_wh: (width, height) in pixels; None if there is no frame header.
        fault: what is wrong with the file and what to do, or None.
    """

    image_wh: tuple[int, int] | None
    fault: str | None = None


def may_be_png(path: Path) -> bool:
    """Say whether a frame is allowed to be a PNG: its name has to say so."""
    return path.suffix.lower() == ".png"


def too_many_pixels(image_wh: tuple[int, int]) -> str | None:
    """Say that an image is larger than frames may be; None if it is not."""
    if image_wh[0] * image_wh[1] <= MAX_PIXELS:
        return None
    return f"announces {image_wh[0]}x{image_wh[1]} pixels, more than the {MAX_PIXELS} of a frame"


def inspect_frame(path: Path) -> FrameFacts:
    """Look at the first and last bytes of a file; a file that cannot be read is a fault."""
    try:
        # without waiting for a pipe that nobody writes to
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags)
    except OSError as error:
        return FrameFacts(None, f"cannot be opened ({error.strerror}); mend its access rights")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return FrameFacts(None, "no regular file; put the frame there")
        return _inspect(descriptor, status.st_size, may_be_png(path))
    except OSError as error:
        return FrameFacts(None, f"cannot be read ({error.strerror}); copy it again")
    finally:
        os.close(descriptor)


def _inspect(descriptor: int, size: int, png_too: bool) -> FrameFacts:
    if size == 0:
        return FrameFacts(None, "an empty file; copy it again")
    if size > MAX_BYTES:
        fault = f"{size} bytes, more than the {MAX_BYTES} of a frame; copy it again"
        return FrameFacts(None, fault)
    head = _read_at(descriptor, 0, _HEAD_BYTES)
    if png_too and head.startswith(png.START):
        kind, image_wh, end = "PNG", png.announced_size(head), png.END
    elif head.startswith(jpeg.START):
        kind, image_wh = "JPEG", jpeg.frame_size(partial(_read_at, descriptor))
        end = jpeg.END
    else:
        kind = "PNG" if png_too else "JPEG"
        return FrameFacts(None, f"not a {kind}, it starts with {head[:4]!r}; save it as {kind}")
    if not _is_whole(descriptor, size, end):
        fault = f"cut short, {size} bytes without an end marker; copy it again"
        return FrameFacts(image_wh, fault)
    if image_wh is None or min(image_wh) == 0:
        return FrameFacts(None, f"a {kind} without a frame header; copy it again")
    if (large := too_many_pixels(image_wh)) is not None:
        return FrameFacts(None, f"{large}; save it smaller")
    return FrameFacts(image_wh)


def _is_whole(descriptor: int, size: int, end: bytes) -> bool:
    """Return whether the picture ends in the file, as `frames.read_frame` asks for."""
    if _ends_with(descriptor, size, end):
        return True
    # what lies behind the end of the picture is no matter, but takes reading all of it
    data = _read_at(descriptor, 0, size)
    found = png.picture_chunks(data) if end == png.END else jpeg.picture_end(data)
    return found is not None


def _ends_with(descriptor: int, size: int, ending: bytes) -> bool:
    """Return whether an end marker is the last thing but zeros."""
    end = size
    tail = b""
    while end > 0 and len(tail) < len(ending):
        begin = max(0, end - _TAIL_BYTES)
        # interrupted copies leave long runs of zeros, so the last byte can be far from the end
        tail = (_read_at(descriptor, begin, end - begin) + tail).rstrip(b"\0")
        end = begin
    return tail.endswith(ending)


def _read_at(descriptor: int, offset: int, count: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
