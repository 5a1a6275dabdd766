"""A camera as a source of frames."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction

import cv2
import numpy as np

from dcpose.video.source import FrameSource, VideoError, VideoFrame

_TICKS_PER_S = 1000


class Camera(FrameSource):
    """Frames of a camera, from now until the loop over them is left.

    Times are those of arrival, so a copy plays at the speed of life however fast frames are worked
    on.

    Args:
        number: 0 for the first camera of the machine.
        capture: opens a camera; OpenCV's.
        clock: seconds that never go back.

    Raises:
        VideoError: if it cannot be opened; when iterating, if it stops.
    """

    def __init__(
        self,
        number: int,
        capture: Callable[[int], cv2.VideoCapture] = cv2.VideoCapture,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"camera{number}"
        # what a camera showed is gone, so no later run counts as the same source
        self.origin = f"{self.name} at {datetime.now().isoformat(timespec='microseconds')}"
        self._capture = capture(number)
        self._clock = clock
        if not self._capture.isOpened():
            raise VideoError(f"camera {number} cannot be opened; is it plugged in, and free?")
        self.rate = Fraction(round(self._capture.get(cv2.CAP_PROP_FPS)) or 30)
        self.time_base = Fraction(1, _TICKS_PER_S)
        first = self._read()
        self.frame_wh = first.shape[1], first.shape[0]
        self._start = 0.0

    def age(self, time_s: float) -> float:
        """Return how many seconds ago the frame of a time arrived."""
        return self._clock() - self._start - time_s

    def __iter__(self) -> Iterator[VideoFrame]:
        """Wait for frames."""
        self._start = self._clock()
        index, last = 0, -1
        try:
            while True:
                image = self._read()
                ticks = max(round((self._clock() - self._start) * _TICKS_PER_S), last + 1)
                yield VideoFrame(index, image, ticks)
                index, last = index + 1, ticks
        finally:
            self._capture.release()

    def _read(self) -> np.ndarray:
        found, image = self._capture.read()
        if not found:
            raise VideoError(f"{self.name}: gives no more frames")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
