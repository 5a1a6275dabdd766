"""The people of one annotation file: joints, boxes, head boxes and track ids that make no sense.

Each kind of fault gives one finding per file, which names the first person it concerns.

Legend: P people, K keypoints as listed in the file; xy in image pixels.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dcpose.formats import fields
from dcpose.formats.findings import Finding, Level
from dcpose.formats.posetrack.video_file import ListedPerson, VideoFile
from dcpose.skeleton import Skeleton

OUTSIDE_TOLERANCE = 0.05
"""Share of the longer image side that a joint may be outside: head tops and necks of the official
files are extrapolated, by up to 25 pixels in frames of 1920."""
MOSTLY_OUTSIDE = 0.5
"""Share of a box side beyond the image from which on the centre of the box is outside."""
MIN_SHARE_IN_BOX = 0.5


class _Fault(NamedTuple):
    """What is wrong with some people; `affected` is (P,) bool, the rest as in `Finding`."""

    code: str
    affected: ArrayLike
    found: str
    mend: str
    level: Level = "problem"


def check_people(file: VideoFile, skeleton: Skeleton) -> list[Finding]:
    """Judge the people of an annotation file that are well formed.

    Args:
        file: what the file says; without the size of its images what needs it is skipped.
        skeleton: tells the joints that nobody labels.
    """
    people = file.people
    findings = list(_check_ids(people, file.where))
    if not people or not file.keypoint_names:
        return findings
    supervised = [name not in skeleton.unlabelled for name in file.keypoint_names]
    keypoints = np.stack([person.keypoints for person in people])[:, supervised]
    # 2017 files may hold people of which nothing but the head box is known
    jointless: Level = "note" if file.is_2017 else "problem"
    faults = [
        *_joint_faults(keypoints, file.image_wh, jointless),
        *_box_faults(keypoints, file.image_wh, people),
        _head_fault(keypoints, people),
    ]
    for code, affected, found, mend, level in faults:
        rows = np.flatnonzero(affected)
        if len(rows):
            where = people[rows[0]].where
            findings.append(Finding(code, where, found, mend, level, count=len(rows)))
    return findings


def _check_ids(people: Sequence[ListedPerson], source: str) -> Iterator[Finding]:
    ids = Counter(p.entry["id"] for p in people if isinstance(p.entry.get("id"), int))
    repeated = [value for value, count in ids.items() if count > 1]
    if repeated:
        found = f"several annotations have id {repeated[0]}"
        mend = "give every annotation its own id"
        yield Finding("person-repeated", source, found, mend, count=len(repeated))
    mend = "give every person of a frame its own track_id: the evaluator needs it"
    untracked = [person.where for person in people if person.track_id is None]
    if untracked:
        yield Finding("track-id", untracked[0], "no track_id", mend, count=len(untracked))
    tracks = Counter((p.image_id, p.track_id) for p in people if p.track_id is not None)
    twice = [key for key, count in tracks.items() if count > 1]
    if twice:
        found = f"track_id {twice[0][1]} occurs twice in image {twice[0][0]}"
        yield Finding("track-id", source, found, mend, count=len(twice))


def _joint_faults(
    keypoints: np.ndarray, image_wh: tuple[int, int] | None, jointless: Level
) -> Iterator[_Fault]:
    """Judge (P, K, 3) joints; `jointless` is the level of people without a labelled one."""
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    found = "a person without labelled joints"
    mend = "label its joints, or remove the annotation (it is never trained on)"
    yield _Fault("person-without-joints", ~visible.any(axis=1), found, mend, jointless)
    at_origin = visible & (xy == 0).all(axis=-1)
    mend = "set its visibility to 0 if it is not labelled"
    yield _Fault("joint-at-origin", at_origin.any(axis=1), "a joint labelled at (0, 0)", mend)
    hidden = ~visible & (xy != 0).any(axis=-1)
    found = "a joint with a place but visibility 0"
    mend = "the evaluator counts it, training leaves it out; zero its place to leave it out of both"
    yield _Fault("hidden-joint", hidden.any(axis=1), found, mend, "note")
    if image_wh is None:
        return
    outside = np.where(visible & ~at_origin, np.maximum(-xy, xy - image_wh).max(axis=-1), 0)
    farthest, size = outside.max(axis=1), f"{image_wh[0]}x{image_wh[1]} image"
    far = farthest > OUTSIDE_TOLERANCE * max(image_wh)
    found = f"a labelled joint {farthest.max():.0f} pixels outside the {size}"
    mend = "correct the joint, or set its visibility to 0"
    yield _Fault("joint-outside", far, found, mend)
    found = f"a labelled joint slightly outside the {size}"
    mend = "usual for head top and neck, which are extrapolated"
    yield _Fault("joint-outside", (farthest > 0) & ~far, found, mend, "note")


def _box_faults(
    keypoints: np.ndarray, image_wh: tuple[int, int] | None, people: Sequence[ListedPerson]
) -> Iterator[_Fault]:
    nothing = np.full(4, np.nan)
    box = np.stack([nothing if p.box_xywh is None else p.box_xywh for p in people])
    corner, side = box[:, :2], box[:, 2:]
    given = ~np.isnan(box[:, 0])
    empty = given & (side <= 0).any(axis=1)
    mend = "write bbox as left, top, width, height, or leave the key out to take the joints' extent"
    yield _Fault("empty-box", empty, "a bbox without width or height", mend)
    usable = given & ~empty
    if image_wh is not None:
        beyond = np.maximum(-corner, corner + side - image_wh)
        outside = usable & (beyond > MOSTLY_OUTSIDE * side).any(axis=1)
        found = f"a bbox whose centre is outside the {image_wh[0]}x{image_wh[1]} image"
        mend = "write bbox as left, top, width, height in pixels of the image"
        yield _Fault("box-outside", outside, found, mend)
        usable &= ~outside
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    low, high = corner[:, None], (corner + side)[:, None]
    inside = ((xy >= low) & (xy <= high)).all(axis=-1) & visible
    few = inside.sum(axis=1) < MIN_SHARE_IN_BOX * visible.sum(axis=1)
    found = "a bbox that holds less than half of the person's joints"
    mend = "give the person its own box, as left, top, width, height"
    yield _Fault("joints-off-box", usable & few, found, mend)


def _head_fault(keypoints: np.ndarray, people: Sequence[ListedPerson]) -> _Fault:
    boxes = [person.entry.get("bbox_head") for person in people]
    code = "no-head-boxes" if all(box is None for box in boxes) else "head-box"
    unsized = np.array([not _has_size(box) for box in boxes])
    found = "a person with joints but without a usable bbox_head"
    mend = "write its head box: AP measures distances in head sizes"
    return _Fault(code, (keypoints[..., 2] > 0).any(axis=1) & unsized, found, mend)


def _has_size(box: object) -> bool:
    """Return whether a JSON value is a box of four numbers with an area."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(fields.is_finite_number, box)):
        return False
    return bool(box[2] > 0 and box[3] > 0)
