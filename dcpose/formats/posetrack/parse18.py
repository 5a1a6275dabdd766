"""What the evaluation reads: people of the 2018 form as arrays, and 2017 files brought into it.

PoseTrack's evaluator decides what counts: joints are found by name, only (0, 0, 0) means absent,
people belong to an image by `image_id`, and only the first video of a file is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats.fields import RowError, bad_value, number_rows
from dcpose.formats.posetrack.annolist import REPEATED, UNKNOWN, read_annolist
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.formats.posetrack.video_poses import (
    CLEAN,
    NO_SCORE,
    TRACK_ID_LIMIT,
    Complaint,
    EvaluationInputError,
    Side,
    VideoPoses,
)
from dcpose.skeleton import POSETRACK, Skeleton


def parse_posetrack18(
    content: dict[str, Any], path: Path, side: Side, skeleton: Skeleton = POSETRACK
) -> VideoPoses:
    """Turn the content of a 2018 file into arrays.

    Args:
        content: the parsed JSON object; it has `images`.
        path: the file, for messages.
        side: annotations need no scores, predictions need no head boxes.
        skeleton: names the joints of the file and those that are evaluated.

    Raises:
        EvaluationInputError: if anything that the evaluation reads is missing or malformed.
    """
    complaint = Complaint(path)
    images, notes = read_images(content["images"], complaint)
    frames_by_id, id_notes = _frames_by_id(images)
    columns = joint_columns(content, complaint, skeleton)
    people, frame_of, lost = _read_people(content, frames_by_id, complaint, side)
    complaint = Complaint(path, [image["file_name"] for image in images], frame_of)
    notes += id_notes
    if lost:
        notes.append(f"{lost} annotations refer to unknown image ids: they are not evaluated")
    rings: dict[int, list[np.ndarray]] = {}
    if side == "annotations":
        rings, ring_notes = _read_ignore_regions(images, complaint)
        notes += ring_notes
    listed = np.ones(len(people), dtype=bool)
    return _poses(people, listed, columns, rings, notes, complaint, side, skeleton)


def parse_posetrack17(
    content: dict[str, Any], path: Path, side: Side, skeleton: Skeleton = POSETRACK
) -> VideoPoses:
    """Turn the content of a 2017 file, which has `annolist`, into arrays; see above."""
    try:
        lists = read_annolist(content, str(path), side, skeleton)
        regions = lists.ignore_regions() if side == "annotations" else []
    except ValueError as error:
        raise EvaluationInputError(str(error)) from None
    names = [name or f"annolist[{index}]" for index, name in enumerate(lists.names)]
    complaint = Complaint(path, names, lists.frame_of)
    num_joints = len(skeleton.evaluation_joints)
    notes = []
    if count := lists.oddities[UNKNOWN]:
        notes.append(f"{count} points have an id outside 0..{num_joints - 1}: unused")
    if count := lists.oddities[REPEATED]:
        notes.append(f"{count} points repeat an id: the first counts")
    rings = {
        frame: [
            read_ring(polygon, f"frame {names[frame]}: 'ignore_regions'", complaint)
            for polygon in polygons
        ]
        for frame, polygons in enumerate(regions)
        if polygons
    }
    columns = np.arange(num_joints), num_joints
    listed = np.array(lists.listed, dtype=bool)
    return _poses(lists.people, listed, columns, rings, notes, complaint, side, skeleton)


def _poses(
    people: list[dict[str, Any]],
    listed: np.ndarray,
    columns: tuple[np.ndarray, int],
    rings: dict[int, list[np.ndarray]],
    notes: list[str],
    complaint: Complaint,
    side: Side,
    skeleton: Skeleton,
) -> VideoPoses:
    """Return the arrays of a video from entries of the 2018 form, one per person.

    Args:
        people: P entries, frames ascending.
        listed: (P,) bool, see `VideoPoses`.
        columns: where the entries keep each evaluated joint, and how many joints they list.
        rings: ignore regions by frame.
        notes: what was found so far.
        complaint: names the file, its frames and the frame of each of the people.
        side: which file it is.
        skeleton: names the joints.
    """
    joints, present = _read_joints(people, *columns, complaint, skeleton)
    scores = np.zeros(present.shape)
    if side == "predictions":
        scores, surplus = _read_scores(people, *columns, complaint)
        if surplus:
            notes.append(f"{surplus} people have more scores than joints: the surplus is not read")
    track_ids, id_notes = _read_track_ids(people, listed, complaint, side)
    notes += id_notes + value_notes(joints, present, scores, side)
    has_head_box, head_boxes = _read_head_boxes(people, complaint, side)
    conditions = np.full(len(people), None)
    if side == "annotations":
        conditions, condition_notes = _read_conditions(people)
        notes += condition_notes
    return VideoPoses(
        path=complaint.path,
        frame_names=list(complaint.frame_names),
        frame_of=np.array(complaint.frame_of, dtype=np.int64),
        joints=joints,
        present=present,
        scores=scores,
        listed=listed,
        has_head_box=has_head_box,
        head_boxes=head_boxes,
        track_ids=track_ids,
        boxes_xywh=_read_boxes(people),
        conditions=conditions,
        ignore_regions=rings,
        notes=notes,
    )


def read_images(images: Any, complaint: Complaint) -> tuple[list[dict[str, Any]], list[str]]:  # noqa: ANN401
    """Check the `images` of a 2018 file.

    Args:
        images: the value under `images`.
        complaint: names the file.

    Returns:
        the images of the first video, in order, each with `file_name` and `id`; and notes.

    Raises:
        EvaluationInputError: for an empty list, an image without name or id, or a name that does
            not tell video and frame.
    """
    if not isinstance(images, list) or not images:
        raise complaint.error("'images' is empty or no list, expected one entry per frame")
    videos: list[int] = []
    for position, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str):
            raise complaint.error(f"images[{position}] has no 'file_name', expected a path")
        if type(image.get("id")) not in (int, float, str):
            raise complaint.error(f"images[{position}] ({name}) has no 'id', expected an integer")
        try:
            videos.append(parse_frame_name(name).video)
        except ValueError as error:
            raise complaint.error(f"images[{position}]: {error}") from None
    # a file holds one video; of others only the first is used, wherever its images are
    used = [image for image, video in zip(images, videos, strict=True) if video == videos[0]]
    notes = []
    if len(used) < len(images):
        notes.append(
            f"the file holds {len(set(videos))} videos, only the {len(used)} images of the first "
            f"({used[0]['file_name'].split('/')[-2]}) are used; write one file per video"
        )
    return used, notes


def _frames_by_id(images: list[dict[str, Any]]) -> tuple[dict[Any, list[int]], list[str]]:
    """Return the frames of every image id, and notes."""
    frames_by_id: dict[Any, list[int]] = {}
    for frame, image in enumerate(images):
        frames_by_id.setdefault(image["id"], []).append(frame)
    repeated = len(images) - len(frames_by_id)
    if not repeated:
        return frames_by_id, []
    return frames_by_id, [
        f"{repeated} images repeat the id of another: each gets the people of that id"
    ]


def joint_columns(
    content: dict[str, Any], complaint: Complaint, skeleton: Skeleton = POSETRACK
) -> tuple[np.ndarray, int]:
    """Find the evaluated joints by name.

    Args:
        content: the parsed 2018 file.
        complaint: names the file.
        skeleton: names the joints.

    Returns:
        (J,) int64 where the file keeps each evaluated joint, and how many joints it lists.

    Raises:
        EvaluationInputError: if `categories` is not one person category with the names of the
            skeleton; names of further joints do not matter.
    """
    categories = content.get("categories")
    if not isinstance(categories, list) or len(categories) != 1:
        found = f"{len(categories)} categories" if isinstance(categories, list) else "none"
        raise complaint.error(
            f"'categories': found {found}, expected exactly one, named 'person', whose "
            "'keypoints' list the joint names"
        )
    category = categories[0] if isinstance(categories[0], dict) else {}
    if category.get("name") != "person":
        found = bad_value(category.get("name"))
        raise complaint.error(f"'categories': the name is {found}, expected 'person'")
    names = category.get("keypoints")
    count, num_evaluated = skeleton.num_joints, len(skeleton.evaluation_joints)
    if not isinstance(names, list) or (
        len(names) not in (num_evaluated, count)
        and any(name not in names for name in skeleton.joint_names)
    ):
        found = f"{len(names)} names" if isinstance(names, list) else bad_value(names)
        raise complaint.error(
            f"'keypoints' of the category: found {found}, expected the {count} joint names of the "
            f"skeleton {skeleton.name} (or the {num_evaluated} that are evaluated)"
        )
    wanted = skeleton.evaluation_joints
    missing = [name for name in wanted if names.count(name) != 1]
    if missing:
        raise complaint.error(
            f"'keypoints' of the category: {', '.join(missing)} not listed exactly once; rename "
            f"the joints to those of the skeleton {skeleton.name}: "
            f"{', '.join(skeleton.joint_names)}"
        )
    return np.array([names.index(name) for name in wanted]), len(names)


def _read_people(
    content: dict[str, Any], frames_by_id: dict[Any, list[int]], complaint: Complaint, side: Side
) -> tuple[list[dict[str, Any]], list[int], int]:
    """Return annotations sorted by frame, the frame of each, and how many belong to no frame."""
    annotations = content.get("annotations")
    if not isinstance(annotations, list):
        hint = (
            "an empty list is fine"
            if side == "predictions"
            else "files of the test set have none and can only be scored by the server"
        )
        raise complaint.error(f"'annotations' is missing or no list, expected the people; {hint}")
    placed: list[tuple[int, int]] = []
    lost = 0
    for position, annotation in enumerate(annotations):
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if type(image_id) not in (int, float, str):
            raise complaint.error(
                f"annotations[{position}]: 'image_id' is {bad_value(image_id)}, expected the 'id' "
                "of an image"
            )
        frames = frames_by_id.get(image_id, [])
        lost += not frames
        placed += [(frame, position) for frame in frames]
    placed.sort()
    return [annotations[i] for _, i in placed], [frame for frame, _ in placed], lost


def _read_joints(
    people: list[dict[str, Any]],
    columns: np.ndarray,
    num_names: int,
    complaint: Complaint,
    skeleton: Skeleton,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, J, 2) coordinates and (P, J) presence."""
    rows = [person.get("keypoints") for person in people]
    width = 3 * num_names
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            found = f"{len(row)} numbers" if isinstance(row, list) else bad_value(row)
            raise complaint.person_error(
                index,
                f"'keypoints' has {found}, expected {width} (x, y and a third value for each of "
                f"the {num_names} joints of the category)",
            )
    try:
        values, is_null = number_rows(rows, width)
    except RowError as error:
        raise complaint.person_error(
            error.index, f"'keypoints' has {error.found}, expected numbers"
        ) from None
    triplets = values.reshape(-1, num_names, 3)[:, columns]
    present = (triplets != 0).any(axis=-1)
    if is_null.any():
        null_xy = np.any(is_null.reshape(-1, num_names, 3)[:, columns, :2], axis=-1)
        check_coordinates(np.asarray(null_xy), skeleton.evaluation_names, complaint)
    return triplets[..., :2], present


