"""Reading the PoseTrack 2017 form: `annolist`, one entry per frame, scalars in lists of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.evaluation.ignore_regions import read_ring
from dcpose.formats.posetrack.video_poses import (
    NO_SCORE,
    Complaint,
    RowError,
    Side,
    VideoPoses,
    bad_value,
    check_coordinates,
    check_track_ids,
    number_rows,
    value_notes,
)
from dcpose.skeleton import POSETRACK, Skeleton

HEAD_KEYS = ("x1", "y1", "x2", "y2")
"""Corners of the head box of a person, each a number in a list of one."""


@dataclass
class _Points:
    """The points of all people, one entry per point.

    Attributes:
        person: which person a point belongs to.
        rows: point id, x, y, score of each point, as the file gives them.
    """

    person: list[int] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)


def parse_posetrack17(
    content: dict[str, Any], path: Path, side: Side, skeleton: Skeleton = POSETRACK
) -> VideoPoses:
    """Turn the content of a 2017 file into arrays.

    Args:
        content: the parsed JSON object; it has `annolist`.
        path: the file, for messages.
        side: annotations need no scores, predictions need no head boxes.
        skeleton: its evaluation joints are what point ids count.

    Raises:
        EvaluationInputError: if anything that the evaluation reads is missing or malformed.
    """
    complaint = Complaint(path)
    frames = read_frames(content["annolist"], complaint)
    names = [image_name(frame, index) for index, frame in enumerate(frames)]
    people, frame_of = _read_people(frames, names, complaint)
    complaint = Complaint(path, names, frame_of)

    points, listed = _read_points(people, complaint, side)
    joints, present, scores, notes = _arrange(points, len(people), complaint, skeleton)
    track_ids, id_notes = _read_ids_of_listed(people, frame_of, listed, complaint, side)
    notes += id_notes
    notes += value_notes(joints, present, scores, side)
    has_head_box, head_boxes = _read_head_boxes(people, complaint, side)
    return VideoPoses(
        path=path,
        frame_names=names,
        frame_of=np.array(frame_of, dtype=np.int64),
        joints=joints,
        present=present,
        scores=scores,
        listed=listed,
        has_head_box=has_head_box,
        head_boxes=head_boxes,
        track_ids=track_ids,
        boxes_xywh=np.full((len(people), 4), np.nan),  # the form has head boxes only
        conditions=np.full(len(people), None),
        ignore_regions=_read_ignore_regions(frames, names, complaint, side),
        notes=notes,
    )


def read_frames(annolist: Any, complaint: Complaint) -> list[dict[str, Any]]:  # noqa: ANN401
    """Check the `annolist` of a 2017 file and return its frames.

    Raises:
        EvaluationInputError: if it is empty or an entry is no object.
    """
    if not isinstance(annolist, list) or not annolist:
        raise complaint.error("'annolist' is empty or no list, expected one entry per frame")
    for index, frame in enumerate(annolist):
        if not isinstance(frame, dict):
            raise complaint.error(f"annolist[{index}] is {bad_value(frame)}, expected an object")
    return annolist


def image_name(frame: dict[str, Any], index: int) -> str:
    """Return the image name of a 2017 frame, or its position where it has none.

    DCPose writes `image` as an object, PoseTrack as a list of one object.
    """
    image = frame.get("image")
    if isinstance(image, list) and image:
        image = image[0]
    name = image.get("name") if isinstance(image, dict) else None
    return name if isinstance(name, str) else f"annolist[{index}]"


def person_points(rect: dict[str, Any]) -> Any | None:  # noqa: ANN401
    """Return the list of points of a 2017 person, not checked; None if there is no such list."""
    annopoints = rect.get("annopoints")
    holder = annopoints[0] if isinstance(annopoints, list) and annopoints else None
    return holder.get("point") if isinstance(holder, dict) else None


def _read_people(
    frames: list[dict[str, Any]], names: list[str], complaint: Complaint
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the people of all frames and the frame of each."""
    people: list[dict[str, Any]] = []
    frame_of: list[int] = []
    for index, (frame, name) in enumerate(zip(frames, names, strict=True)):
        rects = frame.get("annorect")
        if not isinstance(rects, list) or not all(isinstance(rect, dict) for rect in rects):
            raise complaint.error(
                f"frame {name}: 'annorect' is {bad_value(rects)}, expected a list of people; "
                "an empty list is fine"
            )
        people += rects
        frame_of += [index] * len(rects)
    return people, frame_of


def _read_points(
    people: list[dict[str, Any]], complaint: Complaint, side: Side
) -> tuple[_Points, np.ndarray]:
    """Return the points of all people and (P,) whether a person has a list of points."""
    points = _Points()
    listed = np.zeros(len(people), dtype=bool)
    for person, rect in enumerate(people):
        rect_points = person_points(rect)
        if rect_points is None:
            continue
        listed[person] = True
        try:
            if side == "predictions":
                rows = [
                    [p["id"][0], p["x"][0], p["y"][0], p["score"][0] if "score" in p else NO_SCORE]
                    for p in rect_points
                ]
            else:
                rows = [[p["id"][0], p["x"][0], p["y"][0], 0.0] for p in rect_points]
        except (TypeError, KeyError, IndexError):
            raise _point_error(person, rect_points, complaint) from None
        points.rows += rows
        points.person += [person] * len(rows)
    return points, listed


