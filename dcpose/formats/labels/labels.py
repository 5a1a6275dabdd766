"""What the readers of this folder give: labelled frames of videos, whatever tool labelled them.

Legend: J joints. Points are (x, y) in image pixels.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

UNLABELLED, HIDDEN, VISIBLE = 0, 1, 2
"""Third value of a joint, as in COCO."""


@dataclass(frozen=True, eq=False)
class LabelledPerson:
    """A person or animal in a frame.

    Attributes:
        joints: (J, 3) float64 x, y and `UNLABELLED`, `HIDDEN` or `VISIBLE`.
        track_id: identity in the video, from 0.
        box_xywh: (4,) float64; None where the tool gives none.
    """

    joints: np.ndarray
    track_id: int
    box_xywh: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame that somebody looked at, be anybody in it or not.

    Attributes:
        number: of the frame in the video, from 0.
        people: who is there.
        image: file of the frame; None where it has to be taken from the video.
    """

    number: int
    people: tuple[LabelledPerson, ...]
    image: Path | None = None


@dataclass(frozen=True, eq=False)
class LabelledVideo:
    """The labelled frames of a video, by number.

    Attributes:
        name: what the tool calls it.
        frames: in the order of their numbers, each number once.
        file: the video; None where only images of its frames were found.
    """

    name: str
    frames: tuple[LabelledFrame, ...]
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """Everything that was labelled.

    Attributes:
        source: file or folder it was read from.
        joint_names: J names.
        videos: at least one, with at least one frame each.
        limbs: pairs of names that a drawing connects.
        left_out: what the source has that is not here, with counts.
        notes: what a reader had to guess, one line each.
    """

    source: Path
    joint_names: tuple[str, ...]
    videos: tuple[LabelledVideo, ...]
    limbs: tuple[tuple[str, str], ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def numbered(names: Sequence[str]) -> tuple[list[int], bool]:
    """Return the number of the frame of each image name of a video.

    The last digits of the name are its number, if every name has some and they differ; else
    names count in their order.

    Returns:
        the numbers, and whether the names gave them.
    """
    found = [re.search(r"(\d+)\D*$", Path(name).stem) for name in names]
    numbers = [int(match[1]) for match in found if match]
    if len(set(numbers)) == len(names):
        return numbers, True
    rank = {name: index for index, name in enumerate(sorted(names))}
    return [rank[name] for name in names], False


def frames_of_images(
    video: str,
    images: Sequence[tuple[str, Sequence[LabelledPerson], Path | None]],
    notes: list[str],
) -> tuple[LabelledFrame, ...]:
    """Return the frames of a video in the order of their numbers; see `numbered`.

    Args:
        video: its name.
        images: name of each image, who is in it, and its file.
        notes: gets a line if the names have no numbers.
    """
    numbers, from_names = numbered([name for name, _, _ in images])
    if not from_names:
        notes.append(f"{video}: images have no numbers, frames count in their order")
    frames = [
        LabelledFrame(number, tuple(people), file)
        for number, (_, people, file) in zip(numbers, images, strict=True)
    ]
    return tuple(sorted(frames, key=lambda frame: frame.number))


def videos_of_folders(
    images: Iterable[tuple[str, Sequence[LabelledPerson]]],
    source: Path,
    places: Sequence[Path],
    notes: list[str],
) -> tuple[LabelledVideo, ...]:
    """Return a video for each folder of images; one without a folder is called after the source.

    Args:
        images: name of each image, with `/`, and who is in it.
        source: file that lists them.
        places: folders that the names may be in.
        notes: see `frames_of_images`.
    """
    by_folder = defaultdict(list)
    for name, people in images:
        file = first_file(place / name for place in places)
        by_folder[PurePosixPath(name).parent].append((name, people, file))
    videos = []
    for folder, own in by_folder.items():
        video = folder.name or source.stem
        videos.append(LabelledVideo(video, frames_of_images(video, own, notes)))
    return tuple(videos)


def first_file(paths: Iterable[Path]) -> Path | None:
    """Return the first path that is a file; None if there is none."""
    return next((path for path in paths if path.is_file()), None)


def is_point(x: float, y: float) -> bool:
    """Say whether two numbers are a place in an image."""
    return bool(np.isfinite(x) and np.isfinite(y) and abs(x) < 1e6 and abs(y) < 1e6)