def _read_scores(
    people: list[dict[str, Any]], columns: np.ndarray, num_names: int, complaint: Complaint
) -> tuple[np.ndarray, int]:
    """Return (P, J) joint scores and the number of people with more scores than joints."""
    scores = np.full((len(people), len(columns)), NO_SCORE)
    scored = [i for i, person in enumerate(people) if person.get("scores") not in (None, [])]
    rows = [people[i]["scores"] for i in scored]
    try:
        values, _ = number_rows(rows, num_names)
    except RowError as error:
        raise complaint.person_error(
            scored[error.index],
            f"'scores' has {error.found}, expected {num_names} numbers, one per joint",
        ) from None
    scores[scored] = values[:, columns]
    return scores, sum(len(row) > num_names for row in rows)


def _read_track_ids(
    people: list[dict[str, Any]], listed: np.ndarray, complaint: Complaint, side: Side
) -> tuple[np.ndarray, list[str]]:
    """Return (P,) track ids, and notes.

    People without a list of points are never evaluated and need no id: NaN.
    """
    checked = [k for k, person in enumerate(people) if listed[k] or "track_id" in person]
    track_ids = [people[k].get("track_id", "missing") for k in checked]
    frames = [complaint.frame_of[k] for k in checked]
    notes = check_track_ids(track_ids, replace(complaint, frame_of=frames), side)
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
    has_box[:] = ["bbox_head" in person for person in people]
    boxed = np.flatnonzero(has_box)
    try:
        boxes, is_null = number_rows([people[i]["bbox_head"] for i in boxed], 4)
    except RowError as error:
        raise complaint.person_error(
            int(boxed[error.index]),
            f"'bbox_head' has {error.found}, expected x, y, width, height of the head "
            "(in 2017 files x1, y1, x2, y2, each in a list of one)",
        ) from None
    if is_null.any():
        raise complaint.person_error(
            int(boxed[is_null.any(axis=1).argmax()]), "'bbox_head' holds null, expected 4 numbers"
        )
    corners[boxed, :2] = boxes[:, :2]
    # rounded here on purpose: the evaluator computes the width again, as (x + w) - x
    corners[boxed, 2:] = boxes[:, :2] + boxes[:, 2:]
    return has_box, corners


