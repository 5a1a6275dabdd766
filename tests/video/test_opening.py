"""What a user can name: files, folders, patterns, cameras; and what is refused."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from dcpose.video.camera import Camera
from dcpose.video.images import ImageSequence, read_image
from dcpose.video.opening import open_source
from dcpose.video.reader import VideoFile
from dcpose.video.source import VideoError


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
