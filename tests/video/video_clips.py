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
    codec="libx264", pix_fmt="yuv420p", movflags="", title="", first=0, bframes=0, more_streams=(),
    noisy=False,
):  # fmt: skip
    """Write a test video.

    `steps` are ticks of 1 / (4 rate) between frames, for a rate that varies; `turn` are quarter
    turns clockwise that the metadata ask players for; `sound` adds a tone in AAC, as long as the
    film or of so many seconds; `first` is the number of the first frame, for its time;
    `more_streams` are (wh, number of frames) of further video streams; `noisy` gives every frame
    some bytes.
    """
    with av.open(f"file:{path}", "w", options={"movflags": movflags} if movflags else {}) as out:
        if title:
            out.metadata["title"] = title
        base = 1 / (4 * rate) if steps else 1 / rate
        streams = []
        for size, count in ((wh, num_frames), *more_streams):
            stream = out.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
            stream.codec_context.time_base = base
            if codec == "libx264":
                # at 5 frames between key frames, a cut leaves something to decode
                stream.options = {"bf": str(bframes), "g": "5", "sc_threshold": "0"}
            streams.append((stream, size, count))
        if turn:
            streams[0][0].set_display_rotation(-90 * turn)
        tone = out.add_stream("aac", rate=16000) if sound else None
        for stream, size, count in streams:
            ticks = first * (4 if steps else 1)
            for index in range(count):
                image = picture(index, size)
                if noisy:
                    image += np.random.default_rng(index).integers(0, 40, image.shape, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = ticks, base
                frame.duration = steps[index] if steps else 1
                ticks += frame.duration
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
            if tone is not None and stream is streams[0][0]:
                write_tone(out, tone, float(ticks * base) if sound is True else sound)
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