def _read_boxes(people: list[dict[str, Any]]) -> np.ndarray:
    """Return (P, 4) person boxes; NaN for those that are not four numbers, which is allowed."""
    boxes = np.full((len(people), 4), np.nan)
    for index, person in enumerate(people):
        box = person.get("bbox")
        if isinstance(box, list) and len(box) == 4 and set(map(type, box)) <= {int, float}:
            with contextlib.suppress(OverflowError):  # a whole number beyond the range of floats
                boxes[index] = box
    return boxes


def _read_conditions(people: list[dict[str, Any]]) -> tuple[np.ndarray, list[str]]:
    """Return (P,) sets of labels, None for people without a list of them, and notes."""
    conditions = np.full(len(people), None)
    unusable = 0
    for index, person in enumerate(people):
        labels = person.get("conditions")
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            conditions[index] = frozenset(labels or [CLEAN])
        else:
            unusable += labels is not None
    if not unusable:
        return conditions, []
    return conditions, [
        f"the conditions of {unusable} people are no lists of labels: they are in no subset"
    ]


def _read_ignore_regions(
    images: list[dict[str, Any]], complaint: Complaint
) -> tuple[dict[int, list[np.ndarray]], list[str]]:
    """Return the rings of the frames that have some, and notes."""
    rings: dict[int, list[np.ndarray]] = {}
    uneven = 0
    for frame, image in enumerate(images):
        all_x, all_y = image.get("ignore_regions_x", []), image.get("ignore_regions_y", [])
        where = f"frame {image['file_name']}: ignore_regions_x and ignore_regions_y"
        if not isinstance(all_x, list) or not isinstance(all_y, list):
            raise complaint.error(f"{where} have to be lists of polygons")
        uneven += len(all_x) != len(all_y)
        for xs, ys in zip(all_x, all_y, strict=False):
            if not isinstance(xs, list) or not isinstance(ys, list):
                raise complaint.error(f"{where} hold {bad_value(xs)}, expected lists of numbers")
            uneven += len(xs) != len(ys)
            ring = read_ring([list(point) for point in zip(xs, ys, strict=False)], where, complaint)
            rings.setdefault(frame, []).append(ring)
    if not uneven:
        return rings, []
    return rings, [f"{uneven} ignore regions have x and y lists of different length: cut"]


