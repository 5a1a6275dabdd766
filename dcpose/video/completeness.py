"""Whether a file holds all that it should; containers differ in what tells.

| container | what is missing shows in |
|---|---|
| mp4, mov | the index: it lists every frame that is to come, after any edit list |
| mp4 in fragments, Matroska, WebM, AVI | the sizes of their outermost parts, against the file's |
| others that count their frames | that count |

Durations tell nothing: sound may outlast the film, and a last picture may stand for minutes.
"""

import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av

from dcpose.video.container import known

_ZERO_TAIL = 4096
"""A file whose part ends in so many zero bytes was reserved and never filled."""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def announced_frames(
    container: av.container.InputContainer, film: av.VideoStream, rate: Fraction
) -> int | None:
    """Return how many frames the headers promise, for progress; None where they do not say."""
    if _has_whole_index(container, film):
        # frames before the cut of an edit list are decoded, but not shown
        return max(1, sum(entry.size > 0 and not entry.is_discard for entry in film.index_entries))
    if film.frames and not _is_mp4(container):
        return film.frames
    seconds = _seconds(container, film)
    return None if seconds is None else max(1, round(seconds * rate))


def what_is_missing(
    container: av.container.InputContainer,
    film: av.VideoStream,
    path: Path,
    num_packets: int,
    end_s: float,
) -> str | None:
    """Return in words what a file that was read to its end lacks; None if it is complete.

    Args:
        container: of the file, after its last packet.
        film: the stream that was read.
        path: the file.
        num_packets: how many packets of the film came, empty ones not counted.
        end_s: when the last of them ends.
    """
    if _has_whole_index(container, film):
        expected = sum(entry.size > 0 for entry in film.index_entries)
        return f" of {film.frames}" if num_packets < expected else None
    counted = 0 if _is_mp4(container) else film.frames
    if counted and num_packets >= counted:
        return None
    announced = _announced_end(path)
    if announced is None:
        return f" of {counted}" if counted else None
    lacking = _lacking(path, announced)
    if not lacking:
        return None
    if counted:
        return f" of {counted}"
    seconds = _seconds(container, film)
    if seconds is not None and end_s < seconds:
        return f", but should last {float(seconds):.2f} s"
    return f", but {lacking} of the {announced} bytes that its header announces are missing"


def _is_mp4(container: av.container.InputContainer) -> bool:
    return "mp4" in container.format.name


def _has_whole_index(container: av.container.InputContainer, film: av.VideoStream) -> bool:
    """Tell whether the index stood in one place; that of fragments grows while they are read."""
    return _is_mp4(container) and 0 < len(film.index_entries) <= film.frames


def _seconds(container: av.container.InputContainer, film: av.VideoStream) -> Fraction | None:
    time_base = known(film.time_base)
    if film.duration is not None and time_base is not None:
        return film.duration * time_base
    if container.duration is None:
        return None
    # Matroska says when it ends, others how long they are
    is_end = "matroska" in container.format.name
    start = container.start_time if is_end and container.start_time is not None else 0
    return Fraction(container.duration - start, av.time_base)


def _lacking(path: Path, announced: int) -> int:
    """Return how many bytes before the announced end are not there, or were never filled."""
    size = path.stat().st_size
    if size < announced:
        return announced - size
    with path.open("rb") as file:
        file.seek(max(0, announced - _ZERO_TAIL))
        tail = file.read(_ZERO_TAIL)
    return 0 if any(tail) else len(tail)


def _announced_end(path: Path) -> int | None:
    """Return where the last of the outermost parts should end; None where nothing says."""
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[:4] == _EBML:
            return _end_of_segment(file)
        if start[:4] == b"RIFF":
            return _end_of_riff(file)
        return _end_of_boxes(file) if start[4:8] in (b"ftyp", b"styp", b"moov", b"moof") else None


def _end_of_boxes(file: BinaryIO) -> int | None:
    """ISO 14496-12: boxes of a size and a name; these two hold frames and their index."""
    place, end, whole = 0, None, os.fstat(file.fileno()).st_size
    while place < whole and len(header := file.read(16)) >= 8:
        size, name = struct.unpack(">I4s", header[:8])
        if size == 1 and len(header) == 16:
            (size,) = struct.unpack(">Q", header[8:])
        if size < 8:  # to the end of the file, or no box at all
            return end
        place += size
        if name in (b"moof", b"mdat"):
            end = place
        file.seek(min(place, whole))
    return end


def _end_of_riff(file: BinaryIO) -> int | None:
    """RIFF: `RIFF`, size, kind; a long AVI is several of them."""
    place, end = 0, None
    while (header := file.read(8))[:4] == b"RIFF" and len(header) == 8:
        (size,) = struct.unpack("<I", header[4:])
        if not size:  # a recorder that was switched off before it could fill this in
            return end
        place += 8 + size + size % 2
        end = place
        file.seek(place)
    return end


def _end_of_segment(file: BinaryIO) -> int | None:
    """RFC 8794: an EBML header and one Segment, whose size a live recording leaves unknown."""
    for name in (_EBML, _SEGMENT):
        if file.read(4) != name:
            return None
        first = file.read(1)
        if not first or not first[0]:
            return None
        length = 9 - first[0].bit_length()  # of the size, in bytes
        rest = file.read(length - 1)
        size = int.from_bytes(bytes([first[0] & (0xFF >> length)]) + rest, "big")
        if size == (1 << 7 * length) - 1:
            return None
        if name == _SEGMENT:
            return file.tell() + size
        file.seek(size, 1)
    return None
