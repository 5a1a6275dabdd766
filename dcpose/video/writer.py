"""Frames to H.264 in mp4, with the times, the rotation and the sound of the source."""

import os
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from dcpose.video.audio import AudioCopy
from dcpose.video.container import open_input, open_mp4
from dcpose.video.source import FrameSource, keep_source

# without B-frames the times of a copy are those of the source to the tick, whatever its rate does
_ENCODER = {"crf": "20", "preset": "veryfast", "bf": "0"}
_BT709 = 1
"""Number of BT.709 in H.264's tables of primaries, transfer and matrix."""

_COMMENT = "Poses by dcpose; from "


class VideoWriter:
    """Writes frames to an mp4 that plays like their source.

    The file appears under its name when the writer is closed, and is playable then, however many
    frames were written; until then it has another name in the same folder. Odd sizes are stored
    without colour subsampling, for the usual one needs even sizes.

    Args:
        path: file to write; its folder exists.
        source: gives rate, time base, rotation and sound.
        frame_wh: (width, height) of the upright frames; None takes the source's.

    Raises:
        ValueError: if the file is the source.
    """

    def __init__(
        self, path: Path, source: FrameSource, frame_wh: tuple[int, int] | None = None
    ) -> None:
        keep_source(source, path)
        self.path = path
        self.frame_wh = source.frame_wh if frame_wh is None else frame_wh
        self.num_frames = 0
        self._closed = False
        self._durations: dict[int, int] = {}
        self._turns = source.rotation_deg // 90 % 4
        self._time_base = source.time_base
        self._ticks_per_frame = max(1, round(1 / (source.rate * source.time_base)))
        self._unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._container = open_mp4(self._unfinished)
        self._container.metadata["comment"] = _COMMENT + source.origin
        self._stream = self._add_video(source)
        self._audio = None
        if source.audio is not None:
            self._audio = AudioCopy(source.audio, self._container, source.audio_start)

    def _add_video(self, source: FrameSource) -> av.VideoStream:
        width, height = self.frame_wh[::-1] if self._turns % 2 else self.frame_wh
        stream = self._container.add_stream("libx264", rate=source.rate, options=dict(_ENCODER))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        codec = stream.codec_context
        codec.time_base = source.time_base
        codec.color_range = ColorRange.MPEG
        codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
        stream.time_base = source.time_base
        if self._turns:
            stream.set_display_rotation(-90 * self._turns)
        return stream

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close(complete=error[0] is None)

    def write(self, image: np.ndarray, ticks: int, duration: int = 0) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3) uint8 RGB, upright; a larger one is scaled down, and what the canvas
                has more than the image, at the right or below, is black.
            ticks: when it is shown, more than for the frame before.
            duration: for how long, in ticks; 0 takes one frame at the source's rate.
        """
        frame = av.VideoFrame.from_ndarray(self._stored(image), format="rgb24")
        frame = frame.reformat(format=self._stream.pix_fmt, dst_colorspace=Colorspace.ITU709)
        frame.pts = ticks
        frame.time_base = self._time_base
        duration = duration or self._ticks_per_frame
        self._durations[ticks] = duration
        self._mux(self._stream.encode(frame))
        self.num_frames += 1
        if self._audio is not None:
            self._audio.copy_until((ticks + duration) * self._time_base)

    def close(self, complete: bool = True) -> None:
        """Finish the file, if it has a frame; a second call does nothing.

        Args:
            complete: False drops the sound after the last frame.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._audio is not None:
                if complete:
                    self._audio.copy_until(None)
                self._audio.close()
            if self.num_frames:
                self._mux(self._stream.encode())
            self._container.close()
            if self.num_frames:
                os.replace(self._unfinished, self.path)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            # the encoder forgets for how long the last frame is shown
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _stored(self, image: np.ndarray) -> np.ndarray:
        """Return the image on the canvas, turned as the source stores it."""
        width, height = self.frame_wh
        if image.shape != (height, width, 3):
            scale = min(1.0, width / image.shape[1], height / image.shape[0])
            if scale < 1:
                wh = (max(1, round(side * scale)) for side in image.shape[1::-1])
                image = cv2.resize(image, tuple(wh), interpolation=cv2.INTER_AREA)
            canvas = np.zeros((height, width, 3), np.uint8)
            canvas[: image.shape[0], : image.shape[1]] = image
            image = canvas
        return np.ascontiguousarray(np.rot90(image, self._turns)) if self._turns else image


def read_origin(path: Path) -> str | None:
    """Return the source of a copy that `VideoWriter` made; None if it is another file."""
    try:
        with open_input(path) as container:
            comment = container.metadata.get("comment", "")
    except (av.error.FFmpegError, OSError):
        return None
    return comment.removeprefix(_COMMENT) if comment.startswith(_COMMENT) else None
