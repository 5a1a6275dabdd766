"""The sound of a video, copied as it is."""

import logging
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import av
import av.error

from dcpose.video.clock import RunningClock
from dcpose.video.container import known, longest_gap, open_input

_PIECE_S = Fraction(1, 50)
"""Taken for the duration of a piece of sound that does not say its own."""

_log = logging.getLogger(__name__)


class AudioCopy:
    """Copies the sound of a file into another, piece by piece, without decoding it.

    Sound that mp4 cannot hold is left out, with a warning; where the file breaks off, so does
    the copy.

    Args:
        path: file with at least one audio stream.
        output: gets one stream for each of them.
        start: time in `path` that becomes 0 in `output`, in seconds; what is earlier is dropped.
    """

    def __init__(self, path: Path, output: av.container.OutputContainer, start: Fraction) -> None:
        self._path = path
        self._output = output
        self._start = start
        self._input = open_input(path)
        self._streams = {}
        for stream in self._input.streams.audio:
            codec = "an unknown form" if stream.codec_context is None else stream.codec_context.name
            if codec not in output.supported_codecs:
                _log.warning("%s: sound in %s does not fit into mp4 and is left out", path, codec)
            elif not stream.sample_rate:
                _log.warning("%s: sound does not begin with the film and is left out", path)
            else:
                self._streams[stream.index] = output.add_stream_from_template(stream)
        self._packets = self._read()
        self._waiting = next(self._packets, None)

    def copy_until(self, seconds: Fraction | None) -> None:
        """Copy what is heard before a time of the output; None copies all the rest."""
        while self._waiting is not None:
            packet, time = self._waiting
            if seconds is not None and time >= seconds:
                return
            # a file that starts at 0 may have earlier sound, which primes the decoder
            if time >= 0 or self._start <= 0:
                packet.stream = self._streams[packet.stream.index]
                try:
                    self._output.mux(packet)
                except (av.error.PatchWelcomeError, av.error.InvalidDataError) as error:
                    _log.warning("%s: its sound is damaged and ends here (%s)", self._path, error)
                    self._waiting = None
                    return
            self._waiting = next(self._packets, None)

    def close(self) -> None:
        """Let go of the file that is read."""
        self._packets.close()
        self._input.close()

    def _read(self) -> Generator[tuple[av.Packet, Fraction], None, None]:
        """Yield packets, with the time in the output at which they are heard."""
        chosen = [stream for stream in self._input.streams if stream.index in self._streams]
        if not chosen:
            return
        clocks: dict[int, RunningClock] = {}
        try:
            for packet in self._input.demux(*chosen):
                time_base = known(packet.time_base)
                if not packet.size or packet.pts is None or time_base is None:
                    continue
                index = packet.stream.index
                if index not in clocks:
                    piece = Fraction(packet.duration or max(1, round(_PIECE_S / time_base)))
                    start = round(self._start / time_base)
                    clocks[index] = RunningClock(start, piece, longest_gap(self._input, time_base))
                ticks = clocks[index].next(packet.pts)
                if packet.dts is not None:
                    packet.dts += ticks - packet.pts
                packet.pts = ticks
                yield packet, ticks * time_base
        except (av.error.FFmpegError, IndexError):  # PyAV does not know streams that set in late
            return
