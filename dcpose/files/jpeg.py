"""The chain of segments that a JPEG is, read without decoding.

0xFF, a marker, a two-byte length, content. The frame header (SOF) carries height and width; the
picture ends with the marker EOI, 0xFF 0xD9 (ITU-T T.81, annex B). The header is read here because
libjpeg-turbo's own header reader refuses chroma samplings that OpenCV decodes, and skips rubbish.
"""

from collections.abc import Callable

START, END = b"\xff\xd8", b"\xff\xd9"
MAX_SCANS = 100
"""Scans of a picture that is decoded; progressive JPEGs have about ten, and each one takes time
proportional to the pixels, however few bytes it has."""
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_SOI, _EOI, _SCAN = 0xD8, 0xD9, 0xDA
_HEAD_BYTES = 1024
_MAX_SEGMENTS = 10_000
"""Segments and fill bytes in front of the frame header; cameras write a few dozen."""
_AFTER_SCANS = [
    bytes([0xFF, marker]) for marker in (_EOI, _SCAN, _SOI, 0xC4, 0xDB, 0xDC, 0xDD, 0xFE)
]
"""What stands behind a scan; in a scan 0xFF is followed by zero, or by a restart marker."""


def frame_size(read_at: Callable[[int, int], bytes]) -> tuple[int, int] | None:
    """Return the (width, height) that the frame header of a JPEG announces; None without one.

    Args:
        read_at: (offset, count) to the bytes of the file from an offset on, fewer at its end.
    """
    start, offset, head = 0, len(START), b""  # `head` holds the file from `start` on
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


def picture_end(data: bytes) -> int | None:
    """Return the place behind the picture's end marker; None if the picture is cut short.

    Behind it may lie anything: cameras append films, previews and blocks of their maker, streams a
    line end. An end marker inside a segment, such as that of a thumbnail, is not the picture's.

    Args:
        data: the whole file, a JPEG by its first bytes.
    """
    if data.rstrip(b"\0").endswith(END):
        return len(data)  # damage before the marker is left to the decoder
    offset, in_scan = len(START), False
    for _ in range(_MAX_SEGMENTS):
        offset = _next_in_scan(data, offset) if in_scan else data.find(b"\xff", offset)
        if offset < 0 or offset + 1 >= len(data):
            return None
        marker = data[offset + 1]
        if marker == _SOI:  # another picture begins inside this one
            return None
        if marker == _EOI:
            return offset + 2
        in_scan = in_scan or marker == _SCAN
        if marker == 0xFF:  # fill byte
            offset += 1
        elif marker < 0xC0 or marker in _WITHOUT_LENGTH:
            offset += 2
        else:
            offset += 2 + max(2, int.from_bytes(data[offset + 2 : offset + 4], "big"))
    return None


def _next_in_scan(data: bytes, offset: int) -> int:
    """Return the place of the next marker that can follow a scan; -1 without one."""
    end = len(data)
    for marker in _AFTER_SCANS:  # several times faster than looking at each 0xFF
        found = data.find(marker, offset, end)
        end = found if found >= 0 else end
    return end if end < len(data) else -1
