"""The people of one annotation file: entries, joints, boxes, head boxes and track ids.

Entries are checked one by one for their form, then all well-formed people at once for their
values. Each kind of fault gives one finding per file, which names the first person it concerns.

Legend: P people, K keypoints as listed in the file; xy in image pixels.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dcpose.check.findings import Finding, Level
from dcpose.formats import fields
from dcpose.skeleton import Skeleton

OUTSIDE_TOLERANCE = 0.05
"""Share of the longer image side that a joint may be outside: head tops and necks of the official
files are extrapolated, by up to 25 pixels in frames of 1920."""
MOSTLY_OUTSIDE = 0.5
"""Share of a box side beyond the image from which on the centre of the box is outside."""
MIN_SHARE_IN_BOX = 0.5


@dataclass
class _People:
    """Rows of the well-formed people; `index` is their place in the file."""

    index: list[int] = field(default_factory=list)
    image_id: list[int] = field(default_factory=list)
    track_id: list[int | None] = field(default_factory=list)
    keypoints: list[np.ndarray] = field(default_factory=list)
    box: list[np.ndarray] = field(default_factory=list)
    head: list[np.ndarray] = field(default_factory=list)


def check_people(
    content: dict[str, Any],
    image_ids: set[int],
    image_wh: tuple[int, int] | None,
    source: str,
    skeleton: Skeleton,
) -> tuple[Counter[int], list[Finding]]:
    """Check the annotations of a parsed file.

    Args:
        content: the file; without `annotations` it is fine, and has nobody.
        image_ids: ids of its images.
        image_wh: (width, height) of its images; None skips what needs it.
        source: the file, for messages.
        skeleton: the joints that the file must name.

    Returns:
        How many people each image id has, crowds and other categories not counted; and findings.
    """
    if not content.get("annotations"):
        return Counter(), []
    entries = content["annotations"]
    if not isinstance(entries, list):
        found = f"annotations must be a list, found {fields.kind(entries)}"
        return Counter(), [Finding("annotation-entry", source, found, "correct the file")]
    names, findings = _keypoint_names(content, source, skeleton)
    people, broken = _read_entries(entries, len(names), image_ids, source)
    findings += [*broken, *_check_ids(entries, people, source)]
    if people.index and names:
        supervised = np.array([name not in skeleton.unlabelled for name in names], bool)
        findings += _check_joints(people, supervised, image_wh, source)
        findings += _check_boxes(people, supervised, image_wh, source)
        findings += _check_heads(people, supervised, source)
    return Counter(people.image_id), findings


def _keypoint_names(
    content: dict[str, Any], source: str, skeleton: Skeleton
) -> tuple[list[str], list[Finding]]:
    """Return the names of the file's keypoints; none if they are unknown."""
    where = f"{source}: categories"
    mend = f"list the keypoints by name, in any order: {', '.join(skeleton.joint_names)}"
    try:
        people = [
            c
            for c in fields.get_list(content, "categories", source)
            if not isinstance(c, dict) or c.get("id", 1) == 1
        ]
        if len(people) != 1:
            raise ValueError(f"{where}: expected one category with id 1, found {len(people)}")
        names = [str(name) for name in fields.get_list(people[0], "keypoints", where)]
    except ValueError as error:
        text = str(error).removeprefix(f"{where}: ").removeprefix(f"{source}: ")
        return [], [Finding("keypoint-names", where, text, mend)]
    expected = [n for n in skeleton.joint_names if n not in skeleton.unlabelled]
    missing = [n for n in expected if n not in names]
    repeated = [n for n, count in Counter(names).items() if count > 1]
    if missing or repeated:
        found = f"keypoints lack {', '.join(missing)}" if missing else f"{repeated[0]} stands twice"
        return names, [Finding("keypoint-names", where, found, mend)]
    return names, []


def _read_entries(
    entries: list[Any], num_keypoints: int, image_ids: set[int], source: str
) -> tuple[_People, list[Finding]]:
    people, findings = _People(), []
    unknown: list[tuple[int, int]] = []
    for index, entry in enumerate(entries):
        where = f"{source}: annotations[{index}]"
        try:
            image_id = fields.get_int(entry, "image_id", where)
            if image_id not in image_ids:
                unknown.append((index, image_id))
                continue
            if entry.get("category_id", 1) != 1 or entry.get("iscrowd"):
                continue
            row = _read_person(entry, num_keypoints, where)
        except ValueError as error:
            text = str(error).removeprefix(f"{where}: ")
            findings.append(Finding("annotation-entry", where, text, "correct this entry"))
            continue
        people.index.append(index)
        people.image_id.append(image_id)
        people.track_id.append(row[0])
        people.keypoints.append(row[1])
        people.box.append(row[2])
        people.head.append(row[3])
    if unknown:
        index, image_id = unknown[0]
        found = f"image_id {image_id} is not the id of any image"
        mend = "correct image_id, or remove the annotation"
        where = f"{source}: annotations[{index}]"
        findings.append(Finding("unknown-image", where, found, mend, count=len(unknown)))
    return people, findings


def _read_person(
    entry: dict[str, Any], num_keypoints: int, where: str
) -> tuple[int | None, np.ndarray, np.ndarray, np.ndarray]:
    """Return track id, (K, 3) keypoints, (4,) box and (4,) head box; NaN for absent boxes."""
    absent = np.full(4, np.nan)
    track_id = None
    if entry.get("track_id") is not None:
        track_id = fields.get_int(entry, "track_id", where)
    keypoints = np.zeros(3 * num_keypoints)
    if entry.get("keypoints") is not None and num_keypoints:
        keypoints = fields.get_numbers(entry, "keypoints", 3 * num_keypoints, where)
    has_box = entry.get("bbox") is not None
    box = fields.get_numbers(entry, "bbox", 4, where) if has_box else absent
    has_head = entry.get("bbox_head") is not None
    head = fields.get_numbers(entry, "bbox_head", 4, where) if has_head else absent
    return track_id, keypoints.reshape(num_keypoints, 3), box, head


