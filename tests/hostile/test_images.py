"""Frames that lie: bombs, damage, and what is no file at all."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from dcpose.data.frame_file import MAX_BYTES, inspect_frame
from dcpose.data.frames import FrameError, read_frame
from dcpose.files.jpeg import MAX_SCANS

FRAME = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
JPEG = cv2.imencode(".jpg", FRAME)[1].tobytes()
PROGRESSIVE = cv2.imencode(".jpg", FRAME, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
PNG = cv2.imencode(".png", FRAME)[1].tobytes()


def with_size(width, height, data=JPEG):
    """The JPEG with other numbers in its frame header (SOF0 or SOF2)."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def with_segment(marker, payload, length=None, times=1):
    """The JPEG with more segments after its start."""
    length = len(payload) + 2 if length is None else length
    segment = bytes([0xFF, marker]) + length.to_bytes(2, "big") + payload
    return JPEG[:2] + segment * times + JPEG[2:]


def many_scans(number):
    """A progressive JPEG that repeats its last scan."""
    scan = PROGRESSIVE[PROGRESSIVE.rfind(b"\xff\xda") : -2]
    return PROGRESSIVE[:-2] + scan * number + b"\xff\xd9"


ANNOUNCES = "pixels, more than the 67108864 of a frame; save it smaller"
REFUSED = {
    "50,000 x 50,000": (with_size(50_000, 50_000), f"announces 50000x50000 {ANNOUNCES}"),
    "65,535 x 65,535": (with_size(65_535, 65_535), f"announces 65535x65535 {ANNOUNCES}"),
    "30,000 x 30,000, which decoders accept": (with_size(30_000, 30_000), ANNOUNCES),
    "progressive 50,000 x 50,000": (with_size(50_000, 50_000, PROGRESSIVE), ANNOUNCES),
    "bomb behind a preview": (
        with_size(60_000, 60_000, with_segment(0xE1, bytes(60_000))),
        ANNOUNCES,
    ),
    "size 0 x 0": (with_size(0, 0), "cannot be decoded"),
    "size 0 x 48": (with_size(0, 48), "cannot be decoded"),
    "a thousand scans": (many_scans(1000), f"JPEG of 10.. scans, expected at most {MAX_SCANS}"),
    "header of PNG 50,000 x 50,000": (
        PNG[:16] + (50_000).to_bytes(4, "big") * 2 + PNG[24:],
        "not a JPEG, it starts with b'.x89PNG'",
    ),
    "PNG": (PNG, "not a JPEG"),
    "empty": (b"", "not a JPEG, it starts with b''"),
    "start marker alone": (b"\xff\xd8", "truncated JPEG"),
    "start and end markers alone": (b"\xff\xd8\xff\xd9", "cannot be decoded"),
    "truncated header": (JPEG[:20], "truncated JPEG, 20 bytes"),
    "truncated data": (JPEG[:-40], "truncated JPEG"),
    "tail of zeros": (JPEG[:500] + bytes(5000), "truncated JPEG"),
    "without a frame header": (JPEG.replace(b"\xff\xc0", b"\xff\xe5"), "cannot be decoded"),
    "fill bytes without end": (b"\xff\xd8" + b"\xff" * 100_000 + b"\xff\xd9", "cannot be decoded"),
    "tiny segments without end": (
        b"\xff\xd8" + b"\xff\xe0\0\2" * 50_000 + b"\xff\xd9",
        "cannot be decoded",
    ),
    "bomb behind fill bytes": (
        JPEG[:2] + b"\xff" * 20_000 + with_size(30_000, 30_000)[2:],
        "no frame header",
    ),
    "bomb behind rubbish": (
        JPEG[:2] + b"rubbish" + with_size(30_000, 30_000)[2:],
        "no frame header",
    ),
    "segment longer than the file": (
        b"\xff\xd8\xff\xe0\xff\xff" + bytes(50) + b"\xff\xd9",
        "cannot be decoded",
    ),
    "text": (b"hello", "not a JPEG, it starts with b'hell'"),
    "web page": (b"<html>404</html>", "not a JPEG"),
    "GIF": (b"GIF89a" + bytes(20), "not a JPEG"),
    "BMP of 2^31 lines": (b"BM" + b"\xff\xff\xff\x7f" * 10, "not a JPEG"),
    "TIFF": (b"II*\0" + b"\xff" * 40, "not a JPEG"),
    "MP4": (b"\0\0\0\x20ftypisom" + bytes(40), "not a JPEG"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "not a JPEG"),
    "lossless JPEG": (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "cannot be decoded"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, told, tmp_path):
    content, found = REFUSED[name]
    path = tmp_path / "000000.jpg"
    path.write_bytes(content)
    told(lambda: read_frame(path), path, found)


def chunk(kind, payload, length=None):
    """A chunk of a PNG."""
    length = len(payload) if length is None else length
    return (
        struct.pack(">I", length) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
    )


def png_of(width, height, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


REFUSED_PNG = {
    "50,000 x 50,000": (png_of(50_000, 50_000), f"announces 50000x50000 {ANNOUNCES}"),
    "2^31 x 2^31": (png_of(2**31, 2**31), ANNOUNCES),
    "0 x 0": (png_of(0, 0, chunk(b"IDAT", zlib.compress(b""))), "PNG cannot be decoded"),
    "without pixels": (png_of(64, 48), "PNG cannot be decoded"),
    "fewer pixels than announced": (
        png_of(64, 48, chunk(b"IDAT", zlib.compress(bytes(193 * 10)))),
        "PNG cannot be decoded",
    ),
    "no zlib": (png_of(64, 48, chunk(b"IDAT", b"rubbish" * 99)), "PNG cannot be decoded"),
    "without a header": (PNG[:8] + PNG[33:], "no frame header"),
    "start alone": (PNG[:8], "no frame header"),
    "half": (PNG[: len(PNG) // 2], "PNG of .* is cut short or damaged"),
    "without end": (PNG[:-12], "cut short or damaged"),
    "end of half a file": (PNG[: len(PNG) // 2] + PNG[-12:], "cut short or damaged"),
    "damaged pixels": (PNG[:99] + bytes(9) + PNG[108:], "cut short or damaged"),
    "chunk longer than the file": (
        PNG[:33] + chunk(b"tEXt", b"", length=2**32 - 1) + PNG[33:],
        "cut short or damaged",
    ),
    "chunks without end": (PNG[:33] + chunk(b"tEXt", b"") * 200_000, "cut short or damaged"),
    "text": (b"hello", "not a PNG, it starts with b'hell'"),
    "GIF": (b"GIF89a" + bytes(20), "not a PNG"),
}


@pytest.mark.parametrize("name", REFUSED_PNG)
def test_refused_png(name, told, tmp_path):
    content, found = REFUSED_PNG[name]
    path = tmp_path / "000000.png"
    path.write_bytes(content)
    told(lambda: read_frame(path), path, found)


ROWS = b"".join(b"\0" + row.tobytes() for row in FRAME[..., ::-1])
TURNED = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\3\0\0\0\1\0\6\0\0"
READ_PNG = {
    "plain": PNG,
    "bytes after the end": PNG + b"\r\n# exported\n",
    "bomb in a text": PNG[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26))) + PNG[33:],
    "damaged colour profile": PNG[:33] + chunk(b"iCCP", b"a\0\0" + b"\xff" * 99) + PNG[33:],
    "turned": PNG[:33] + chunk(b"eXIf", TURNED) + PNG[33:],
    "rows": png_of(64, 48, chunk(b"IDAT", zlib.compress(ROWS))),
}
MORE_ROWS = png_of(64, 48, chunk(b"IDAT", zlib.compress(ROWS + bytes(2**24))))


@pytest.mark.parametrize("name", READ_PNG)
def test_read_png(name, limits, tmp_path, capfd):
    path = tmp_path / "000000.png"
    path.write_bytes(READ_PNG[name])
    with limits():
        np.testing.assert_array_equal(read_frame(path), FRAME[..., ::-1])
    assert capfd.readouterr().err == ""


def test_read_png_of_more_pixels_than_it_announces(limits, tmp_path):
    path = tmp_path / "000000.png"
    path.write_bytes(MORE_ROWS)
    with limits():
        np.testing.assert_array_equal(read_frame(path), FRAME[..., ::-1])


READ = {
    "8K, grey where there is no data": (with_size(7680, 4320), (4320, 7680, 3)),
    "progressive": (PROGRESSIVE, FRAME.shape),
    "fill bytes before a marker": (JPEG[:2] + b"\xff" * 9 + JPEG[2:], FRAME.shape),
    "comment of 64 KB": (with_segment(0xFE, bytes(65_000)), FRAME.shape),
    "markers inside a comment": (with_segment(0xFE, b"\xff\xda\xff\xd9"), FRAME.shape),
    "damaged Exif": (with_segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"), FRAME.shape),
    "zeros after the end": (JPEG + bytes(1000), FRAME.shape),
    "a film after the end": (JPEG + b"\xff\xda" * 2**20, FRAME.shape),
}


@pytest.mark.parametrize("name", READ)
def test_read(name, limits, tmp_path):
    content, shape = READ[name]
    path = tmp_path / "Bild 00 «ö».jpg"
    path.write_bytes(content)
    with limits():
        assert read_frame(path).shape == shape


def test_a_pipe_is_not_waited_for(told, tmp_path):
    os.mkfifo(tmp_path / "000000.jpg")
    told(lambda: read_frame(tmp_path / "000000.jpg"), tmp_path, "no regular file")
    assert inspect_frame(tmp_path / "000000.jpg").fault.startswith("no regular file")
    assert inspect_frame(tmp_path).fault.startswith("no regular file")


def test_a_huge_file_is_not_read(told, tmp_path):
    path = tmp_path / "000000.jpg"
    with path.open("wb") as file:
        file.truncate(10 * MAX_BYTES)  # takes no space on the disk
    told(lambda: read_frame(path), path, f"{10 * MAX_BYTES} bytes, at most {MAX_BYTES} are read")
    assert "more than" in inspect_frame(path).fault


@pytest.mark.parametrize("name", ["000000.jpg", "000000\0.jpg", "x" * 5000, "\ud800.jpg"])
def test_names_without_a_file(name, limits, tmp_path):
    with limits(), pytest.raises(FrameError, match=r"frame not found|cannot be read"):
        read_frame(tmp_path / name)


@pytest.mark.parametrize("size", [(50_000, 50_000), (30_000, 30_000)])
def test_the_check_of_a_data_set_finds_bombs(size, tmp_path):
    path = tmp_path / "000000.jpg"
    path.write_bytes(with_size(*size))
    assert ANNOUNCES in inspect_frame(path).fault


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe0\0\2", b"\xff\x01"])
def test_the_check_of_a_data_set_does_not_follow_endless_headers(filler, limits, tmp_path):
    path = tmp_path / "000000.jpg"
    path.write_bytes(b"\xff\xd8" + filler * (2**24 // len(filler)) + b"\xff\xd9")
    with limits():
        assert "without a frame header" in inspect_frame(path).fault
