"""Which frames make a clip, with same padding at the borders of a video.

A clip is a tuple of frame numbers; the current frame c stands in its middle, at F // 2 of F. What
`ClipFrames` says is read like this:

    offsets     c + o for each offset o; a frame past the border is replaced by the nearest one
    neighbors   p < c < n within a window T (Sec. 3 of DCPose); past the border by c itself
    past        p < c, c: as neighbors, but nothing after c is looked at
    support     s, c with s drawn from c - T to c + T, c among them (training of PoseWarper)
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dcpose.data.frames import FrameError
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import Affine
from dcpose.structures import ClipFrames

MissingNeighbors = Literal["error", "repeat"]


@dataclass(frozen=True)
class ClipOptions:
    """How the crops of one person are made; training and inference must agree on the crop.

    Attributes:
        crop_wh: crop size in pixels.
        box_enlarge: box side after / before enlarging, once padded to the crop's aspect ratio.
        max_gap: T: neighbours lie at most this many frames away.
        missing_neighbors: what happens when a neighbour that the clip should have is not on
            disk; "error" stops, "repeat" takes a nearer frame, at last the current one.
        frames: which frames make a clip.
        affine: what the box is mapped to, see `geometry.Affine`.

    Raises:
        ValueError: if a value is out of its range.
    """

    crop_wh: tuple[int, int] = (288, 384)
    box_enlarge: float = 1.25
    max_gap: int = 1
    missing_neighbors: MissingNeighbors = "error"
    frames: ClipFrames = "neighbors"
    affine: Affine = "classic"

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
        if self.frames not in ("neighbors", "past", "support") and not _is_window(self.frames):
            raise ValueError(
                "frames must be neighbors, past, support, or rising offsets with 0 in their "
                f"middle, got {self.frames!r}"
            )
        if self.affine not in get_args(Affine):
            raise ValueError(f"affine must be classic or udp, got {self.affine!r}")

    @property
    def num_frames(self) -> int:
        """F, frames in a clip."""
        if isinstance(self.frames, tuple):
            return len(self.frames)
        return {"neighbors": 3, "past": 3, "support": 2}[self.frames]

    @property
    def offsets(self) -> Collection[int]:
        """Where frames of a clip may lie, relative to the current one."""
        if isinstance(self.frames, tuple):
            return self.frames
        return range(-self.max_gap, 1 if self.frames == "past" else self.max_gap + 1)


def _is_window(offsets: object) -> bool:
    if not isinstance(offsets, tuple) or not offsets or len(offsets) % 2 == 0:
        return False
    return offsets[len(offsets) // 2] == 0 and list(offsets) == sorted(set(offsets))


@dataclass(frozen=True)
class Clip:
    """Frame numbers of a clip, the current one in the middle, and the gaps that weight them.

    A gap between a frame and its repetition counts as 1, as the released weights were trained.
    """

    numbers: tuple[int, ...]

    @property
    def cur(self) -> int:
        """Number of the current frame."""
        return self.numbers[len(self.numbers) // 2]

    @property
    def gaps(self) -> tuple[int, ...]:
        """Distances of consecutive frames, each at least 1."""
        pairs = zip(self.numbers[:-1], self.numbers[1:], strict=True)
        return tuple(max(abs(after - before), 1) for before, after in pairs)


def choose_clip(
    cur: int,
    available: Collection[int],
    options: ClipOptions,
    rng: np.random.Generator | None = None,
) -> Clip:
    """Choose the frames of a clip.

    Args:
        cur: number of the current frame.
        available: numbers of the frames that may be used; see `usable_frames`.
        options: which frames make a clip.
        rng: draws each neighbour uniformly from those within reach (training); None takes the
            farthest.

    Returns:
        The clip; a side without a frame repeats the current one.

    Raises:
        ValueError: if the supporting frame is to be drawn without a `rng`.
    """
    if isinstance(options.frames, tuple):
        return Clip(tuple(_towards(cur, offset, available) for offset in options.frames))
    if options.frames == "support":
        if rng is None:
            raise ValueError("clips of the form support are drawn for training, give a Generator")
        return Clip((_towards(cur, int(rng.choice(list(options.offsets))), available), cur))
    reach = range(1, options.max_gap + 1)
    before = [cur - gap for gap in reach if cur - gap in available]
    ahead = () if options.frames == "past" else reach
    after = [cur + gap for gap in ahead if cur + gap in available]
    return Clip((_choose(before, cur, rng), cur, _choose(after, cur, rng)))


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
    if options.missing_neighbors == "repeat":
        return on_disk
    near = {cur + offset for cur in current for offset in options.offsets}
    wanted = {number for number in near if number in video.frame_range}
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


def _towards(cur: int, gap: int, available: Collection[int]) -> int:
    """Return the frame at a gap (of either sign), else the next one towards `cur`, else `cur`."""
    step = 1 if gap > 0 else -1
    return next((cur + g for g in range(gap, 0, -step) if cur + g in available), cur)
