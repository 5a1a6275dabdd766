"""Makes small videos of every awkward kind, by PyAV."""

from fractions import Fraction

import av
import numpy as np


def grey_of(index):
    """Grey level of a frame of the test videos."""
    return 40 + 15 * (index % 12)


def picture(index, wh):
    """Frame `index`: grey, with a white top left quarter that shows how it is turned."""
    image = np.full((wh[1], wh[0], 3), grey_of(index), np.uint8)
    image[: wh[1] // 2, : wh[0] // 2] = 255
    return image


def write_video(
    path, num_frames=6, wh=(64, 48), rate=Fraction(25), steps=None, turn=0, sound=False,
    codec="libx264", pix_fmt="yuv420p", movflags="", title="",
):  # fmt: skip
    """Write a test video.

    `steps` are ticks of 1 / (4 rate) between frames, for a rate that varies; `turn` are quarter
    turns clockwise that the metadata ask players for; `sound` adds a tone in AAC.
    """
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *wh, pix_fmt
        base = 1 / (4 * rate) if steps else 1 / rate
        stream.codec_context.time_base = base
        if codec == "libx264":
            stream.options = {"bf": "0"}
        if turn:
            stream.set_display_rotation(-90 * turn)
        tone = container.add_stream("aac", rate=16000) if sound else None
        ticks = 0
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(index, wh), format="rgb24")
            frame.pts, frame.time_base = ticks, base
            frame.duration = steps[index] if steps else 1
            ticks += frame.duration
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone is not None:
            write_tone(container, tone, float(ticks * base))
    return path


def write_tone(container, stream, seconds):
    """Add a sine of 440 Hz."""
    samples = int(seconds * 16000)
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(samples) / 16000)).astype(np.int16)
    for start in range(0, samples, 1024):
        piece = wave[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