def read_ring(points: list[list[Any]], where: str, complaint: Complaint) -> np.ndarray:
    """Check one polygon of points [x, y] and return its (N, 2) float64 ring.

    Raises:
        EvaluationInputError: if it has one or two points or a coordinate is no finite number.
    """
    try:
        ring, _ = number_rows(points, 2)
    except RowError as error:
        raise complaint.error(f"{where}: a point has {error.found}, expected numbers") from None
    if len(ring) in (1, 2):
        raise complaint.error(
            f"{where}: a polygon has {len(ring)} points, expected at least 3; remove it"
        )
    if not np.isfinite(ring).all():
        raise complaint.error(f"{where}: a polygon has a coordinate that is not finite; remove it")
    return ring


def check_coordinates(
    is_null: np.ndarray, joint_names: Sequence[str], complaint: Complaint
) -> None:
    """Raise EvaluationInputError for the first present joint whose coordinates are null.

    Args:
        is_null: (P, J) bool, True for joints that are present and have a null coordinate.
        joint_names: J names for messages.
        complaint: names the file and its people.
    """
    if is_null.any():
        person, joint = np.argwhere(is_null)[0]
        raise complaint.person_error(
            int(person),
            f"joint {joint_names[joint]} has a null coordinate, expected numbers; "
            "leave an unknown joint out (0, 0, 0 in 2018 files, no point in 2017 files)",
        )


