"""Several data sets in one training."""

from __future__ import annotations

import bisect
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from dcpose.data.dataset import PoseTrackClips
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.skeleton import Skeleton
from dcpose.structures import ClipSample, PersonRecord


@dataclass(frozen=True, eq=False)
class Part:
    """One of the sets.

    Attributes:
        clips: its people.
        share: of an epoch, greater than 0; shares need not add up to 1. None: as many clips as it
            has people.
        weight: factor of its clips in the loss.
    """

    clips: PoseTrackClips
    share: float | None = None
    weight: float = 1.0


class MixedClips(Dataset[ClipSample]):
    """Clips of several sets, so many of each in every epoch.

    An epoch is as long as all sets together. A set whose share is less than its people takes turns
    with them from epoch to epoch; one whose share is more shows its people several times, each time
    in another view. All people of a set come equally often.

    Args:
        parts: at least one; all or none have a share.
        seed: seeds the turns.

    Raises:
        ValueError: if some parts have a share and others not.
    """

    def __init__(self, parts: Sequence[Part], seed: int) -> None:
        shares = [part.share for part in parts]
        sizes = [len(part.clips) for part in parts]
        if None in shares and any(share is not None for share in shares):
            raise ValueError("give every set a share, or none")
        self.parts = tuple(parts)
        self.seed = seed
        self.counts = sizes if None in shares else _counts(shares, sum(sizes))
        self._starts = [0, *itertools.accumulate(self.counts)]
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self.skeleton = parts[0].clips.skeleton
        self.options = parts[0].clips.options

    def __len__(self) -> int:
        """Clips of an epoch."""
        return self._starts[-1]

    @property
    def people(self) -> list[PersonRecord]:
        """People of the first epoch, by clip."""
        return [
            self.parts[number].clips.people[person]
            for number, (_, person) in (self._place(0, index) for index in range(len(self)))
        ]

    def frame_paths(self) -> Iterator[Path]:
        """Yield every frame that a clip may need, set by set."""
        for part in self.parts:
            yield from part.clips.frame_paths()

    def __getitem__(self, key: int | tuple[int, int]) -> ClipSample:
        """Return clip i, for key i (epoch 0) or (epoch, i)."""
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[int | tuple[int, int]]) -> list[ClipSample]:
        """Return the clips of a batch."""
        wanted: dict[int, list[tuple[int, tuple[int, int]]]] = defaultdict(list)
        for place, key in enumerate(keys):
            epoch, index = key if isinstance(key, tuple) else (0, key)
            number, own = self._place(epoch, index)
            wanted[number].append((place, own))
        samples: dict[int, ClipSample] = {}
        for number, of_part in wanted.items():
            part = self.parts[number]
            found = part.clips.__getitems__([own for _, own in of_part])
            for (place, _), sample in zip(of_part, found, strict=True):
                samples[place] = _weighted(sample, part.weight)
        return [samples[place] for place in range(len(keys))]

    def _place(self, epoch: int, index: int) -> tuple[int, tuple[int, int]]:
        """Return the number of a part, and the turn and the person in it, of a clip."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = bisect.bisect_right(self._starts, index) - 1
        size = len(self.parts[number].clips)
        turn, place = divmod(epoch * self.counts[number] + index - self._starts[number], size)
        return number, (turn, int(self._order(number, turn)[place]))

    def _order(self, number: int, turn: int) -> np.ndarray:
        """Return the order of the people of a part in a turn."""
        last = self._orders.get(number)
        if last is None or last[0] != turn:
            rng = np.random.default_rng([self.seed, number, turn])
            last = turn, rng.permutation(len(self.parts[number].clips))
            self._orders[number] = last
        return last[1]


def with_joints_of(
    videos: Sequence[VideoAnnotation], own: Skeleton, wanted: Skeleton
) -> list[VideoAnnotation]:
    """Return videos whose people have the joints of another skeleton, by name.

    Joints that the own one lacks are not labelled.

    Raises:
        ValueError: if the two have no joint in common.
    """
    if own.joint_names == wanted.joint_names:
        return list(videos)
    names = own.joint_names
    # the zero row appended below is what position -1, a joint that is not there, picks
    columns = [names.index(name) if name in names else -1 for name in wanted.joint_names]
    if max(columns) < 0:
        raise ValueError(
            f"none of the joints {', '.join(names)} of {own.name} is one of "
            f"{', '.join(wanted.joint_names)}"
        )

    def moved(person: PersonRecord) -> PersonRecord:
        if person.joints is None:
            return person
        return replace(person, joints=np.vstack([person.joints, np.zeros((1, 3))])[columns])

    return [replace(video, people=[moved(person) for person in video.people]) for video in videos]


def _counts(shares: Sequence[float | None], total: int) -> list[int]:
    """Return how many of `total` clips each share gets, at least one."""
    parts = np.array(shares, dtype=float)
    return [max(1, round(total * share)) for share in parts / parts.sum()]


def _weighted(sample: ClipSample, weight: float) -> ClipSample:
    """Return a sample that counts so much: the loss squares the weights of joints."""
    if weight == 1 or sample.joint_weights is None:
        return sample
    scaled = sample.joint_weights * np.float32(math.sqrt(weight))
    return replace(sample, joint_weights=scaled)
