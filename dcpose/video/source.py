"""What all sources of frames have in common: video files, image sequences, cameras."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_MAX_RATE = 1_000_000
_MAX_DENOMINATOR = 100_000


class VideoError(ValueError):
    """A source is no video, or ends before it should; one line names it, and where it stopped."""


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One decoded frame.

    Attributes:
        index: number of the frame in its source, from 0.
        image: (H, W, 3) uint8 RGB, upright: what a player shows.
        ticks: when it is shown, in units of the source's `time_base`; the first frame has 0.
        duration: for how long, in ticks; 0 where the source does not say.
    """

    index: int
    image: np.ndarray
    ticks: int
    duration: int = 0


def origin_of(path: Path) -> str:
    """Name where a source comes from, so that two can be told apart: file, folder, and a hash.

    The hash stands for the whole path, which results that are passed on need not tell.
    """
    whole = path.resolve()
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    return f"{whole.parent.name}/{whole.name} ({digest})"


def keep_source(source: "FrameSource", output: Path) -> None:
    """Raise ValueError if an output is the file that it is made from."""
    if source.path is not None and output.exists() and output.samefile(source.path):
        raise ValueError(f"{output}: would replace the source; choose another --out")


def frame_rate(value: Any) -> Fraction:  # noqa: ANN401 - numbers of any library, and text
    """Return a rate in frames per second, exact where it is a fraction or text such as 30000/1001.

    Raises:
        ValueError: if it is no number greater than 0.
    """
    try:
        if isinstance(value, str | Rational):
            rate = Fraction(value)
        else:
            rate = Fraction(float(value)).limit_denominator(_MAX_DENOMINATOR)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(
            f"rate: found {value!r}, expected frames per second, a number greater than 0 and at "
            f"most {_MAX_RATE}"
        )
    return rate


class FrameSource(Protocol):
    """Frames in order, and what is needed to write a video that plays like this one.

    Attributes:
        name: what files made from it are called.
        origin: tells it from other sources of the same name; see `origin_of`.
        path: the file, or None where there is not one file.
        frame_wh: (width, height) of the upright frames; the largest where they differ.
        rate: frames per second; the mean where it varies.
        time_base: seconds per tick.
        num_frames: how many frames to expect, for progress; None if unknown.
        rotation_deg: degrees clockwise by which a player turns the stored frames.
        audio: file whose sound belongs to the frames; None if there is none.
        audio_start: time of the first frame in that file, in seconds.
    """

    name: str
    origin: str
    path: Path | None = None
    frame_wh: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    num_frames: int | None = None
    rotation_deg: int = 0
    audio: Path | None = None
    audio_start: Fraction = Fraction(0)

    def file_name(self, index: int) -> str:
        """Return the name of a frame's image with its folder.

        Frames that have no file are named as PoseTrack's are.
        """
        return f"{self.name}/{index:06d}.jpg"

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode; a source that breaks off raises VideoError after its last readable frame."""
        ...