def check_track_ids(track_ids: list[Any], complaint: Complaint, side: Side) -> list[str]:
    """Check the track ids of all people and return notes.

    Args:
        track_ids: one per person, in the order of `complaint.frame_of`; the string "missing"
            stands for people without one.
        complaint: names the file and its people.
        side: ids of predictions have to be unique inside a frame.

    Raises:
        EvaluationInputError: for an id that is missing, no number, too large or used twice.
    """
    seen: dict[tuple[int, float], int] = {}
    repeated = 0
    for person, (frame, track_id) in enumerate(zip(complaint.frame_of, track_ids, strict=True)):
        if type(track_id) not in (int, float) or not track_id < TRACK_ID_LIMIT:
            found = "no track_id" if track_id == "missing" else f"track_id {bad_value(track_id)}"
            raise complaint.person_error(
                person,
                f"{found}, expected a whole number 0..{TRACK_ID_LIMIT - 1}; numbering the people "
                "of each frame 0, 1, 2, ... is enough for AP",
            )
        first = seen.setdefault((frame, track_id), person)
        if first != person and side == "predictions":
            raise complaint.person_error(
                person,
                f"track_id {track_id} is already used in this frame, expected unique ids; "
                "numbering the people of each frame 0, 1, 2, ... is enough for AP",
            )
        repeated += first != person
    negative = sum(track_id < 0 for track_id in track_ids)
    notes = [f"{repeated} people share a track_id with another of their frame"] if repeated else []
    return notes + ([f"{negative} people have a negative track_id"] if negative else [])


def value_notes(
    joints: np.ndarray, present: np.ndarray, scores: np.ndarray, side: Side
) -> list[str]:
    """Return notes about coordinates and scores that are legal but probably wrong.

    Args:
        joints: (P, J, 2) coordinates.
        present: (P, J) bool.
        scores: (P, J) joint scores; only looked at for predictions.
        side: which file they come from.
    """
    notes = []
    not_finite = int((present & ~np.isfinite(joints).all(axis=-1)).sum())
    if not_finite:
        notes.append(f"{not_finite} joints have coordinates that are not finite: never a match")
    if side == "annotations":
        return notes
    unscored = int((present & (scores == NO_SCORE)).sum())
    if unscored:
        notes.append(f"{unscored} joints have no score: they rank last, as {NO_SCORE:.0f}")
    not_finite = int((present & ~np.isfinite(scores)).sum())
    if not_finite:
        notes.append(f"{not_finite} joint scores are not finite: NaN and null rank first")
    return notes
