"""Images in any usual format, and sequences of them as if they were a video."""

import contextlib
import glob
import logging
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dcpose.files import jpeg, png
from dcpose.files.listing import list_folder
from dcpose.video.source import FrameSource, VideoError, VideoFrame, origin_of

_log = logging.getLogger(__name__)

_CV_LOG = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.12 has it at the top
_CV_ERRORS = 2
_ORIENTATION = 0x0112
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
PILLOW_FAULTS = (
    OSError, ValueError, SyntaxError, TypeError, EOFError, LookupError, ArithmeticError,
    struct.error, MemoryError,
)  # fmt: skip
"""What Pillow raises for damaged files: its parsers check little before they use it."""
_MOVING_FORMATS = ("PNG", "WEBP", "TIFF")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def read_image(path: Path) -> np.ndarray:
    """Decode an image of any usual format, turned upright as its EXIF data say.

    Returns:
        (H, W, 3) uint8 RGB; grey images get three equal channels, transparency is dropped.

    Raises:
        VideoError: if the file cannot be read, is no image, or is a JPEG that is cut short.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from None
    # decoders fill what a cut JPEG lacks with grey and report success
    if data.startswith(jpeg.START) and jpeg.picture_end(data) is None:
        raise VideoError(f"{path}: truncated JPEG, {len(data)} bytes without an end marker")
    data = _without_colour_profile(data)
    try:
        with quiet_opencv():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS) if data else None
    except cv2.error:  # more pixels than OpenCV decodes
        image = None
    if image is None:
        raise VideoError(f"{path}: not an image that can be decoded; remove it or copy it again")
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return _upright(image, _orientation_of(path))


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from warning of tags that it does not know, which cameras write by the dozen."""
    before = _CV_LOG.getLogLevel()
    _CV_LOG.setLogLevel(_CV_ERRORS)
    try:
        yield
    finally:
        _CV_LOG.setLogLevel(before)


def _without_colour_profile(data: bytes) -> bytes:
    """Leave out of a PNG what OpenCV does not use, but libpng writes warnings about to stderr."""
    if not data.startswith(png.START):
        return data
    unused = (b"iCCP", b"sRGB", b"cHRM", b"gAMA")
    kept = [chunk for kind, chunk in png.chunks(data) if kind not in unused]
    return b"".join([png.START, *kept])


def find_images(where: str) -> list[Path]:
    """Return the images of a folder, or that a pattern such as `frames/*.png` names, in order.

    Numbers in names count as numbers: frame2 comes before frame10.

    Raises:
        VideoError: if there is none.
    """
    folder = Path(where)
    if folder.is_dir():
        found = [path for path in list_folder(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            kinds = ", ".join(IMAGE_SUFFIXES)
            raise VideoError(f"{folder}: holds no image ({kinds}); give a folder of frames")
    else:
        found = [Path(name) for name in glob.glob(where, recursive=True)]
        found = [path for path in found if path.is_file()]
        if not found:
            raise VideoError(f"{where}: matches no file")
    return sorted(found, key=_natural)


class ImageSequence(FrameSource):
    """Images as the frames of a video.

    Args:
        paths: the images, in order; their sizes may differ.
        rate: frames per second.
        name: what files made from them are called.

    Raises:
        VideoError: if a file is no image; when iterating, if one cannot be decoded.
    """

    def __init__(self, paths: Sequence[Path], rate: Fraction, name: str) -> None:
        self.paths = list(paths)
        self.name = name
        alone = len(self.paths) == 1 and name == self.paths[0].stem
        self.origin = origin_of(self.paths[0] if alone else self.paths[0].parent)
        self.rate = rate
        self.time_base = 1 / rate
        self.num_frames = len(self.paths)
        sizes = [_upright_wh(path) for path in self.paths]
        self.frame_wh = max(w for w, _ in sizes), max(h for _, h in sizes)

    def file_name(self, index: int) -> str:
        """Return the name of the image and its folder."""
        path = self.paths[index].resolve()
        return f"{path.parent.name}/{path.name}"

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode from the start."""
        for index, path in enumerate(self.paths):
            yield VideoFrame(index, read_image(path), index, 1)


def moving_format(path: Path) -> str | None:
    """Return PNG, WEBP or TIFF if the image holds several pictures; None for a still one.

    Those that a camera hides in a JPEG are no frames.

    Raises:
        VideoError: if the file is no image.
    """
    with open_image(path) as image:
        return image.format if count_pictures(image) > 1 else None


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image by Pillow, which reads its header alone until pixels are asked for.

    Raises:
        VideoError: if the file is no image; also for what Pillow raises inside the block.
    """
    try:
        with _quiet_pillow():
            image = Image.open(path)
        with image:
            yield image
    except VideoError:
        raise
    except Image.DecompressionBombError:
        raise VideoError(
            f"{path}: announces more pixels than an image has; save it smaller"
        ) from None
    except PILLOW_FAULTS as error:
        raise VideoError(f"{path}: not an image ({error})") from None


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow from warning of EXIF data that it cannot read; the picture is there without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _orientation_of(path: Path) -> int:
    """Return how EXIF data ask to turn an image, 1 to 8; 1 for TIFF, which decoders turn."""
    try:
        with open_image(path) as image, _quiet_pillow():
            found = 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)
    except VideoError:
        return 1
    return found if found in range(1, 9) else 1


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as EXIF's orientation says; OpenCV before 4.13 does not for WebP."""
    if orientation >= 5:  # rows are shown as columns
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _upright_wh(path: Path) -> tuple[int, int]:
    """Return (width, height) of an image as it is shown, from its first bytes."""
    with open_image(path) as image:
        width, height = image.size
        pictures = count_pictures(image)
    turned = _orientation_of(path) >= 5
    if pictures > 1:
        _log.warning("%s: holds %d pictures; the first is read", path, pictures)
    return (height, width) if turned else (width, height)


def count_pictures(image: Image.Image) -> int:
    """Return how many frames an image has; pictures that a camera hides in a JPEG are none."""
    return getattr(image, "n_frames", 1) if image.format in _MOVING_FORMATS else 1


def _natural(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split("([0-9]+)", str(path))
    ]
