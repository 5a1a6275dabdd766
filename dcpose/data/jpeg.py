"""Size and completeness of JPEG files from their first and last bytes, without decoding.

A JPEG is a chain of segments: 0xFF, a marker, a two-byte length, content. The frame header (SOF)
carries height and width; the file ends with the marker EOI, 0xFF 0xD9 (ITU-T T.81, annex B).
The header is read here because libjpeg-turbo's own header reader refuses chroma samplings that
OpenCV decodes, and skips rubbish.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_SCAN, _EOI = 0xDA, 0xD9
_HEAD_BYTES = 1024
_TAIL_BYTES = 4096
MAX_BYTES = 2**28
"""Size of a file that is read at all."""
MAX_PIXELS = 2**26
"""Pixels of a frame that is decoded: twice those of 8K video, 200 MB once decoded."""
MAX_SCANS = 100
"""Scans of a frame that is decoded; progressive JPEGs have about ten, and each one takes time
proportional to the pixels, however few bytes it has."""
_MAX_SEGMENTS = 10_000
"""Segments and fill bytes in front of the frame header; cameras write a few dozen."""


@dataclass(frozen=True)
class JpegFacts:
    """What the ends of a file tell.

    Attributes:
        image_wh: (width, height) in pixels; None if there is no frame header.
        fault: what is wrong with the file and what to do, or None.
    """

    image_wh: tuple[int, int] | None
    fault: str | None = None


def inspect_jpeg(path: Path) -> JpegFacts:
    """Look at the first and last bytes of a file; a file that cannot be read is a fault."""
    try:
        # without waiting for a pipe that nobody writes to
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags)
    except OSError as error:
        return JpegFacts(None, f"cannot be opened ({error.strerror}); mend its access rights")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return JpegFacts(None, "no regular file; put the frame there")
        return _inspect(descriptor, status.st_size)
    except OSError as error:
        return JpegFacts(None, f"cannot be read ({error.strerror}); copy it again")
    finally:
        os.close(descriptor)


def _inspect(descriptor: int, size: int) -> JpegFacts:
    if size == 0:
        return JpegFacts(None, "an empty file; copy it again")
    if size > MAX_BYTES:
        return JpegFacts(None, f"{size} bytes, more than the {MAX_BYTES} of a frame; copy it again")
    head = _read_at(descriptor, 0, _HEAD_BYTES)
    if not head.startswith(_START):
        return JpegFacts(None, f"not a JPEG, it starts with {head[:4]!r}; save it as JPEG")
    image_wh = frame_size(partial(_read_at, descriptor))
    if not _ends_with_marker(descriptor, size):
        return JpegFacts(image_wh, f"cut short, {size} bytes without an end marker; copy it again")
    if image_wh is None or min(image_wh) == 0:
        return JpegFacts(None, "a JPEG without a frame header; copy it again")
    if image_wh[0] * image_wh[1] > MAX_PIXELS:
        return JpegFacts(None, f"{too_many_pixels(image_wh)}; save it smaller")
    return JpegFacts(image_wh)


def frame_size(read_at: Callable[[int, int], bytes]) -> tuple[int, int] | None:
    """Return the (width, height) that the frame header of a JPEG announces; None without one.

    Args:
        read_at: (offset, count) to the bytes of the file from an offset on, fewer at its end.
    """
    start, offset, head = 0, len(_START), b""  # `head` holds the file from `start` on
    for _ in range(_MAX_SEGMENTS):
        if offset - start + 9 > len(head):  # embedded previews can push the header far back
            start, head = offset, read_at(offset, _HEAD_BYTES)
        segment = head[offset - start : offset - start + 9]
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] in (_SCAN, _EOI):
            return None
        marker = segment[1]
        if marker == 0xFF:  # fill byte
            offset += 1
        elif marker in _WITHOUT_LENGTH:
            offset += 2
        elif marker in _FRAME_HEADERS:
            if len(segment) < 9:
                return None
            height, width = segment[5:7], segment[7:9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        else:
            offset += 2 + max(2, int.from_bytes(segment[2:4], "big"))
    return None


def too_many_pixels(image_wh: tuple[int, int]) -> str:
    """Say that an image is larger than frames may be."""
    return f"announces {image_wh[0]}x{image_wh[1]} pixels, more than the {MAX_PIXELS} of a frame"


def _ends_with_marker(descriptor: int, size: int) -> bool:
    """Return whether EOI is the last thing but zeros, as `frames.read_frame` asks for."""
    end = size
    tail = b""
    while end > 0 and len(tail) < len(_END):
        begin = max(0, end - _TAIL_BYTES)
        # interrupted copies leave long runs of zeros, so the last byte can be far from the end
        tail = (_read_at(descriptor, begin, end - begin) + tail).rstrip(b"\0")
        end = begin
    return tail.endswith(_END)


def _read_at(descriptor: int, offset: int, count: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
