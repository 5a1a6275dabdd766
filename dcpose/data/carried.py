"""People of labelled frames in neighbouring frames: who is to be found there, and in which box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.structures import PersonRecord


@dataclass(frozen=True, eq=False)
class Carried:
    """Somebody of a labelled frame, in another frame of the video.

    Attributes:
        video: both frames are of.
        labelled: the person where it is labelled.
        person: the person in the other frame; its box lies between those of the labelled frames
            before and after, or is the nearest one; `joints` is None.
        truth: (J, 3) labels in the other frame, where that has some.
    """

    video: VideoAnnotation
    labelled: PersonRecord
    person: PersonRecord
    truth: np.ndarray | None = None


def without_labels(videos: Sequence[VideoAnnotation], reach: int) -> list[Carried]:
    """Return the people of frames that have no labels, at most `reach` frames from some."""
    found = []
    for video in videos:
        labelled = {person.frame for person in video.people}
        free = video.frames_on_disk() - labelled
        for track in _tracks(video):
            frames = [person.frame for person in track]
            near = {n + d for n in frames for d in range(-reach, reach + 1)} & free
            found += [_carried(video, track, number) for number in sorted(near)]
    return sorted(found, key=lambda c: (c.video.name, c.person.frame))


def held_out(videos: Sequence[VideoAnnotation], reach: int) -> list[Carried]:
    """Return labelled people as if they were not, each 1 to `reach` frames from labels in turn."""
    found = []
    for video in videos:
        for track in _tracks(video):
            by_frame = {person.frame: person for person in track}
            for number, person in enumerate(track):
                distance = 1 + number % reach
                others = [by_frame.get(person.frame + d) for d in (-distance, distance)]
                known = [other for other in others if other is not None]
                if known:
                    carried = _carried(video, known, person.frame)
                    found.append(Carried(video, carried.labelled, carried.person, person.joints))
    return sorted(found, key=lambda c: (c.video.name, c.person.frame))


def _tracks(video: VideoAnnotation) -> Iterator[list[PersonRecord]]:
    """Yield the labelled people by identity, along the frames; one by one where they have none."""
    tracks: dict[object, list[PersonRecord]] = defaultdict(list)
    for number, person in enumerate(video.people):
        if person.joints is not None and person.joints[:, 2].any():
            key = ("alone", number) if person.track_id is None else person.track_id
            tracks[key].append(person)
    for track in tracks.values():
        yield sorted(track, key=lambda person: person.frame)


def _carried(video: VideoAnnotation, track: Sequence[PersonRecord], number: int) -> Carried:
    """Return somebody of a track in another frame."""
    nearest = min(track, key=lambda person: abs(person.frame - number))
    frames = np.array([person.frame for person in track])
    boxes = np.array([person.box_xywh for person in track])
    box = np.array([np.interp(number, frames, boxes[:, side]) for side in range(4)])
    person = PersonRecord(
        video.name, image_id=-1, frame=number, box_xywh=box, track_id=nearest.track_id
    )
    return Carried(video, nearest, person)
