"""The sound of a video, copied as it is."""

import logging
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import av
import av.error

from dcpose.video.container import known, open_input

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
        self._output = output
        self._start = start
        self._input = open_input(path)
        self._streams = {}
        for stream in self._input.streams.audio:
            codec = stream.codec_context.name
            if codec in output.supported_codecs:
                self._streams[stream.index] = output.add_stream_from_template(stream)
            else:
                _log.warning("%s: sound in %s does not fit into mp4 and is left out", path, codec)
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
                self._output.mux(packet)
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
        try:
            for packet in self._input.demux(*chosen):
                time_base = known(packet.time_base)
                if not packet.size or packet.pts is None or time_base is None:
                    continue
                shift = round(self._start / time_base)
                packet.pts -= shift
                if packet.dts is not None:
                    packet.dts -= shift
                yield packet, packet.pts * time_base
        except av.error.FFmpegError:
            return
