"""The chunks that a PNG is, read without decoding (ISO/IEC 15948, clause 5)."""

import struct
import zlib
from collections.abc import Iterator
from itertools import islice

START = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MAX_CHUNKS = 100_000
"""Chunks of a file; encoders put 8 KB and more into each."""


def announced_size(head: bytes) -> tuple[int, int] | None:
    """Return the (width, height) in the first 24 bytes of a PNG; None if there is no header."""
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def picture_chunks(data: bytes) -> bytes | None:
    """Return the file with its picture alone; None if it is cut short or damaged.

    Without colour profiles, texts and times, which decoders unpack or warn about, without the
    further pictures of an animation, and without whatever lies behind the end.

    Args:
        data: the whole file, a PNG by its first bytes.
    """
    kept = [START]
    for kind, chunk in islice(chunks(data), _MAX_CHUNKS):
        if len(chunk) < 12 + int.from_bytes(chunk[:4], "big"):
            return None
        if kind in _PICTURE:
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                return None
            kept.append(chunk)
        if kind == b"IEND":
            return b"".join(kept)
    return None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the whole of each chunk; the last one may be cut short."""
    place = len(START)
    while len(data) - place >= 8:
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place : place + 12 + size]
        place += 12 + size
