"""Video from an address: a file on a server, or a stream that goes on for as long as it is sent."""

import errno
import itertools
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import av
import av.error

from dcpose.video.clock import RunningClock
from dcpose.video.container import known, longest_gap, open_address
from dcpose.video.film import film_stream
from dcpose.video.reader import clockwise, upright
from dcpose.video.source import FrameSource, VideoError, VideoFrame

SCHEMES = ("rtsp", "rtsps", "http", "https")
_TICKS_PER_S = 1000
_DEFAULT_RATE = Fraction(25)


class RemoteVideo(FrameSource):
    """Frames from an address, by PyAV (FFmpeg), once, from now on.

    What the server says the length of is a file: its frames have its own times, and it has to be
    whole. Anything else is live: times are those of arrival, so that a copy plays at the speed of
    life, and it ends when the server ends it.

    Args:
        address: `rtsp://...` or `http://...`, also with s.
        timeout_s: seconds without a byte after which the source counts as broken.
        clock: seconds that never go back.

    Attributes:
        live: whether it is a stream without a known end.

    Raises:
        VideoError: if nothing that can be decoded comes; when iterating, if the stream falls silent
            or breaks off.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shown = _without_secrets(address)
        self._timeout_s = timeout_s
        self._clock = clock
        self.name = _name_of(address)
        try:
            self._container = open_address(address, timeout_s)
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{self._shown}: cannot be opened ({error.strerror or error}); is it right, and is "
                "the server there?"
            ) from None
        self._stream = film_stream(self._container, self._shown)
        self._stream.thread_type = "SLICE"  # threads by frame would hold frames back
        self.live = self._container.duration is None
        # what a stream showed is gone, so no later run counts as the same source
        now = datetime.now().isoformat(timespec="microseconds")
        self.origin = f"{self._shown} at {now}" if self.live else self._shown
        rate = known(self._stream.average_rate) or known(self._stream.guessed_rate)
        self.rate = rate or _DEFAULT_RATE
        time_base = known(self._stream.time_base) or 1 / self.rate
        self.time_base = Fraction(1, _TICKS_PER_S) if self.live else time_base
        self.num_frames = None if self.live else self._stream.frames or None
        decoded = self._decode()
        first = next(decoded, None)
        if first is None:
            raise VideoError(f"{self._shown}: holds no frame that can be decoded")
        self._first_pts = first.pts or 0
        self._frames = itertools.chain([first], decoded)
        self._start = clock()
        self.rotation_deg = clockwise(first.rotation)
        width, height = first.width, first.height
        self.frame_wh = (height, width) if self.rotation_deg % 180 else (width, height)

    def age(self, time_s: float) -> float:
        """Return how many seconds ago the frame of a time arrived."""
        return self._clock() - self._start - time_s

    def __iter__(self) -> Iterator[VideoFrame]:
        """Wait for frames."""
        times = self._arrivals() if self.live else self._own_times()
        try:
            for index, (frame, ticks) in enumerate(times):
                duration = 0 if self.live else int(frame.duration or 0)
                yield VideoFrame(index, upright(frame), ticks, duration)
        finally:
            self._container.close()

    def _arrivals(self) -> Iterator[tuple[av.VideoFrame, int]]:
        last = -1
        for frame in self._frames:
            last = max(round((self._clock() - self._start) * _TICKS_PER_S), last + 1)
            yield frame, last

    def _own_times(self) -> Iterator[tuple[av.VideoFrame, int]]:
        frame_ticks = 1 / (self.rate * self.time_base)
        gap = longest_gap(self._container, self.time_base)
        clock = RunningClock(self._first_pts, frame_ticks, gap)
        for frame in self._frames:
            yield frame, clock.next(frame.pts)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield frames until the stream ends; damaged pieces are left out, as cameras send some."""
        count = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                if error.errno == errno.EIO and (self._container.size or 0) <= 0:
                    break  # how FFmpeg ends what has no length
                silent = isinstance(error, av.error.ExitError)  # PyAV interrupts what takes long
                what = f"nothing came for {self._timeout_s:g} s" if silent else "broke off"
                reason = "" if silent else f" ({error.strerror or error})"
                raise VideoError(
                    f"{self._shown}: {what} after frame {count}{reason}; what came was used"
                ) from None
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            count += len(frames)
            yield from frames
        if self.num_frames is not None and count < self.num_frames:
            raise VideoError(
                f"{self._shown}: ends after frame {count} of {self.num_frames}: the connection "
                "broke off, or the file is cut short; what came was used"
            )


def is_address(where: str) -> bool:
    """Say whether a text begins like an address of this kind."""
    return urlsplit(where).scheme.lower() in SCHEMES


def _without_secrets(address: str) -> str:
    """Return the address without user, password and query, for messages and files."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _name_of(address: str) -> str:
    parts = urlsplit(address)
    name = PurePosixPath(parts.path).stem or parts.hostname or "stream"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "stream"
