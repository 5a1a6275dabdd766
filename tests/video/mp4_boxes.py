"""Changes in the boxes of an mp4 that no muxer of PyAV makes: edit lists, covers, other codecs."""

import struct
from pathlib import Path

import av
import cv2
import numpy as np


def box(kind, payload):
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def boxes_of(data, start, end):
    """Yield (start, size, kind) of the boxes in a stretch."""
    while start < end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield start, size, kind
        start += size


def trim(path, out, seconds, start_s=0.0):
    """Play `seconds` from `start_s` on by the edit list, as a phone trims without recoding."""
    data = bytearray(path.read_bytes())
    at = data.find(b"elst")
    whole, media, _ = struct.unpack(">Iii", data[at + 12 : at + 24])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length, base = float(stream.duration * stream.time_base), float(stream.time_base)
    struct.pack_into(">Ii", data, at + 12, round(whole * seconds / length),
                     media + round(start_s / base))  # fmt: skip
    out.write_bytes(data)
    return out


def add_cover(path, out, first):
    """Add a cover in the tags, before the track or behind it; FFmpeg numbers it accordingly."""
    picture = cv2.imencode(".jpg", np.full((200, 200, 3), 30, np.uint8))[1].tobytes()
    item = box(b"ilst", box(b"covr", box(b"data", struct.pack(">II", 13, 0) + picture)))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = box(b"udta", box(b"meta", bytes(4) + handler + item))
    data = Path(path).read_bytes()
    at, size, _ = next(b for b in boxes_of(data, 0, len(data)) if b[2] == b"moov")
    assert at + size == len(data)  # so that the offsets of samples stay true
    inner = [data[s : s + n] for s, n, _ in boxes_of(data, at + 8, at + size)]
    header, *rest = [part for part in inner if part[4:8] != b"udta"]
    parts = [header, tags, *rest] if first else [header, *rest, tags]
    out.write_bytes(data[:at] + box(b"moov", b"".join(parts)))
    return out
