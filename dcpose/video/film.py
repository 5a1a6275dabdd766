"""Which stream of a file is the film."""

import logging
from pathlib import Path

import av
from av.stream import Disposition

from dcpose.video.source import VideoError

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
"""Covers, thumbnails, and the tiles of a larger picture."""

_log = logging.getLogger(__name__)


def film_stream(container: av.container.InputContainer, path: Path | str) -> av.VideoStream:
    """Return the stream that a player shows: no cover and no thumbnail; the default; the largest.

    A stream of a few frames beside one of many is a photo, however large it is.

    Raises:
        VideoError: if there is none.
    """
    films = [stream for stream in container.streams.video if not stream.disposition & _PICTURES]
    if not films:
        found: set[str] = {stream.type for stream in container.streams if stream.type != "video"}
        found |= {"pictures (a cover or thumbnails)"} if container.streams.video else set()
        raise VideoError(f"{path}: holds no video, only {', '.join(sorted(found)) or 'nothing'}")
    decodable = [stream for stream in films if stream.codec_context is not None]
    if not decodable:
        raise VideoError(f"{path}: holds video in a form that cannot be decoded; save it as H.264")
    longest = max(stream.frames for stream in decodable)
    return max(decodable, key=lambda stream: _rank(stream, longest))


def warn_of_others(
    container: av.container.InputContainer, film: av.VideoStream, path: Path
) -> None:
    """Say which stream is taken where there are several films."""
    others = [
        f"{stream.index} ({stream.width}x{stream.height})"
        for stream in container.streams.video
        if not stream.disposition & _PICTURES
        and stream.codec_context is not None
        and stream.index != film.index
    ]
    if others:
        _log.warning(
            "%s: holds several video streams; stream %d (%dx%d) is read, not %s",
            path, film.index, film.width, film.height, " and ".join(others),
        )  # fmt: skip


def _rank(stream: av.VideoStream, longest: int) -> tuple[bool, bool, bool, int, int]:
    is_long = not stream.frames or 2 * stream.frames >= longest
    is_still = bool(stream.disposition & Disposition.still_image)
    is_default = bool(stream.disposition & Disposition.default)
    return not is_still, is_long, is_default, stream.width * stream.height, -stream.index
