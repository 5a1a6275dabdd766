"""Predictions from the 2018 form to the 2017 form of PoseTrack, and back.

Both directions keep frames, people, tracks, person scores, and the 15 evaluated joints with their
scores, so AP does not change. The 2017 form has no place for ears and person boxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dcpose.evaluation.frame_names import parse_frame_name
from dcpose.evaluation.posetrack17 import image_name, person_points, read_frames
from dcpose.evaluation.posetrack18 import joint_columns, read_images
from dcpose.evaluation.predictions import ALMOST_ZERO
from dcpose.evaluation.video_poses import NO_SCORE, Complaint
from dcpose.skeleton import EVALUATION_JOINTS, EVALUATION_NAME_OF, POSETRACK

BOX_ENLARGE = 1.3
"""Person box of converted 2017 people: extent of the joints times this, as poseval's converter."""


def to_posetrack17(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert 2018 predictions that `read_poses` accepts.

    Args:
        content: parsed 2018 file.
        path: the file, for messages.

    Returns:
        object with `annolist`; image names unchanged, one entry per image, no filler people.
    """
    images, _ = read_images(content["images"], Complaint(path))
    columns, _ = joint_columns(content, Complaint(path))
    people: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for annotation in content["annotations"]:
        if annotation["image_id"] in people:
            people[annotation["image_id"]].append(_person17(annotation, columns))
    return {
        "annolist": [
            {
                "image": [{"name": image["file_name"]}],
                "imgnum": [number],
                "annorect": people[image["id"]],
            }
            for number, image in enumerate(images, start=1)
        ]
    }


def _person17(annotation: dict[str, Any], columns: np.ndarray) -> dict[str, Any]:
    keypoints, scores = annotation["keypoints"], annotation.get("scores")
    points = []
    for joint_id, column in enumerate(columns.tolist()):
        x, y, third = keypoints[3 * column : 3 * column + 3]
        if x == 0 and y == 0 and third == 0:
            continue
        point = {"id": [joint_id], "x": [x], "y": [y]}
        points.append({**point, "score": [scores[column]]} if scores else point)
    return {
        "track_id": [annotation["track_id"]],
        "score": [annotation.get("score", 0)],
        "annopoints": [{"point": points}],
    }


def to_posetrack18(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert 2017 predictions that `read_poses` accepts.

    Image ids come from the image names. The person box is the extent of the joints, enlarged.

    Args:
        content: parsed 2017 file.
        path: the file, for messages.

    Raises:
        EvaluationInputError: if an image name does not tell video and frame.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, frame in enumerate(read_frames(content["annolist"], Complaint(path))):
        name = image_name(frame, index)
        try:
            image_id = parse_frame_name(name).image_id
        except ValueError as error:
            raise Complaint(path).error(f"annolist[{index}]: {error}") from None
        images.append({"id": image_id, "frame_id": image_id, "file_name": name})
        for person in frame["annorect"]:
            if person_points(person) is not None:
                entry = _person18(person)
                annotations.append({"image_id": image_id, "id": len(annotations) + 1, **entry})
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def _person18(person: dict[str, Any]) -> dict[str, Any]:
    points: dict[Any, dict[str, Any]] = {}
    for point in person_points(person) or []:
        points.setdefault(point["id"][0], point)  # of a repeated id the first entry counts
    names = [EVALUATION_NAME_OF.get(name, name) for name in POSETRACK.joint_names]
    ids = [EVALUATION_JOINTS.index(n) if n in EVALUATION_JOINTS else None for n in names]
    keypoints, scores = [], []
    for point in (points.get(joint_id) for joint_id in ids):
        if point is None:
            keypoints += [0.0, 0.0, 0.0]
            scores.append(0.0)
            continue
        x, y, score = point["x"][0], point["y"][0], point.get("score", [NO_SCORE])[0]
        keypoints += [x, y, score if x or y or score else ALMOST_ZERO]
        scores.append(score)
    return {
        "track_id": person["track_id"][0],
        "category_id": 1,
        "bbox": _box_around(list(points.values())),
        "score": person.get("score", [0])[0],
        "keypoints": keypoints,
        "scores": scores,
    }


def _box_around(points: list[dict[str, Any]]) -> list[float]:
    """Return left, top, width, height of the enlarged extent of 2017 points."""
    if not points:
        return [0.0, 0.0, 0.0, 0.0]
    xy = np.array([[point["x"][0], point["y"][0]] for point in points], dtype=np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    with np.errstate(invalid="ignore"):  # infinite coordinates give a box of NaN
        size = BOX_ENLARGE * (high - low)
        return [*((low + high - size) / 2).tolist(), *size.tolist()]
