"""Video files to frames, by PyAV (FFmpeg)."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from dcpose.video.clock import RunningClock
from dcpose.video.completeness import announced_frames, what_is_missing
from dcpose.video.container import known, longest_gap, open_input
from dcpose.video.film import film_stream, warn_of_others
from dcpose.video.source import FrameSource, VideoError, VideoFrame, origin_of

_DEFAULT_RATE = Fraction(25)

_FEW_STANDING = 2
"""So many times that repeat are no news: MPEG program streams round some of theirs."""

_log = logging.getLogger(__name__)


class VideoFile(FrameSource):
    """The frames of a video file, decoded one by one while they are asked for.

    The stream that a player would show is read (`film_stream`). Frames come upright: a rotation
    that the file's metadata asks for is applied. Times are the file's own, also where the rate
    varies; where its clock does not run on, they do (`RunningClock`). Frames keep their size where
    it changes on the way. Each loop over the object decodes the file again.

    Args:
        path: any file that FFmpeg reads.

    Raises:
        VideoError: if the file is no video; when iterating, after the last frame that could be
            read, if it is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = self._file = path
        self.name = path.stem
        self.origin = origin_of(path)
        with _open(path) as container:
            stream = film_stream(container, path)
            warn_of_others(container, stream, path)
            self.rate = known(stream.average_rate) or known(stream.guessed_rate) or _DEFAULT_RATE
            self.time_base = known(stream.time_base) or 1 / self.rate
            self.num_frames = announced_frames(container, stream, self.rate)
            first = next(_decoded_packets(_CountedPackets(container, stream)), None)
            if first is None:
                raise VideoError(f"{path}: holds no frame that can be decoded; copy it again")
            self._first_pts = first.pts or 0
            self.audio_start = self._first_pts * self.time_base
            self.rotation_deg = clockwise(first.rotation)
            width, height = first.width, first.height
            self.frame_wh = (height, width) if self.rotation_deg % 180 else (width, height)
            self.audio = path if container.streams.audio else None

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode from the start."""
        num_frames, frame_ticks = 0, 1 / (self.rate * self.time_base)
        with _open(self._file) as container:
            gap = longest_gap(container, self.time_base)
            clock = RunningClock(self._first_pts, frame_ticks, gap)
            stream = film_stream(container, self._file)
            stream.thread_type = "AUTO"
            packets = _CountedPackets(container, stream)
            for index, frame in enumerate(_decoded_packets(packets)):
                ticks = clock.next(frame.pts)
                yield VideoFrame(index, upright(frame), ticks, int(frame.duration or 0))
                num_frames = index + 1
            self._warn(packets, clock)
            missing = what_is_missing(container, stream, self._file, packets.count, packets.end_s)
            if missing is not None:
                raise VideoError(
                    f"{self._file}: ends after frame {num_frames} ({packets.end_s:.2f} s)"
                    f"{missing}: the file is cut short or damaged; what could be read was used"
                )

    def _warn(self, packets: "_CountedPackets", clock: RunningClock) -> None:
        if packets.damaged:
            _log.warning("%s: %d damaged pieces could not be decoded", self._file, packets.damaged)
        if clock.num_jumps or clock.num_standing > _FEW_STANDING:
            _log.warning(
                "%s: its clock starts again or jumps at %d frames and stands at %d; time goes on "
                "at %.6g frames/s there",
                self._file, clock.num_jumps, clock.num_standing, self.rate,
            )  # fmt: skip


class _CountedPackets:
    """The packets of a file, and how far they went."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._container = container
        self._stream = stream
        self.count = 0
        self.damaged = 0
        self.end_s = 0.0

    def __iter__(self) -> Iterator[av.Packet]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self.count += 1
                    time = packet.pts if packet.pts is not None else packet.dts
                    time_base = known(packet.time_base)
                    if time is not None and time_base is not None:
                        end = float((time + (packet.duration or 0)) * time_base)
                        self.end_s = max(self.end_s, end)
                yield packet
        except (av.error.FFmpegError, IndexError):  # PyAV does not know streams that set in late
            # nothing more can be read; whether something is missing is judged afterwards
            last = av.Packet()  # an empty one makes the decoder give the frames it still has
            last.stream = self._stream
            yield last


def _decoded_packets(packets: _CountedPackets) -> Iterator[av.VideoFrame]:
    for packet in packets:
        try:
            yield from packet.decode()  # the empty packet at the end fetches what is left
        except av.error.FFmpegError:
            packets.damaged += 1


def _open(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    try:
        return open_input(path)
    except av.error.FFmpegError as error:
        reason = error.strerror or str(error)
        raise VideoError(
            f"{path}: not a video that can be read ({reason}); it is another kind of file, or its "
            "copy was cut short"
        ) from None


def clockwise(rotation: float) -> int:
    """Return FFmpeg's angle, which counts anticlockwise, as 0, 90, 180 or 270 clockwise."""
    return round(-rotation / 90) % 4 * 90


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB, turned as the frame's metadata ask for."""
    image = frame.to_ndarray(format="rgb24")
    quarter_turns = clockwise(frame.rotation) // 90
    return np.ascontiguousarray(np.rot90(image, -quarter_turns)) if quarter_turns else image