def _check_ids(entries: list[Any], people: _People, source: str) -> list[Finding]:
    findings = []
    ids = Counter(e["id"] for e in entries if isinstance(e, dict) and isinstance(e.get("id"), int))
    repeated = [value for value, count in ids.items() if count > 1]
    if repeated:
        found = f"several annotations have id {repeated[0]}"
        mend = "give every annotation its own id"
        findings.append(Finding("person-repeated", source, found, mend, count=len(repeated)))
    untracked = np.array([track is None for track in people.track_id], bool)
    mend = "give every person of a frame its own track_id: the evaluator needs it"
    findings += _finding("track-id", untracked, people, source, "no track_id", mend)
    tracks = Counter(zip(people.image_id, people.track_id, strict=True))
    twice = [k for k, count in tracks.items() if count > 1 and k[1] is not None]
    if twice:
        found = f"track_id {twice[0][1]} occurs twice in image {twice[0][0]}"
        findings.append(Finding("track-id", source, found, mend, count=len(twice)))
    return findings


def _check_joints(
    people: _People, supervised: np.ndarray, image_wh: tuple[int, int] | None, source: str
) -> list[Finding]:
    keypoints = np.stack(people.keypoints)[:, supervised]  # (P, K', 3)
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    findings = _finding(
        "person-without-joints",
        ~visible.any(axis=1),
        people,
        source,
        "a person without labelled joints",
        "label its joints, or remove the annotation (it is never trained on)",
    )
    at_origin = visible & (xy == 0).all(axis=-1)
    findings += _finding(
        "joint-at-origin",
        at_origin.any(axis=1),
        people,
        source,
        "a joint labelled at (0, 0)",
        "set its visibility to 0 if it is not labelled",
    )
    hidden = ~visible & (xy != 0).any(axis=-1)
    findings += _finding(
        "hidden-joint",
        hidden.any(axis=1),
        people,
        source,
        "a joint with a place but visibility 0",
        "the evaluator counts it, training leaves it out; zero its place to leave it out of both",
        level="note",
    )
    if image_wh is not None:
        outside = np.where(visible & ~at_origin, np.maximum(-xy, xy - image_wh).max(axis=-1), 0)
        findings += _check_outside(outside.max(axis=1), image_wh, people, source)
    return findings


def _check_outside(
    outside: np.ndarray, image_wh: tuple[int, int], people: _People, source: str
) -> list[Finding]:
    """Judge by how many pixels the farthest joint of each of P people is outside."""
    far = outside > OUTSIDE_TOLERANCE * max(image_wh)
    near = (outside > 0) & ~far
    size = f"{image_wh[0]}x{image_wh[1]} image"
    return [
        *_finding(
            "joint-outside",
            far,
            people,
            source,
            f"a labelled joint {outside.max():.0f} pixels outside the {size}",
            "correct the joint, or set its visibility to 0",
        ),
        *_finding(
            "joint-outside",
            near,
            people,
            source,
            f"a labelled joint slightly outside the {size}",
            "usual for head top and neck, which are extrapolated",
            level="note",
        ),
    ]


def _check_boxes(
    people: _People, supervised: np.ndarray, image_wh: tuple[int, int] | None, source: str
) -> list[Finding]:
    box = np.stack(people.box)
    corner, side = box[:, :2], box[:, 2:]
    given = ~np.isnan(box[:, 0])
    empty = given & (side <= 0).any(axis=1)
    findings = _finding(
        "empty-box",
        empty,
        people,
        source,
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
            source,
            f"a bbox whose centre is outside the {image_wh[0]}x{image_wh[1]} image",
            "write bbox as left, top, width, height in pixels of the image",
        )
    keypoints = np.stack(people.keypoints)[:, supervised]
    xy, visible = keypoints[..., :2], keypoints[..., 2] > 0
    low, high = corner[:, None], (corner + side)[:, None]
    inside = ((xy >= low) & (xy <= high)).all(axis=-1) & visible
    few = inside.sum(axis=1) < MIN_SHARE_IN_BOX * visible.sum(axis=1)
    findings += _finding(
        "joints-off-box",
        usable & ~outside & few,
        people,
        source,
        "a bbox that holds less than half of the person's joints",
        "give the person its own box, as left, top, width, height",
    )
    return findings


def _check_heads(people: _People, supervised: np.ndarray, source: str) -> list[Finding]:
    head = np.stack(people.head)
    visible = (np.stack(people.keypoints)[:, supervised, 2] > 0).any(axis=1)
    unusable = np.isnan(head[:, 0]) | (head[:, 2:] <= 0).any(axis=1)
    return _finding(
        "head-box",
        visible & unusable,
        people,
        source,
        "a person with joints but without a usable bbox_head",
        "write its head box: AP measures distances in head sizes",
    )


def _finding(
    code: str,
    affected: ArrayLike,
    people: _People,
    source: str,
    found: str,
    mend: str,
    level: Level = "problem",
) -> list[Finding]:
    """Return one finding for the (P,) affected people, or none."""
    rows = np.flatnonzero(np.asarray(affected))
    if not len(rows):
        return []
    where = f"{source}: annotations[{people.index[rows[0]]}]"
    return [Finding(code, where, found, mend, level=level, count=len(rows))]
