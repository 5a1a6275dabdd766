"""Files opened by PyAV, the same with every version of it that setup.py allows."""

from fractions import Fraction
from numbers import Rational
from pathlib import Path
from typing import Any

import av

_BEFORE_19 = int(av.__version__.split(".")[0]) < 19
# PyAV 19 replaces what is no UTF-8 in tags by itself and no longer knows the argument
_LENIENT_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if _BEFORE_19 else {}

_LONGEST_GAP_S = 30 * 3600, 10
"""FFmpeg's own limits, dts_error_threshold and dts_delta_threshold."""


def open_input(path: Path) -> av.container.InputContainer:
    """Open a file to read from it.

    Raises:
        av.error.FFmpegError: if it is no file that FFmpeg reads.
    """
    # a playlist by the name of a video must not make FFmpeg fetch anything
    options = {"protocol_whitelist": "file"}
    return av.open(_address(path), options=options, **_LENIENT_TAGS)


def open_address(address: str, timeout_s: float) -> av.container.InputContainer:
    """Open a video on a server.

    Args:
        address: rtsp or http, also with s.
        timeout_s: seconds to wait for an answer, and for every piece that follows.

    Raises:
        av.error.FFmpegError: if nothing comes that FFmpeg reads.
    """
    # a playlist must not make FFmpeg read files of this machine
    options = {"protocol_whitelist": "http,https,tls,tcp,udp,rtp,rtsp,crypto"}
    if address.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # by UDP, packets are lost
    return av.open(address, options=options, timeout=(timeout_s, timeout_s), **_LENIENT_TAGS)


def open_mp4(path: Path) -> av.container.OutputContainer:
    """Open an mp4 to write it, with its index in front."""
    return av.open(_address(path), "w", format="mp4", options={"movflags": "+faststart"})


def known(number: Rational | None) -> Fraction | None:
    """Return a rate or a time base of PyAV as a fraction; None where it is missing or 0.

    Before version 19 what is missing is None and the rest a Fraction, since then 0/1 or 0/0 of a
    class of PyAV's own that knows half of the arithmetic.
    """
    if number is None or not number.numerator or not number.denominator:
        return None
    return Fraction(int(number.numerator), int(number.denominator))


def longest_gap(container: av.container.InputContainer, time_base: Fraction) -> Fraction:
    """Return after how long a gap another clock counts on, in ticks of a time base.

    The limit is low in containers whose clock is allowed to jump (MPEG-TS and its like).
    """
    flags = av.format.Flags(container.format.flags)
    return _LONGEST_GAP_S[av.format.Flags.ts_discont in flags] / time_base


def _address(path: Path) -> str:
    """Name the file so that FFmpeg takes nothing in front of a colon for a protocol."""
    return f"file:{path}"
