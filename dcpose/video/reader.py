"""Video files to frames, by PyAV (FFmpeg)."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from dcpose.video.container import known, open_input
from dcpose.video.source import VideoError, VideoFrame, made_up_name

_DEFAULT_RATE = Fraction(25)
_MISSING_END_S = 0.5
"""Of a Matroska file, this much can be missing before it counts as cut short."""

_log = logging.getLogger(__name__)


class VideoFile:
    """The frames of a video file, decoded one by one while they are asked for.

    Frames come upright: a rotation that the file's metadata asks for is applied. Times are the
    file's own, also where the rate varies. Each loop over the object decodes the file again.

    Args:
        path: any file that FFmpeg reads.

    Raises:
        VideoError: if the file is no video; when iterating, after the last frame that could be
            read, if it is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self._file = path
        self.name = path.stem
        with _open(path) as container:
            stream = _video_stream(container, path)
            self.rate = known(stream.average_rate) or known(stream.guessed_rate) or _DEFAULT_RATE
            self.time_base = known(stream.time_base) or 1 / self.rate
            self.num_frames: int | None = stream.frames or _expected_frames(
                container, stream, self.rate
            )
            first = next(_decoded(container, stream), None)
            if first is None:
                raise VideoError(f"{path}: holds no frame that can be decoded; copy it again")
            self._first_pts = first.pts or 0
            self.audio_start = self._first_pts * self.time_base
            self.rotation_deg = _clockwise(first.rotation)
            width, height = first.width, first.height
            self.frame_wh = (height, width) if self.rotation_deg % 180 else (width, height)
            self.audio: Path | None = path if container.streams.audio else None

    def file_name(self, index: int) -> str:
        """Return a made-up name."""
        return made_up_name(self.name, index)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode from the start."""
        with _open(self._file) as container:
            stream = _video_stream(container, self._file)
            stream.thread_type = "AUTO"
            packets = _CountedPackets(container, stream)
            index, last = 0, -1
            for frame in _decoded_packets(packets):
                # the muxer of a copy needs rising times, which broken files do not have
                ticks = max(self._ticks(frame, index), last + 1)
                image = _upright(frame)
                yield VideoFrame(index, image, ticks, int(frame.duration or 0))
                index, last = index + 1, ticks
            self._check_complete(container, stream, packets, index)

    def _ticks(self, frame: av.VideoFrame, index: int) -> int:
        if frame.pts is None:
            return round(index / (self.rate * self.time_base))
        return frame.pts - self._first_pts

    def _check_complete(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        packets: "_CountedPackets",
        num_frames: int,
    ) -> None:
        if packets.damaged:
            _log.warning("%s: %d damaged pieces could not be decoded", self._file, packets.damaged)
        end = f"ends after frame {num_frames} ({packets.end_s:.2f} s)"
        if stream.frames and packets.count < stream.frames:
            raise VideoError(
                f"{self._file}: {end} of {stream.frames}: the file is cut short or damaged; what "
                "could be read was used"
            )
        is_matroska = "matroska" in container.format.name
        if is_matroska and container.duration is not None:
            seconds = container.duration / av.time_base
            if packets.end_s < seconds - _MISSING_END_S:
                raise VideoError(
                    f"{self._file}: {end}, but should last {seconds:.2f} s: the file is cut short "
                    "or damaged; what could be read was used"
                )


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
        except av.error.FFmpegError:
            # nothing more can be read; whether something is missing is judged by the count
            yield from ()


def _decoded_packets(packets: _CountedPackets) -> Iterator[av.VideoFrame]:
    for packet in packets:
        try:
            yield from packet.decode()  # the empty packet at the end fetches what is left
        except av.error.FFmpegError:
            packets.damaged += 1


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    return _decoded_packets(_CountedPackets(container, stream))


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


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"{path}: holds no video, only {kinds}")
    return container.streams.video[0]


def _expected_frames(
    container: av.container.InputContainer, stream: av.VideoStream, rate: Fraction
) -> int | None:
    time_base = known(stream.time_base)
    if stream.duration is not None and time_base is not None:
        return max(1, round(stream.duration * time_base * rate))
    if container.duration is not None:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None


def _clockwise(rotation: float) -> int:
    """Return FFmpeg's angle, which counts anticlockwise, as 0, 90, 180 or 270 clockwise."""
    return round(-rotation / 90) % 4 * 90


def _upright(frame: av.VideoFrame) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    quarter_turns = _clockwise(frame.rotation) // 90
    return np.ascontiguousarray(np.rot90(image, -quarter_turns)) if quarter_turns else image