def _point_error(person: int, points: Any, complaint: Complaint) -> Exception:  # noqa: ANN401
    """Return the error about the first malformed point of a person."""
    expected = "expected id, x, y (and score), each a number in a list of one, like [12.5]"
    if not isinstance(points, list):
        return complaint.person_error(person, f"'point' is {bad_value(points)}, expected a list")
    for number, point in enumerate(points):
        if not isinstance(point, dict):
            return complaint.person_error(person, f"point {number} is no object, {expected}")
        for key in ("id", "x", "y", "score"):
            value = point.get(key, [0] if key == "score" else None)
            if not isinstance(value, list) or not value:
                found = bad_value(value) if key in point else "missing"
                return complaint.person_error(
                    person, f"point {number}: {key!r} is {found}, {expected}"
                )
    return complaint.person_error(person, f"a point cannot be read, {expected}")


def _arrange(
    points: _Points, num_people: int, complaint: Complaint, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return (P, J, 2) coordinates, (P, J) presence, (P, J) scores, and notes."""
    num_joints = len(skeleton.evaluation_joints)
    joints = np.zeros((num_people, num_joints, 2))
    present = np.zeros((num_people, num_joints), dtype=bool)
    scores = np.full((num_people, num_joints), NO_SCORE)
    try:
        values, is_null = number_rows(points.rows, 4)
    except RowError as error:
        raise complaint.person_error(
            points.person[error.index],
            f"a point has {error.found} of id, x, y, score, expected numbers",
        ) from None
    person = np.array(points.person, dtype=np.int64)
    known = np.isin(values[:, 0], np.arange(num_joints))
    # of a point id that a person lists twice the first entry counts, so it is assigned last
    order = np.flatnonzero(known)[::-1]
    at = (person[order], values[order, 0].astype(np.int64))
    joints[at] = values[order, 1:3]
    scores[at] = values[order, 3]
    present[at] = True
    null_xy = np.zeros(present.shape, dtype=bool)
    null_xy[at] = is_null[order, 1:3].any(axis=1)
    check_coordinates(null_xy, skeleton.evaluation_names, complaint)
    notes = []
    if not known.all():
        notes.append(f"{int((~known).sum())} points have an id outside 0..{num_joints - 1}: unused")
    if present.sum() < known.sum():
        notes.append(f"{int(known.sum() - present.sum())} points repeat an id: the first counts")
    return joints, present, scores, notes


def _read_ids_of_listed(
    people: list[dict[str, Any]],
    frame_of: list[int],
    listed: np.ndarray,
    complaint: Complaint,
    side: Side,
) -> tuple[np.ndarray, list[str]]:
    """Return (P,) track ids, and notes.

    People without a list of points are never evaluated and need no id: NaN.
    """
    track_ids: list[Any] = []
    checked: list[int] = []
    for person, rect in enumerate(people):
        if "track_id" not in rect and not listed[person]:
            continue
        value = rect.get("track_id", ["missing"])
        in_list = isinstance(value, list) and value
        track_ids.append(value[0] if in_list else f"{bad_value(value)}, not in a list of one")
        checked.append(person)
    frames = [frame_of[person] for person in checked]
    complaint = Complaint(complaint.path, complaint.frame_names, frames)
    notes = check_track_ids(track_ids, complaint, side)
    ids = np.full(len(people), np.nan)
    ids[checked] = track_ids
    return ids, notes


def _read_head_boxes(
    people: list[dict[str, Any]], complaint: Complaint, side: Side
) -> tuple[np.ndarray, np.ndarray]:
    """Return (P,) whether a head box is given, and (P, 4) its corners."""
    corners = np.zeros((len(people), 4))
    has_box = np.zeros(len(people), dtype=bool)
    if side == "predictions":
        return has_box, corners
    has_box[:] = [all(key in person for key in HEAD_KEYS) for person in people]
    boxed = np.flatnonzero(has_box)
    rows = []
    for person in boxed:
        values = [people[person][key] for key in HEAD_KEYS]
        rows.append([v[0] if isinstance(v, list) and v else "no one-element list" for v in values])
    try:
        boxes, is_null = number_rows(rows, 4)
    except RowError as error:
        raise complaint.person_error(
            int(boxed[error.index]),
            f"head box has {error.found} of x1, y1, x2, y2, expected numbers in lists of one",
        ) from None
    if is_null.any():
        raise complaint.person_error(
            int(boxed[is_null.any(axis=1).argmax()]), "head box x1, y1, x2, y2 holds null"
        )
    corners[boxed] = boxes
    return has_box, corners


def _read_ignore_regions(
    frames: list[dict[str, Any]], names: list[str], complaint: Complaint, side: Side
) -> dict[int, list[np.ndarray]]:
    """Return the rings of the frames that have some."""
    rings: dict[int, list[np.ndarray]] = {}
    if side == "predictions":
        return rings
    for index, (frame, name) in enumerate(zip(frames, names, strict=True)):
        where = f"frame {name}: 'ignore_regions'"
        try:
            polygons = [
                [[point["x"][0], point["y"][0]] for point in region["point"]]
                for region in frame.get("ignore_regions", [])
            ]
        except (TypeError, KeyError, IndexError):
            raise complaint.error(
                f"{where} cannot be read, expected [{{'point': [{{'x': [1], 'y': [2]}}, ...]}}]"
            ) from None
        if polygons:
            rings[index] = [read_ring(polygon, where, complaint) for polygon in polygons]
    return rings
