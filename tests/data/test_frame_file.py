import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.data.frame_file import FrameFacts, inspect_frame
from dcpose.data.frames import FrameError, read_frame

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 52, 3), np.uint8)


def jpeg(*parameters: int) -> bytes:
    return cv2.imencode(".jpg", PICTURE, list(parameters))[1].tobytes()


def segment(marker: int, length: int) -> bytes:
    return bytes([0xFF, marker]) + (length + 2).to_bytes(2, "big") + bytes(length)


def thumbnail() -> bytes:
    payload = b"Exif\0\0" + jpeg(cv2.IMWRITE_JPEG_QUALITY, 10)
    return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload


@pytest.mark.parametrize(
    "data",
    [
        jpeg(),
        jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        # previews and colour profiles push the frame header far back
        jpeg()[:2] + segment(0xE1, 65000) + segment(0xE2, 1019) + jpeg()[2:],
        jpeg()[:2] + segment(0xFE, 0) + b"\xff\xff" + jpeg()[2:],
        jpeg() + bytes(10_000),
        jpeg() + b"\r\n",
        jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1) + b"# exported\n",
        jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 1) + bytes(range(256)) * 400,
        # a film behind the picture, with bytes that would be scans in front of its end
        jpeg() + b"\0\0\0\x18ftypmp42" + b"\xff\xda\xff\xd8" * 5000,
        jpeg()[:2] + segment(0xFE, 0) + b"\xff\xff" + jpeg()[2:] + jpeg()[: len(jpeg()) // 2],
    ],
    ids=[
        "plain", "progressive", "restarts", "large segments", "fill bytes", "zeros behind",
        "line end behind", "text behind", "every byte behind", "film behind", "preview behind",
    ],
)  # fmt: skip
def test_size_of_complete_files(tmp_path, data):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert inspect_frame(path) == FrameFacts((52, 30))
    assert read_frame(path).shape == (30, 52, 3)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "an empty file; copy it again"),
        (b"\x89PNG\r\n", r"not a JPEG, it starts with b'\x89PNG'; save it as JPEG"),
        (jpeg()[:-2], f"cut short, {len(jpeg()) - 2} bytes without an end marker; copy it again"),
        (b"\xff\xd8\xff\xd9", "a JPEG without a frame header; copy it again"),
        (b"\xff\xd8 garbage \xff\xd9", "a JPEG without a frame header; copy it again"),
        # the end marker of a thumbnail, and of the next picture of a stream
        (
            (jpeg()[:2] + thumbnail() + jpeg()[2:])[: len(thumbnail()) + len(jpeg()) // 2],
            f"cut short, {len(thumbnail()) + len(jpeg()) // 2} bytes without an end marker; "
            "copy it again",
        ),
        (
            jpeg()[: len(jpeg()) // 2] + jpeg() + b"\r\n",
            f"cut short, {len(jpeg()) // 2 + len(jpeg()) + 2} bytes without an end marker; "
            "copy it again",
        ),
        (b"\xff\xd8" + bytes(9000), "cut short, 9002 bytes without an end marker; copy it again"),
    ],
)
def test_faults(tmp_path, data, fault):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert inspect_frame(path).fault == fault
    with pytest.raises(FrameError):
        read_frame(path)


def test_a_missing_file_is_a_fault(tmp_path):
    assert "cannot be opened (No such file" in inspect_frame(tmp_path / "a.jpg").fault


def test_the_sample_agrees_with_the_decoder(sample_dir):
    frames = sorted((sample_dir / "images").rglob("*.jpg"))
    assert len(frames) == 48
    assert {inspect_frame(path) for path in frames} == {FrameFacts((320, 180))}


@given(cut=st.integers(0, 4000), zeros=st.integers(0, 9000))
def test_whatever_is_called_complete_is_not_refused_as_cut_short(tmp_path_factory, cut, zeros):
    path = tmp_path_factory.mktemp("cut") / "a.jpg"
    path.write_bytes(jpeg()[:cut] + bytes(zeros))
    facts = inspect_frame(path)
    try:
        frame = read_frame(path)
    except FrameError:
        assert facts.fault is not None
    else:
        assert facts == FrameFacts((frame.shape[1], frame.shape[0]))
    shutil.rmtree(path.parent)


def test_png(tmp_path):
    path = tmp_path / "a.PNG"
    data = cv2.imencode(".png", PICTURE)[1].tobytes()
    path.write_bytes(data)
    assert inspect_frame(path) == FrameFacts((52, 30))
    path.write_bytes(data + b"\r\n")
    assert inspect_frame(path) == FrameFacts((52, 30))
    path.write_bytes(data[:-13] + b"\r\n")
    assert inspect_frame(path).fault.startswith("cut short, ")
    path.write_bytes(data[:16] + (50_000).to_bytes(4, "big") * 2 + data[24:])
    assert inspect_frame(path).fault.startswith("announces 50000x50000 pixels")
    path.write_bytes(b"GIF89a")
    assert inspect_frame(path).fault == "not a PNG, it starts with b'GIF8'; save it as PNG"
    path.write_bytes(jpeg())  # the name lets it be a PNG, it does not ask for one
    assert inspect_frame(path) == FrameFacts((52, 30))
    assert read_frame(path).shape == PICTURE.shape
