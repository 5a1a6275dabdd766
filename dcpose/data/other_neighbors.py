"""Clips whose neighbours are not what they should be: does a model look at them at all?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from dcpose.data.stream import ClipStream
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.structures import ClipBatch, PersonRecord

Replacement = Literal["current", "reversed", "other_video"]
"""What takes the place of the frames around the current one:

    current       the current frame; the gaps stay
    reversed      the same frames in reversed order, their gaps too
    other_video   those of somebody in another video, cut out by a box of their own; the gaps stay
"""


class OtherNeighbors:
    """Batches of a stream, with other frames around the current ones.

    Args:
        stream: of clips as they are.
        replacement: what takes the place of their neighbours.
        lent: for other_video, a stream of as many clips as `stream` has, batch by batch.
    """

    def __init__(
        self, stream: ClipStream, replacement: Replacement, lent: ClipStream | None = None
    ) -> None:
        self._stream = stream
        self._replacement = replacement
        self._lent = lent

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._stream)

    @property
    def num_people(self) -> int:
        """Number of clips in all batches."""
        return self._stream.num_people

    def __iter__(self) -> Iterator[ClipBatch]:
        """Walk the stream."""
        if self._lent is not None:
            yield from map(_between, self._stream, self._lent)
        else:
            yield from map(
                _reversed if self._replacement == "reversed" else _repeated, self._stream
            )


def _repeated(batch: ClipBatch) -> ClipBatch:
    cur = batch.frames.shape[1] // 2
    return replace(batch, frames=batch.frames[:, cur : cur + 1].expand_as(batch.frames))


def _reversed(batch: ClipBatch) -> ClipBatch:
    return replace(batch, frames=batch.frames.flip(1), gaps=batch.gaps.flip(1))


def _between(batch: ClipBatch, other: ClipBatch) -> ClipBatch:
    """Put the current frames of a batch between the neighbours of another one."""
    cur = batch.frames.shape[1] // 2
    other.frames[:, cur] = batch.frames[:, cur]
    return replace(batch, frames=other.frames)


def lenders(
    videos: Sequence[VideoAnnotation],
    people: Mapping[str, Sequence[PersonRecord]],
    among: Sequence[VideoAnnotation],
) -> tuple[list[VideoAnnotation], dict[str, list[PersonRecord]]]:
    """Choose whose neighbours the people of some videos get, of the video that follows each.

    They are spread evenly over the people of that video, so that both videos are walked once.

    Args:
        videos: whose people get other neighbours.
        people: by video name.
        among: all videos; the last is followed by the first, and those without people are left
            out. What a video gets does not depend on how videos are shared out over processes.

    Returns:
        videos, and as many people in each as the video has that borrows from it.

    Raises:
        ValueError: if only one video has people.
    """
    peopled = [video for video in among if people.get(video.name)]
    if len(peopled) < 2:
        raise ValueError(
            f"test.neighbors=other_video needs people in at least two videos, found "
            f"{len(peopled)}; choose current or reversed"
        )
    next_of = {
        video.name: follower
        for video, follower in zip(peopled, [*peopled[1:], peopled[0]], strict=True)
    }
    chosen: dict[str, list[PersonRecord]] = {}
    walked = [video for video in videos if video.name in next_of]
    for video in walked:
        crowd = sorted(people[next_of[video.name].name], key=lambda person: person.frame)
        count = len(people[video.name])
        chosen[next_of[video.name].name] = [
            crowd[place * len(crowd) // count] for place in range(count)
        ]
    return [next_of[video.name] for video in walked], chosen
