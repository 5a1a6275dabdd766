"""Which frames make a clip: p < c < n within a window T, with same padding (Sec. 3 of DCPose)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dcpose.data.frames import FrameError
from dcpose.data.posetrack import VideoAnnotation

MissingNeighbors = Literal["error", "repeat"]


@dataclass(frozen=True)
class ClipOptions:
    """How the crops of one person are made; training and inference must agree on it.

    Attributes:
        crop_wh: crop size in pixels.
        box_enlarge: box side after / before enlarging, once padded to the crop's aspect ratio.
        max_gap: T of the paper: neighbours lie at most this many frames away.
        missing_neighbors: what happens when a neighbour that the clip should have is not on
            disk; "error" stops, "repeat" takes a nearer frame, at last the current one.
        neighbors: False for models that look at the current frame alone.

    Raises:
        ValueError: if a value is out of its range.
    """

    crop_wh: tuple[int, int] = (288, 384)
    box_enlarge: float = 1.25
    max_gap: int = 1
    missing_neighbors: MissingNeighbors = "error"
    neighbors: bool = True

    def __post_init__(self) -> None:
        if min(self.crop_wh) < 1 or not self.box_enlarge > 0 or self.max_gap < 1:
            raise ValueError(
                "crop_wh, box_enlarge and max_gap must be positive, got "
                f"{self.crop_wh}, {self.box_enlarge}, {self.max_gap}"
            )
        if self.missing_neighbors not in ("error", "repeat"):
            raise ValueError(
                f"missing_neighbors must be error or repeat, got {self.missing_neighbors!r}"
            )


@dataclass(frozen=True)
class Clip:
    """Frame numbers p, c, n of a clip, and the gaps that weight them.

    At the border of the video the current frame stands in for the missing neighbour, and its gap
    counts as 1, as the released weights were trained.
    """

    prev: int
    cur: int
    next: int

    @property
    def gaps(self) -> tuple[int, int]:
        """c - p and n - c, each at least 1."""
        return max(self.cur - self.prev, 1), max(self.next - self.cur, 1)


def sample_clip(
    cur: int, available: Collection[int], max_gap: int, rng: np.random.Generator | None = None
) -> Clip:
    """Choose the neighbours of a frame.

    Args:
        cur: number of the current frame.
        available: numbers of the frames that may be used; see `usable_frames`.
        max_gap: T, the largest distance of a neighbour, in frames.
        rng: draws each neighbour uniformly from those within `max_gap` (training); None takes
            the farthest.

    Returns:
        The clip; a side without a frame repeats the current one.
    """
    before = [cur - gap for gap in range(1, max_gap + 1) if cur - gap in available]
    after = [cur + gap for gap in range(1, max_gap + 1) if cur + gap in available]
    return Clip(prev=_choose(before, cur, rng), cur=cur, next=_choose(after, cur, rng))


def usable_frames(
    video: VideoAnnotation, current: Iterable[int], options: ClipOptions
) -> Collection[int]:
    """Check, before any work starts, that the frames of a video's clips are on disk.

    Args:
        video: whose frames.
        current: numbers of the frames with people.
        options: window, and what to do about missing neighbours.

    Returns:
        Numbers of the frames that clips may use.

    Raises:
        FrameError: if a current frame is not on disk, or a neighbour is not and
            `missing_neighbors` is "error"; the message names the first such file.
    """
    current = set(current)
    on_disk = video.frames_on_disk()
    if absent := current - on_disk:
        raise FrameError(f"{video.frame_path(min(absent))}: frame not found")
    if not options.neighbors or options.missing_neighbors == "repeat":
        return on_disk
    reach = range(-options.max_gap, options.max_gap + 1)
    wanted = {cur + gap for cur in current for gap in reach} & set(video.frame_range)
    if absent := wanted - on_disk:
        raise FrameError(
            f"{video.frame_path(min(absent))}: neighbour frame not found, one of {len(absent)} "
            f"missing in {video.name} (clip of {video.num_frames} frames); add the frames, or "
            "set data.missing_neighbors=repeat to repeat nearer ones"
        )
    return on_disk


def _choose(candidates: list[int], cur: int, rng: np.random.Generator | None) -> int:
    """Pick from candidates that are sorted from near to far."""
    if not candidates:
        return cur
    return candidates[-1] if rng is None else candidates[rng.integers(len(candidates))]
