"""What a user can name: files, folders, patterns, cameras; and what is refused."""

import contextlib
import struct
import zlib
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from dcpose.video.camera import Camera
from dcpose.video.images import ImageSequence, read_image
from dcpose.video.opening import open_source
from dcpose.video.reader import VideoFile
from dcpose.video.source import VideoError
from dcpose.video.writer import VideoWriter


def save(path, wh=(20, 10), level=90):
    cv2.imwrite(str(path), np.full((wh[1], wh[0], 3), level, np.uint8))


def test_kinds(make_video, tmp_path):
    assert isinstance(open_source(make_video()), VideoFile)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 3):
        save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no image")
    source = open_source(folder)
    assert (source.name, source.num_frames, source.rate) == ("frames", 3, 25)
    assert open_source(folder / "[12].png", Fraction(5)).num_frames == 2
    assert open_source(f"{folder}/*.png").name == "frames"
    assert open_source(folder / "2.png").name == "2"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("empty", "holds no image"),
        ("nothing/*.png", "matches no file"),
        ("nowhere.mp4", "no such file"),
    ],
)
def test_nothing_there(tmp_path, where, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match=message):
        open_source(tmp_path / where)


def test_broken_images_are_named(tmp_path):
    save(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_text("no image")
    with pytest.raises(VideoError, match=r"2\.jpg: not an image"):
        open_source(tmp_path)
    save(tmp_path / "2.jpg", wh=(300, 200))
    data = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(data + b"\r\nMotionPhoto_Data")
    assert [frame.index for frame in open_source(tmp_path)] == [0, 1]
    (tmp_path / "2.jpg").write_bytes(data[:-40])
    with pytest.raises(VideoError, match=r"2\.jpg: truncated JPEG"):
        list(open_source(tmp_path))


def test_phone_pictures_come_upright(tmp_path):
    path = tmp_path / "phone.jpg"
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 255  # left half white; a turn clockwise takes it to the top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    image = read_image(path)
    assert image.shape == (40, 20, 3)
    assert image[5, 10].min() > 230 > 20 > image[-5, 10].max()
    assert ImageSequence([path], Fraction(1), "x").frame_wh == (20, 40)


class FakeCapture:
    """Stands for a camera that gives three frames."""

    left = 3

    def __init__(self, number):
        self.opened = number == 0
        self.released = False

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.opened

    def get(self, what):
        return 0.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((4, 6, 3), np.uint8)

    def release(self):
        self.released = True


def test_camera():
    camera = Camera(0, FakeCapture, clock=iter([5.0, 5.04, 5.1, 5.2]).__next__)
    assert (camera.name, camera.frame_wh, camera.rate, camera.num_frames) == (
        "camera0", (6, 4), 30, None
    )  # fmt: skip
    frames = iter(camera)
    assert [next(frames).ticks, next(frames).ticks] == [40, 100]
    with pytest.raises(VideoError, match="camera0: gives no more frames"):
        next(frames)
    assert camera._capture.released
    with pytest.raises(VideoError, match="camera 7 cannot be opened"):
        Camera(7, FakeCapture)


@pytest.mark.parametrize("address", ["udp://@239.0.0.1:1234", "file:///x.mp4"])
def test_other_addresses_are_named_as_they_were_given(address):
    with pytest.raises(VideoError, match="addresses of this kind are not read") as error:
        open_source(address)
    assert str(error.value).startswith(f"{address}: ")


def test_home_folder(make_video, tmp_path, monkeypatch):
    make_video()
    save(tmp_path / "1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_source("~/clip.mp4").num_frames == 6
    assert open_source("~/*.png").num_frames == open_source("~/1.png").num_frames == 1
    with pytest.raises(VideoError, match=r"nobody-here/x\.mp4: no such file"):
        open_source("~nobody-here/x.mp4")


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(25, 25), (12.5, Fraction(25, 2)), ("30000/1001", Fraction(30000, 1001)), ("24", 24),
     (np.float32(0.1), Fraction(1, 10)), (np.int64(5), 5), (Fraction(1, 3), Fraction(1, 3))],
)  # fmt: skip
def test_rates(tmp_path, rate, expected):
    save(tmp_path / "1.png")
    assert open_source(tmp_path, rate).rate == expected


