"""Decoding of frames: colours, orientation tags, damaged files."""

import cv2
import numpy as np
import pytest
import simplejpeg

from dcpose.data.frames import FrameError, check_frame_wh, read_ahead, read_frame


@pytest.fixture
def jpeg(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "000000.jpg"
    cv2.imwrite(str(path), rng.integers(0, 255, (64, 96, 3), np.uint8))
    return path


def test_frame_is_rgb(tmp_path):
    path = tmp_path / "red.jpg"
    cv2.imwrite(str(path), np.full((16, 32, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR
    frame = read_frame(path)
    assert frame.shape == (16, 32, 3)
    assert frame.dtype == np.uint8
    np.testing.assert_allclose(frame[8, 16], [255, 0, 0], atol=2)


def test_grey_jpeg_becomes_rgb(tmp_path):
    path = tmp_path / "grey.jpg"
    cv2.imwrite(str(path), np.full((16, 32), 90, np.uint8))
    assert read_frame(path)[8, 16].tolist() == [90, 90, 90]


@pytest.mark.parametrize("image_wh", [(96, 64), (97, 63)])
@pytest.mark.parametrize("flags", [
    [cv2.IMWRITE_JPEG_QUALITY, 30],
    [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422],
    [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
])  # fmt: skip
def test_pixels_are_those_of_opencv(tmp_path, image_wh, flags):
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (6, 9, 3), np.uint8), image_wh)
    path = tmp_path / "frame.jpg"
    cv2.imwrite(str(path), picture, flags)
    np.testing.assert_array_equal(read_frame(path), cv2.imread(str(path))[..., ::-1])


def test_real_pixels_are_those_of_opencv(shared_dir):
    path = min((shared_dir / "data" / "posetrack18_real" / "images").rglob("*.jpg"))
    np.testing.assert_array_equal(read_frame(path), cv2.imread(str(path))[..., ::-1])


def test_damage_that_opencv_survives_is_survived(jpeg):
    data = bytearray(jpeg.read_bytes())
    data[-300:-260] = bytes(40)
    jpeg.write_bytes(data)
    with pytest.raises(ValueError, match="Corrupt"):
        simplejpeg.decode_jpeg(bytes(data))
    np.testing.assert_array_equal(read_frame(jpeg), cv2.imread(str(jpeg))[..., ::-1])


def test_orientation_tag_is_ignored(jpeg):
    # by hand: APP1 with a little-endian TIFF header and one entry, Orientation (0x0112) = 6
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    payload = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload
    data = jpeg.read_bytes()
    plain = read_frame(jpeg)
    jpeg.write_bytes(data[:2] + segment + data[2:])
    assert cv2.imread(str(jpeg)).shape == (96, 64, 3)  # the tag is there and others obey it
    np.testing.assert_array_equal(read_frame(jpeg), plain)


def test_missing_frame(tmp_path):
    with pytest.raises(FrameError, match=r"000007\.jpg: frame not found"):
        read_frame(tmp_path / "000007.jpg")


def test_folder_in_place_of_a_frame(tmp_path):
    with pytest.raises(FrameError, match="cannot be read"):
        read_frame(tmp_path)


@pytest.mark.parametrize("kept", [3, 100, 0.5, 0.95, -2, -1])
def test_truncated_frame(jpeg, kept):
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(FrameError, match=r"000000\.jpg: truncated JPEG"):
        read_frame(jpeg)


def test_truncated_frame_padded_with_zeros(jpeg):
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(FrameError, match="truncated JPEG"):
        read_frame(jpeg)


def test_complete_frame_padded_with_zeros(jpeg):
    expected = read_frame(jpeg)
    jpeg.write_bytes(jpeg.read_bytes() + bytes(100))
    np.testing.assert_array_equal(read_frame(jpeg), expected)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\x89PNG\r\n\x1a\n"])
def test_other_files_are_refused(jpeg, data):
    jpeg.write_bytes(data)
    with pytest.raises(FrameError, match=r"000000\.jpg: not a JPEG"):
        read_frame(jpeg)


def test_markers_around_rubbish_are_not_enough(jpeg):
    jpeg.write_bytes(b"\xff\xd8" + b"rubbish" * 20 + b"\xff\xd9")
    with pytest.raises(FrameError, match=r"000000\.jpg: JPEG cannot be decoded"):
        read_frame(jpeg)


def test_frame_of_another_size(jpeg):
    frame = read_frame(jpeg)
    check_frame_wh(jpeg, frame, (96, 64))
    check_frame_wh(jpeg, frame, (96, 64 + 15))
    with pytest.raises(FrameError, match=r"000000\.jpg: frame is 96x64, expected 192x128"):
        check_frame_wh(jpeg, frame, (192, 128))


def test_read_ahead_keeps_the_order_and_its_distance(tmp_path):
    started = []

    def read(path):
        started.append(path.name)
        return np.full((1, 1, 3), int(path.name), np.uint8)

    images = read_ahead([tmp_path / str(k) for k in range(9)], workers=1, ahead=3, read=read)
    assert next(images)[0, 0, 0] == 0
    assert len(started) <= 4
    assert [int(image[0, 0, 0]) for image in images] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_read_ahead_raises_at_the_bad_image(tmp_path):
    images = read_ahead([tmp_path / "none.jpg"], workers=2, ahead=2)
    with pytest.raises(FrameError, match="frame not found"):
        next(images)
