"""Frames of image folders, JPEG or PNG, decoded strictly."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from simplejpeg import decode_jpeg

from dcpose.data.frame_file import MAX_BYTES, may_be_png, too_many_pixels
from dcpose.files import jpeg, png
from dcpose.files.reading import read_bounded

# Annotations count pixels as they are stored, so a rotation tag in the file must not act.
_DECODE_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class FrameError(ValueError):
    """A frame is missing, is no complete picture, or does not have the size it should have."""


def read_frame(path: Path) -> np.ndarray:
    """Decode one frame.

    Decoders fill what a truncated file lacks with grey and report success, so the end marker is
    looked for first. What a file announces is checked before memory is set aside for it.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        FrameError: if the file cannot be read, is neither a JPEG nor a PNG called so, is cut
            short, or announces more pixels or scans than a frame has.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        raise FrameError(f"{path}: frame not found") from None
    except OSError as error:
        raise FrameError(f"{path}: frame cannot be read ({error.strerror})") from error
    if may_be_png(path) and data.startswith(png.START):
        return _read_png(path, data)
    if not data.startswith(jpeg.START):
        kind = "a PNG" if may_be_png(path) else "a JPEG"
        raise FrameError(
            f"{path}: not {kind}, it starts with {data[:4]!r}; frames must be JPEG, or PNG "
            "called .png"
        )
    end = jpeg.picture_end(data)
    if end is None:
        raise FrameError(
            f"{path}: truncated JPEG, {len(data)} bytes without an end marker; copy it again"
        )
    _check_size(path, "JPEG", jpeg.frame_size(lambda offset, count: data[offset : offset + count]))
    scans = data.count(b"\xff\xda", 0, end)  # inside a scan this pair of bytes is not written
    if scans > jpeg.MAX_SCANS:
        raise FrameError(
            f"{path}: JPEG of {scans} scans, expected at most {jpeg.MAX_SCANS}; save it again"
        )
    try:
        # a third faster than OpenCV, the same pixels
        return np.asarray(decode_jpeg(data))
    except ValueError:  # refuses more than damaged files, so OpenCV has the last word
        return _decode_with_opencv(path, "JPEG", data)


def _read_png(path: Path, data: bytes) -> np.ndarray:
    _check_size(path, "PNG", png.announced_size(data))
    picture = png.picture_chunks(data)
    if picture is None:
        raise FrameError(f"{path}: PNG of {len(data)} bytes is cut short or damaged; copy it again")
    return _decode_with_opencv(path, "PNG", picture)


def _check_size(path: Path, kind: str, image_wh: tuple[int, int] | None) -> None:
    """Refuse a frame before it is decoded, if it does not announce the size of a frame."""
    if image_wh is None:
        raise FrameError(f"{path}: {kind} cannot be decoded; it has no frame header, copy it again")
    if (large := too_many_pixels(image_wh)) is not None:
        raise FrameError(f"{path}: {large}; save it smaller")


def _decode_with_opencv(path: Path, kind: str, data: bytes) -> np.ndarray:
    try:
        frame = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE_FLAGS)
    except cv2.error as error:
        raise FrameError(f"{path}: {kind} cannot be decoded ({error.err})") from error
    if frame is None:
        raise FrameError(f"{path}: {kind} cannot be decoded; the file is damaged")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frame))


def frame_wh(frame: np.ndarray) -> tuple[int, int]:
    """Return (width, height) of an (H, W, 3) frame."""
    return frame.shape[1], frame.shape[0]


def sizes_differ(image_wh: tuple[int, int], expected_wh: tuple[int, int]) -> bool:
    """Say whether two sizes differ by 16 pixels or more.

    Less is a codec block: some tools count the rows that video codecs add to reach a multiple of
    16 (1080 and 1088 lines are the same picture).
    """
    return max(abs(image_wh[0] - expected_wh[0]), abs(image_wh[1] - expected_wh[1])) >= 16


def check_frame_wh(path: Path, frame: np.ndarray, expected_wh: tuple[int, int]) -> None:
    """Refuse a frame whose size is not the one its boxes and joints were drawn on.

    Raises:
        FrameError: if the sizes differ, see `sizes_differ`.
    """
    width, height = frame_wh(frame)
    if sizes_differ((width, height), expected_wh):
        raise FrameError(
            f"{path}: frame is {width}x{height}, expected {expected_wh[0]}x{expected_wh[1]} like "
            "the rest of its video or its annotation file; were frames resized?"
        )


def read_ahead(
    paths: Sequence[Path],
    workers: int,
    ahead: int,
    read: Callable[[Path], np.ndarray] = read_frame,
) -> Iterator[np.ndarray]:
    """Decode images in order, in threads, a few before they are asked for.

    Args:
        paths: the images.
        workers: threads, at least 1.
        ahead: most images that wait decoded.
        read: decodes one image.

    Raises:
        FrameError: when the image that cannot be read is asked for.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(paths)
        pending = deque(pool.submit(read, path) for path in islice(waiting, max(ahead, 1)))
        try:
            while pending:
                image = pending.popleft().result()
                pending.extend(pool.submit(read, path) for path in islice(waiting, 1))
                yield image
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
