"""What the evaluation reads of annotations and predictions, in the 2018 or the 2017 form.

PoseTrack's evaluator decides what counts: joints are found by name, only (0, 0, 0) means absent,
people belong to an image by `image_id`, and only the first video of a file is used.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dcpose.formats.fields import RowError, bad_value, number_rows
from dcpose.formats.posetrack.annolist import REPEATED, UNKNOWN, read_annolist
from dcpose.formats.posetrack.names import videos_of
from dcpose.formats.posetrack.person_arrays import People
from dcpose.formats.posetrack.video_poses import Complaint, Side, VideoPoses
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
        ValueError: if anything that the evaluation reads is missing or malformed.
    """
    complaint = Complaint(path)
    notes: list[str] = []
    images = read_images(content["images"], complaint, notes)
    frames_by_id: dict[Any, list[int]] = {}
    for frame, image in enumerate(images):
        frames_by_id.setdefault(image["id"], []).append(frame)
    if repeated := len(images) - len(frames_by_id):
        notes.append(f"{repeated} images repeat the id of another: each gets the people of that id")
    columns = joint_columns(content, complaint, skeleton)
    people, frame_of = _read_people(content, frames_by_id, complaint, side, notes)
    complaint = Complaint(path, [image["file_name"] for image in images], frame_of)
    rings = _read_ignore_regions(images, complaint, notes) if side == "annotations" else {}
    everybody = np.ones(len(people), dtype=bool)
    return People(people, everybody, *columns, complaint, notes).to_poses(side, rings, skeleton)


def parse_posetrack17(
    content: dict[str, Any], path: Path, side: Side, skeleton: Skeleton = POSETRACK
) -> VideoPoses:
    """Turn the content of a 2017 file, which has `annolist`, into arrays; see above."""
    lists = read_annolist(content, str(path), side, skeleton)
    regions = lists.ignore_regions() if side == "annotations" else []
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
    people = People(lists.people, listed, *columns, complaint, notes)
    return people.to_poses(side, rings, skeleton)


def read_images(
    images: Any,  # noqa: ANN401 - anything that JSON can hold
    complaint: Complaint,
    notes: list[str],
) -> list[dict[str, Any]]:
    """Check the `images` of a 2018 file.

    Args:
        images: the value under `images`.
        complaint: names the file.
        notes: takes what is legal but probably wrong.

    Returns:
        the images of the first video, in order, each with `file_name` and `id`.

    Raises:
        ValueError: for an empty list, an image without name or id, or a name that does
            not tell video and frame although the ids are PoseTrack's.
    """
    if not isinstance(images, list) or not images:
        raise complaint.error("'images' is empty or no list, expected one entry per frame")
    for position, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str):
            raise complaint.error(f"images[{position}] has no 'file_name', expected a path")
        if type(image.get("id")) not in (int, float, str):
            raise complaint.error(f"images[{position}] ({name}) has no 'id', expected an integer")
    try:
        videos = videos_of([(image["id"], image["file_name"]) for image in images])
    except ValueError as error:
        raise complaint.error(str(error)) from None
    # a file holds one video; of others only the first is used, wherever its images are
    used = [image for image, video in zip(images, videos, strict=True) if video == videos[0]]
    if len(used) < len(images):
        first = PurePosixPath(used[0]["file_name"]).parent.name
        notes.append(
            f"the file holds {len(set(videos))} videos, only the {len(used)} images of the first "
            f"({first}) are used; write one file per video"
        )
    return used


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
        ValueError: if `categories` is not one person category with the names of the
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
    content: dict[str, Any],
    frames_by_id: dict[Any, list[int]],
    complaint: Complaint,
    side: Side,
    notes: list[str],
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return annotations sorted by frame, and the frame of each."""
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
    if lost:
        notes.append(f"{lost} annotations refer to unknown image ids: they are not evaluated")
    placed.sort()
    return [annotations[i] for _, i in placed], [frame for frame, _ in placed]


def _read_ignore_regions(
    images: list[dict[str, Any]], complaint: Complaint, notes: list[str]
) -> dict[int, list[np.ndarray]]:
    """Return the rings of the frames that have some."""
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
    if uneven:
        notes.append(f"{uneven} ignore regions have x and y lists of different length: cut")
    return rings


def read_ring(points: list[list[Any]], where: str, complaint: Complaint) -> np.ndarray:
    """Check one polygon of points [x, y] and return its (N, 2) float64 ring.

    Raises:
        ValueError: if it has one or two points or a coordinate is no finite number.
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
