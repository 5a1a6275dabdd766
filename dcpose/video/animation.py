"""Images that move: animated WebP, and TIFF with several pages.

FFmpeg reads animated PNG, GIF and AVIF as videos; these two it does not.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dcpose.video.images import (
    PILLOW_FAULTS,
    count_pictures,
    open_image,
    quiet_opencv,
    read_image,
)
from dcpose.video.source import FrameSource, VideoError, VideoFrame, origin_of

_DEFAULT_MS = 100
"""Of a WebP picture without a duration, as browsers show it."""


class Pages(FrameSource):
    """The pages of a TIFF as the frames of a video.

    Args:
        path: the file; pages of other sizes than the first are left out, they are previews.
        rate: frames per second.

    Raises:
        VideoError: if it is no image; when iterating, if a page cannot be decoded.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.path = self._file = path
        self.name = path.stem
        self.origin = origin_of(path)
        self.rate = rate
        self.time_base = 1 / rate
        first = read_image(path)
        self.frame_wh = first.shape[1], first.shape[0]
        with open_image(path) as image:
            self._numbers = _pages_like_the_first(image)
        self.num_frames = len(self._numbers)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode from the start."""
        for index, number in enumerate(self._numbers):
            with quiet_opencv():
                found, pages = cv2.imreadmulti(str(self._file), number, 1, flags=cv2.IMREAD_COLOR)
            if not found:
                raise VideoError(f"{self._file}: page {number} cannot be decoded")
            image = np.asarray(cv2.cvtColor(pages[0], cv2.COLOR_BGR2RGB))
            yield VideoFrame(index, image, index, 1)


class AnimatedWebP(FrameSource):
    """The pictures of an animated WebP as the frames of a video, with the file's own times.

    Raises:
        VideoError: if it is no image; when iterating, if a picture cannot be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        self.name = path.stem
        self.origin = origin_of(path)
        self.time_base = Fraction(1, 1000)
        with open_image(path) as image:
            self.frame_wh = image.size
            self.num_frames = count_pictures(image)
        durations = [frame.duration for frame in self]
        self.rate = Fraction(1000 * len(durations), sum(durations))

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode from the start."""
        ticks = 0
        with open_image(self._file) as image:
            for index in range(count_pictures(image)):
                try:
                    image.seek(index)
                    picture = np.array(image.convert("RGB"))
                except PILLOW_FAULTS as error:
                    raise VideoError(
                        f"{self._file}: ends after frame {index} of {self.num_frames} ({error})"
                    ) from None
                duration = round(image.info.get("duration") or 0) or _DEFAULT_MS
                yield VideoFrame(index, picture, ticks, duration)
                ticks += duration


def _pages_like_the_first(image: Image.Image) -> list[int]:
    numbers, first = [], image.size
    for number in range(count_pictures(image)):
        image.seek(number)
        if image.size == first:
            numbers.append(number)
    return numbers
