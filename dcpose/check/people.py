"""The people of one annotation file: joints, boxes, head boxes and track ids that make no sense.

Each kind of fault gives one finding per file, which names the first person it concerns.

Legend: P people, K keypoints as listed in the file; xy in image pixels.
"""

from collections import Counter
from collections.abc import Sequence

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

People = Sequence[ListedPerson]


def check_people(file: VideoFile, skeleton: Skeleton) -> list[Finding]:
    """Judge the people of an annotation file that are well formed.

    Args:
        file: what the file says; without the size of its images what needs it is skipped.
        skeleton: tells the joints that nobody labels.
    """
    people = file.people
    findings = _check_ids(people, file.where)
    if not people or not file.keypoint_names:
        return findings
    supervised = np.array([name not in skeleton.unlabelled for name in file.keypoint_names], bool)
    keypoints = np.stack([person.keypoints for person in people])[:, supervised]
    # 2017 files may hold people of which nothing but the head box is known
    level: Level = "note" if file.is_2017 else "problem"
    findings += _check_joints(keypoints, file.image_wh, people, level)
    findings += _check_boxes(keypoints, file.image_wh, people)
    return findings + _check_heads(keypoints, people)


def _check_ids(people: People, source: str) -> list[Finding]:
    findings = []
    ids = Counter(p.entry["id"] for p in people if isinstance(p.entry.get("id"), int))
    repeated = [value for value, count in ids.items() if count > 1]
    if repeated:
        found = f"several annotations have id {repeated[0]}"
        mend = "give every annotation its own id"
        findings.append(Finding("person-repeated", source, found, mend, count=len(repeated)))
    mend = "give every person of a frame its own track_id: the evaluator needs it"
    untracked = [person.track_id is None for person in people]
    findings += _finding("track-id", untracked, people, "no track_id", mend)
    tracks = Counter((p.image_id, p.track_id) for p in people if p.track_id is not None)
    twice = [key for key, count in tracks.items() if count > 1]
    if twice:
        found = f"track_id {twice[0][1]} occurs twice in image {twice[0][0]}"
        findings.append(Finding("track-id", source, found, mend, count=len(twice)))
    return findings


def _check_joints(
    keypoints: np.ndarray, image_wh: tuple[int, int] | None, people: People, level: Level
) -> list[Finding]:
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    findings = _finding(
        "person-without-joints",
        ~visible.any(axis=1),
        people,
        "a person without labelled joints",
        "label its joints, or remove the annotation (it is never trained on)",
        level=level,
    )
    at_origin = visible & (xy == 0).all(axis=-1)
    findings += _finding(
        "joint-at-origin",
        at_origin.any(axis=1),
        people,
        "a joint labelled at (0, 0)",
        "set its visibility to 0 if it is not labelled",
    )
    hidden = ~visible & (xy != 0).any(axis=-1)
    findings += _finding(
        "hidden-joint",
        hidden.any(axis=1),
        people,
        "a joint with a place but visibility 0",
        "the evaluator counts it, training leaves it out; zero its place to leave it out of both",
        level="note",
    )
    if image_wh is not None:
        outside = np.where(visible & ~at_origin, np.maximum(-xy, xy - image_wh).max(axis=-1), 0)
        findings += _check_outside(outside.max(axis=1), image_wh, people)
    return findings


def _check_outside(outside: np.ndarray, image_wh: tuple[int, int], people: People) -> list[Finding]:
    """Judge by how many pixels the farthest joint of each of P people is outside."""
    far = outside > OUTSIDE_TOLERANCE * max(image_wh)
    near = (outside > 0) & ~far
    size = f"{image_wh[0]}x{image_wh[1]} image"
    return [
        *_finding(
            "joint-outside",
            far,
            people,
            f"a labelled joint {outside.max():.0f} pixels outside the {size}",
            "correct the joint, or set its visibility to 0",
        ),
        *_finding(
            "joint-outside",
            near,
            people,
            f"a labelled joint slightly outside the {size}",
            "usual for head top and neck, which are extrapolated",
            level="note",
        ),
    ]


def _check_boxes(
    keypoints: np.ndarray, image_wh: tuple[int, int] | None, people: People
) -> list[Finding]:
    nothing = np.full(4, np.nan)
    box = np.stack([nothing if p.box_xywh is None else p.box_xywh for p in people])
    corner, side = box[:, :2], box[:, 2:]
    given = ~np.isnan(box[:, 0])
    empty = given & (side <= 0).any(axis=1)
    findings = _finding(
        "empty-box",
        empty,
        people,
        "a bbox without width or height",
        "write bbox as left, top, width, height, or leave the key out to take the joints' extent",
    )
    usable = given & ~empty
    outside = np.zeros(len(box), bool)
    if image_wh is not None:
        beyond = np.maximum(-corner, corner + side - image_wh)
        outside = usable & (beyond > MOSTLY_OUTSIDE * side).any(axis=1)
        findings += _finding(
            "box-outside",
            outside,
            people,
            f"a bbox whose centre is outside the {image_wh[0]}x{image_wh[1]} image",
            "write bbox as left, top, width, height in pixels of the image",
        )
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    low, high = corner[:, None], (corner + side)[:, None]
    inside = ((xy >= low) & (xy <= high)).all(axis=-1) & visible
    few = inside.sum(axis=1) < MIN_SHARE_IN_BOX * visible.sum(axis=1)
    findings += _finding(
        "joints-off-box",
        usable & ~outside & few,
        people,
        "a bbox that holds less than half of the person's joints",
        "give the person its own box, as left, top, width, height",
    )
    return findings


def _check_heads(keypoints: np.ndarray, people: People) -> list[Finding]:
    boxes = [person.entry.get("bbox_head") for person in people]
    sized = np.array([_has_size(box) for box in boxes], bool)
    return _finding(
        "no-head-boxes" if all(box is None for box in boxes) else "head-box",
        (keypoints[..., 2] > 0).any(axis=1) & ~sized,
        people,
        "a person with joints but without a usable bbox_head",
        "write its head box: AP measures distances in head sizes",
    )


def _has_size(box: object) -> bool:
    """Return whether a JSON value is a box of four numbers with an area."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(fields.is_finite_number, box)):
        return False
    return bool(box[2] > 0 and box[3] > 0)


def _finding(
    code: str,
    affected: ArrayLike,
    people: People,
    found: str,
    mend: str,
    level: Level = "problem",
) -> list[Finding]:
    """Return one finding for the (P,) affected people, or none."""
    rows = np.flatnonzero(np.asarray(affected))
    if not len(rows):
        return []
    return [Finding(code, people[rows[0]].where, found, mend, level=level, count=len(rows))]
