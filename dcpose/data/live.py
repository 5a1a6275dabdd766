"""Clips of a running video, whose end is not known and whose frames come one by one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dcpose.data.clip import Clip, ClipOptions, choose_clip


@dataclass(frozen=True, eq=False)
class LiveClip:
    """The frames around one frame of a running video; `stream.cut_clip` cuts people out of them.

    Attributes:
        clip: numbers of the frames, counted from 0; the current one stands in the middle.
        frames: (H, W, 3) uint8 RGB, one per number.
    """

    clip: Clip
    frames: tuple[np.ndarray, ...]


def live_clips(images: Iterable[np.ndarray], options: ClipOptions) -> Iterator[LiveClip]:
    """Give every frame its neighbours, looking ahead no further than the farthest of them.

    The clips are those that `ClipStream` takes from a video whose frames all exist: same padding
    at both ends. A frame of another size than the one before ends one video and starts the next.

    Args:
        images: (H, W, 3) uint8 RGB frames in order; an error that they raise comes after the
            clips of all frames before it.
        options: which neighbours belong to a clip.

    Yields:
        one clip per image, in order.
    """
    before, after = -min(options.offsets), max(options.offsets)
    window: dict[int, np.ndarray] = {}
    cur = 0
    error: Exception | None = None
    try:
        for number, image in enumerate(images):
            if window and image.shape != next(iter(window.values())).shape:
                yield from (_clip(n, window, options) for n in range(cur, number))
                window, cur = {}, number
            window[number] = image
            if number - cur >= after:
                yield _clip(cur, window, options)
                window.pop(cur - before, None)
                cur += 1
    except Exception as raised:
        error = raised
    yield from (_clip(n, window, options) for n in window if n >= cur)
    if error is not None:
        raise error


def _clip(cur: int, window: dict[int, np.ndarray], options: ClipOptions) -> LiveClip:
    clip = choose_clip(cur, window.keys(), options)
    return LiveClip(clip, tuple(window[number] for number in clip.numbers))
