import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.data.frames import FrameError, read_frame
from dcpose.data.jpeg import JpegFacts, inspect_jpeg

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 52, 3), np.uint8)


def jpeg(*parameters: int) -> bytes:
    return cv2.imencode(".jpg", PICTURE, list(parameters))[1].tobytes()


def segment(marker: int, length: int) -> bytes:
    return bytes([0xFF, marker]) + (length + 2).to_bytes(2, "big") + bytes(length)


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
    ],
    ids=["plain", "progressive", "restarts", "large segments", "fill bytes", "zeros behind"],
)
def test_size_of_complete_files(tmp_path, data):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert inspect_jpeg(path) == JpegFacts((52, 30))
    assert read_frame(path).shape == (30, 52, 3)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "an empty file; copy it again"),
        (b"\x89PNG\r\n", r"not a JPEG, it starts with b'\x89PNG'; save it as JPEG"),
        (jpeg()[:-2], f"cut short, {len(jpeg()) - 2} bytes without an end marker; copy it again"),
        (b"\xff\xd8\xff\xd9", "a JPEG without a frame header; copy it again"),
        (b"\xff\xd8 garbage \xff\xd9", "a JPEG without a frame header; copy it again"),
        (b"\xff\xd8" + bytes(9000), "cut short, 9002 bytes without an end marker; copy it again"),
    ],
)
def test_faults(tmp_path, data, fault):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert inspect_jpeg(path).fault == fault


def test_a_missing_file_is_a_fault(tmp_path):
    assert "cannot be opened (No such file" in inspect_jpeg(tmp_path / "a.jpg").fault


def test_the_sample_agrees_with_the_decoder(sample_dir):
    frames = sorted((sample_dir / "images").rglob("*.jpg"))
    assert len(frames) == 48
    assert {inspect_jpeg(path) for path in frames} == {JpegFacts((320, 180))}


@given(cut=st.integers(0, 4000), zeros=st.integers(0, 9000))
def test_whatever_is_called_complete_is_not_refused_as_cut_short(tmp_path_factory, cut, zeros):
    path = tmp_path_factory.mktemp("cut") / "a.jpg"
    path.write_bytes(jpeg()[:cut] + bytes(zeros))
    facts = inspect_jpeg(path)
    try:
        frame = read_frame(path)
    except FrameError:
        assert facts.fault is not None
    else:
        assert facts == JpegFacts((frame.shape[1], frame.shape[0]))
    shutil.rmtree(path.parent)