@pytest.mark.parametrize("rate", [0, 0.0, -1, float("nan"), np.inf, "1/0", "fast", None, 1e9, [25]])
def test_rates_that_are_none(tmp_path, rate):
    save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"rate: found .*, expected frames per second, a number"):
        open_source(tmp_path, rate)


TURNED = {1: "1234", 2: "2143", 3: "4321", 4: "3412", 5: "1324", 6: "3142", 7: "4231", 8: "2413"}
"""Of each EXIF orientation: where the quarters 1 to 4 of the stored picture are shown."""


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_acts_once_in_every_format(tmp_path, suffix, orientation):
    quarters = np.array([[40, 100], [160, 220]], np.uint8)
    stored = np.stack([np.kron(quarters, np.ones((16, 32), np.uint8))] * 3, axis=-1)
    path = tmp_path / f"phone{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {0x0112: orientation}} if suffix == ".tif" else {"exif": exif}
    Image.fromarray(stored).save(path, **options)
    source = open_source(path)
    image = next(iter(source)).image
    height, width = image.shape[:2]
    assert source.frame_wh == (width, height) == ((64, 32) if orientation < 5 else (32, 64))
    shown = image[height // 4 :: height // 2, width // 4 :: width // 2, 0].ravel()
    numbers = [round((int(level) - 40) / 60) + 1 for level in shown]
    assert "".join(map(str, numbers)) == TURNED[orientation]


def chunk(kind, payload):
    checksum = struct.pack(">I", zlib.crc32(kind + payload))
    return struct.pack(">I", len(payload)) + kind + payload + checksum


def odd_but_healthy(folder):
    """Pictures as cameras and editors write them; libraries print warnings about all of them."""
    picture = Image.fromarray(np.full((24, 32, 3), 90, np.uint8))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[65000] = "exposure"
    picture.save(folder / "1.tif", tiffinfo=tags)
    picture.save(folder / "2.png")
    data = (folder / "2.png").read_bytes()
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(132)))
    (folder / "2.png").write_bytes(data[:33] + profile + chunk(b"sRGB", b"\0") * 2 + data[33:])
    picture.save(folder / "3.jpg")
    data = (folder / "3.jpg").read_bytes()
    exif = b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff"
    (folder / "3.jpg").write_bytes(data[:2] + exif + data[2:])


@pytest.mark.filterwarnings("error")
def test_no_lines_of_libraries_about_healthy_pictures(tmp_path, capfd):
    odd_but_healthy(tmp_path)
    images = [frame.image for frame in open_source(tmp_path)]
    assert [int(image[12, 16, 0]) for image in images] == [90, 90, 90]
    assert capfd.readouterr() == ("", "")


class GrowingCapture(FakeCapture):
    """Stands for a camera that switches its size while it runs."""

    left = 4

    def read(self):
        self.left -= 1
        side = 4 if self.left >= 2 else 8
        return self.left >= 0, np.full((side, 3 * side // 2, 3), 200, np.uint8)


def test_camera_that_grows(tmp_path):
    camera = Camera(0, GrowingCapture, clock=iter([5.0, 5.04, 5.1, 5.2, 5.3]).__next__)
    other = Camera(0, GrowingCapture)
    assert camera.origin != other.origin  # what each of them shows is gone afterwards
    sizes = []
    with VideoWriter(tmp_path / "copy.mp4", camera) as writer, contextlib.suppress(VideoError):
        for frame in camera:
            sizes.append(frame.image.shape[:2])
            writer.write(frame.image, frame.ticks)
    assert open_source(tmp_path / "copy.mp4").num_frames == 3
    assert sizes == [(4, 6), (8, 12), (8, 12)]
