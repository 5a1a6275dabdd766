"""Frames of a video, or images of its frames, as the numbered JPEGs of a data set."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from simplejpeg import encode_jpeg

from dcpose.video.images import read_image
from dcpose.video.reader import VideoFile
from dcpose.video.source import VideoError

JPEG_QUALITY = 95
OTHER_PICTURE = 20.0
"""Mean difference of colour values, of 255, from which on two pictures do not show one frame."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: the JPEG of each frame, by its number.
        image_wh: (width, height) of all of them.
        strangers: numbers of images that are not the frame of the video with that number.
    """

    files: dict[int, Path]
    image_wh: tuple[int, int]
    strangers: tuple[int, ...]


def export_frames(
    folder: Path, images: Mapping[int, Path], video: Path | None, wanted: Iterable[int], reach: int
) -> Exported:
    """Write frames into a folder, each under its number.

    JPEGs are copied as they are; other images and frames of the video become JPEGs of quality 95.
    Where an image is not the video's frame of its number (a video that was cut or sampled since),
    the image counts, and none of the video's frames around it are written.

    Args:
        folder: is made.
        images: files of frames, by number; they go before the video.
        video: has the other frames; None for images alone.
        wanted: numbers of frames to write, as far as there are any.
        reach: how far around a stranger the video is not believed.

    Raises:
        VideoError: if a picture cannot be read, or sizes differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = set(wanted)
    files: dict[int, Path] = {}
    sizes: dict[tuple[int, int], Path] = {}
    for number in sorted(numbers & images.keys()):
        files[number] = folder / f"{number}.jpg"
        sizes.setdefault(_write_image(images[number], files[number]), images[number])
    strangers: list[int] = []
    if video is not None and numbers:
        from_video = set(numbers)
        for frame in VideoFile(video):
            if frame.index > max(numbers):
                break
            if frame.index in files and not _same_picture(images[frame.index], frame.image):
                strangers.append(frame.index)
            elif frame.index in from_video - files.keys():
                files[frame.index] = folder / f"{frame.index}.jpg"
                files[frame.index].write_bytes(_jpeg(frame.image))
                sizes.setdefault((frame.image.shape[1], frame.image.shape[0]), video)
        for number in strangers:
            for near in range(number - reach, number + reach + 1):
                if near not in images and near in files:
                    files.pop(near).unlink()
    if len(sizes) > 1:
        (first, path), (other, other_path) = list(sizes.items())[:2]
        raise VideoError(
            f"{other_path}: {other[0]}x{other[1]}, but {path} is {first[0]}x{first[1]}; frames of "
            "one video must share a size"
        )
    return Exported(files, next(iter(sizes), (0, 0)), tuple(strangers))


def _write_image(source: Path, target: Path) -> tuple[int, int]:
    """Copy a JPEG that stands upright, else write one; return (width, height)."""
    image = read_image(source)
    with Image.open(source) as opened:
        plain = opened.format == "JPEG" and opened.getexif().get(0x0112, 1) == 1
    if plain:
        shutil.copyfile(source, target)
    else:
        target.write_bytes(_jpeg(image))
    return image.shape[1], image.shape[0]


def _jpeg(image: np.ndarray) -> bytes:
    return bytes(encode_jpeg(np.ascontiguousarray(image), quality=JPEG_QUALITY))


def _same_picture(path: Path, frame: np.ndarray) -> bool:
    """Say whether an image shows a frame: codecs change colours a little, other frames a lot."""
    image = read_image(path)
    if image.shape != frame.shape:
        return False
    return float(np.abs(image.astype(np.int16) - frame).mean()) < OTHER_PICTURE
