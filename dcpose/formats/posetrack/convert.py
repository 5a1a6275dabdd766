"""Files of one video from the 2018 form of PoseTrack to the 2017 form, and back.

Annotations and predictions keep frames, people, tracks, the 15 evaluated joints, and what decides
about them (visibility, head boxes and ignore regions; joint scores), so AP does not change. What
the other form has no place for is left out and counted, field by field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats.posetrack.names import FrameName, parse_frame_name
from dcpose.formats.posetrack.parse17 import HEAD_KEYS, image_name, person_points, read_frames
from dcpose.formats.posetrack.parse18 import joint_columns, read_images
from dcpose.formats.posetrack.predictions import ALMOST_ZERO
from dcpose.formats.posetrack.video_poses import NO_SCORE, Complaint, Side
from dcpose.skeleton import POSETRACK, Skeleton

BOX_ENLARGE = 1.3
"""Person box of converted 2017 people: extent of the joints times this, as poseval's converter."""

_IMAGE_FIELDS = {"file_name", "is_labeled", "ignore_regions_x", "ignore_regions_y"}
_PERSON_FIELDS = {"image_id", "track_id", "category_id", "score", "scores", "keypoints"}
_FRAME_FIELDS = {"image", "imgnum", "is_labeled", "annorect", "ignore_regions"}
_RECT_FIELDS = {"track_id", "score", "annopoints", *HEAD_KEYS}

_HIDDEN = "hidden joint kept (training counts it in the 2017 form and not in the 2018 form)"

Losses = Counter[str]
"""How often each kind of thing was left out, or changed because the form has no word for it."""


def to_posetrack17(
    content: dict[str, Any],
    path: Path,
    side: Side = "predictions",
    skeleton: Skeleton = POSETRACK,
) -> tuple[dict[str, Any], Losses]:
    """Convert a 2018 file that `read_poses` accepts, or annotations that hold images only.

    Args:
        content: parsed 2018 file.
        path: the file, for messages.
        side: which kind of file it is.
        skeleton: point ids count its evaluation joints.

    Returns:
        object with `annolist`; image names unchanged, one entry per image, no filler people; and
        what was left out.
    """
    images, _ = read_images(content["images"], Complaint(path))
    losses = Losses({"image of another video": len(content["images"]) - len(images)})
    people: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    if content.get("annotations"):
        columns, _ = joint_columns(content, Complaint(path), skeleton)
        for annotation in content["annotations"]:
            if annotation["image_id"] not in people:
                losses["person of an unknown image"] += 1
                continue
            person = _person17(annotation, columns, side, losses)
            people[annotation["image_id"]].append(person)
    annolist = []
    for number, image in enumerate(images, start=1):
        frame = _frame17(image, number, side, losses)
        annolist.append({**frame, "annorect": people[image["id"]]})
    return {"annolist": annolist}, +losses


def _frame17(image: dict[str, Any], number: int, side: Side, losses: Losses) -> dict[str, Any]:
    """Return a 2017 frame without its people."""
    # made again from the file name on the way back
    name = parse_frame_name(image["file_name"])
    derived = {"id": name.image_id, "frame_id": name.image_id, "vid_id": f"{name.video:06d}"}
    for key, value in image.items():
        if key not in _IMAGE_FIELDS and derived.get(key) != value:
            losses[f"image field {key}"] += 1
    frame: dict[str, Any] = {"image": [{"name": image["file_name"]}], "imgnum": [number]}
    if side == "predictions":
        return frame
    if (labelled := _scalar(image.get("is_labeled"))) is not None:
        frame["is_labeled"] = [int(bool(labelled))]
    all_x, all_y = image.get("ignore_regions_x", []), image.get("ignore_regions_y", [])
    regions = []
    losses["ignore region without x or y"] += abs(len(all_x) - len(all_y))
    for xs, ys in zip(all_x, all_y, strict=False):
        losses["corner of an ignore region without x or y"] += abs(len(xs) - len(ys))
        points = [{"x": [x], "y": [y]} for x, y in zip(xs, ys, strict=False)]
        regions.append({"point": points})
    return {**frame, "ignore_regions": regions} if regions else frame


def _person17(
    annotation: dict[str, Any], columns: np.ndarray, side: Side, losses: Losses
) -> dict[str, Any]:
    keypoints, scores = annotation["keypoints"], annotation.get("scores")
    known = _PERSON_FIELDS | {"bbox_head"} if side == "annotations" else _PERSON_FIELDS
    losses.update(f"person field {key}" for key in annotation.keys() - known)
    unplaced = set(range(len(keypoints) // 3)) - set(columns.tolist())
    losses["ear"] += sum(any(keypoints[3 * k : 3 * k + 3]) for k in unplaced)
    points = []
    for joint_id, column in enumerate(columns.tolist()):
        x, y, third = keypoints[3 * column : 3 * column + 3]
        if x == 0 and y == 0 and third == 0:
            continue
        point = {"id": [joint_id], "x": [x], "y": [y]}
        if side == "annotations":
            point["is_visible"] = [third]
            losses[_HIDDEN] += third == 0
        elif scores:
            point["score"] = [scores[column]]
        if scores and side == "annotations":
            losses["joint score"] += 1
        elif side == "predictions" and (not scores or third != scores[column]):
            losses["third keypoint value that is not the joint's score"] += 1
        points.append(point)
    person: dict[str, Any] = {"track_id": [annotation["track_id"]]}
    if side == "predictions" or annotation.get("score") is not None:
        person["score"] = [annotation.get("score", 0)]
    if side == "annotations" and "bbox_head" in annotation:
        x, y, width, height = annotation["bbox_head"][:4]
        person |= {"x1": [x], "y1": [y], "x2": [x + width], "y2": [y + height]}
    return {**person, "annopoints": [{"point": points}]}


def to_posetrack18(
    content: dict[str, Any],
    path: Path,
    side: Side = "predictions",
    skeleton: Skeleton = POSETRACK,
) -> tuple[dict[str, Any], Losses]:
    """Convert a 2017 file that `read_poses` accepts.

    Image ids come from the image names. The person box is the extent of the joints, enlarged.

    Args:
        content: parsed 2017 file.
        path: the file, for messages.
        side: which kind of file it is.
        skeleton: names the joints; point ids count its evaluation joints.

    Returns:
        object with `images`, `annotations`, `categories`; image names unchanged; and what was
        left out.

    Raises:
        EvaluationInputError: if an image name does not tell video and frame, or occurs twice.
    """
    frames = read_frames(content["annolist"], Complaint(path))
    names = _frame_names(frames, path)
    num_frames = max(len(frames), *(_position(name, frame) for name, frame in names))
    losses = Losses()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for frame, (name, parsed) in zip(frames, names, strict=True):
        image = {"id": parsed.image_id, "frame_id": parsed.image_id, "file_name": name}
        if side == "annotations":
            image |= {"vid_id": f"{parsed.video:06d}", "nframes": num_frames}
        images.append(image | _frame_marks(frame, side, losses))
        for person in frame["annorect"]:
            if side == "predictions" and person_points(person) is None:
                losses["person without a list of points"] += 1
                continue
            entry = _person18(person, side, losses, skeleton)
            annotations.append({"image_id": parsed.image_id, "id": len(annotations) + 1, **entry})
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}
    return {"images": images, "annotations": annotations, "categories": [category]}, +losses


def _frame_names(frames: list[dict[str, Any]], path: Path) -> list[tuple[str, FrameName]]:
    """Return the image name of each frame, whole and parsed; two frames never share an id."""
    names: dict[int, tuple[str, FrameName]] = {}
    for index, frame in enumerate(frames):
        name = image_name(frame, index)
        try:
            parsed = parse_frame_name(name)
        except ValueError as error:
            raise Complaint(path).error(f"annolist[{index}]: {error}") from None
        if parsed.image_id in names:
            raise Complaint(path).error(
                f"annolist[{index}]: {name} and {names[parsed.image_id][0]} give the same image "
                f"id {parsed.image_id}; list each frame once"
            )
        names[parsed.image_id] = (name, parsed)
    return list(names.values())


def _position(name: str, frame: FrameName) -> int:
    """Return the place of a frame in its video, from 1; eight digits count from 1, six from 0."""
    return frame.frame if len(Path(name).stem) == 8 else frame.frame + 1


def _frame_marks(frame: dict[str, Any], side: Side, losses: Losses) -> dict[str, Any]:
    """Return what a 2018 image says beyond its name and ids."""
    losses.update(f"frame field {key}" for key in frame.keys() - _FRAME_FIELDS)
    if side == "predictions":
        regions = frame.get("ignore_regions")
        losses["ignore region"] += len(regions) if isinstance(regions, list) else 0
        return {}
    marks: dict[str, Any] = {}
    if (labelled := _scalar(frame.get("is_labeled"))) is not None:
        marks["is_labeled"] = bool(labelled)
    if regions := frame.get("ignore_regions"):
        for axis in ("x", "y"):
            marks[f"ignore_regions_{axis}"] = [
                [point[axis][0] for point in region["point"]] for region in regions
            ]
    return marks


def _person18(
    person: dict[str, Any], side: Side, losses: Losses, skeleton: Skeleton
) -> dict[str, Any]:
    losses.update(f"person field {key}" for key in person.keys() - _RECT_FIELDS)
    joint_ids = {name: index for index, name in enumerate(skeleton.evaluation_joints)}
    points = _points_by_id(person, side, losses, len(joint_ids))
    keypoints: list[Any] = []
    scores = []
    for name in skeleton.joint_names:
        point = points.get(joint_ids.get(name))
        triplet = (0.0, 0.0, 0.0) if point is None else _triplet(point, side, losses)
        keypoints += triplet
        if side == "predictions":
            scores.append(0.0 if point is None else point.get("score", [NO_SCORE])[0])
    entry = {
        "track_id": _scalar(person.get("track_id")),
        "category_id": 1,
        "bbox": _box_around(list(points.values())),
        "keypoints": keypoints,
        "scores": scores,
    }
    if side == "predictions" or "score" in person:
        entry["score"] = _scalar(person.get("score")) or 0
    if side == "annotations":
        entry |= _head_box(person, losses)
        if entry["track_id"] is None:  # only people without a list of points may lack one
            losses["track id -1 given to a person without one"] += 1
            entry["track_id"] = -1
    return entry


def _points_by_id(
    person: dict[str, Any], side: Side, losses: Losses, num_joints: int
) -> dict[Any, dict[str, Any]]:
    """Return the points of a 2017 person that count: known ids, and the first of each."""
    points: dict[Any, dict[str, Any]] = {}
    surplus = "is_visible" if side == "predictions" else "score"
    for point in person_points(person) or []:
        joint_id = point["id"][0]
        if joint_id not in range(num_joints):
            losses["point with an unknown id"] += 1
        elif joint_id in points:
            losses["point that repeats an id"] += 1
        else:
            points[joint_id] = point
            losses[f"point field {surplus}"] += surplus in point
    return points


def _triplet(point: dict[str, Any], side: Side, losses: Losses) -> tuple[Any, Any, Any]:
    """Return x, y and visibility or score; never 0, 0, 0, which would mean absent."""
    x, y = point["x"][0], point["y"][0]
    if side == "predictions":
        score = point.get("score", [NO_SCORE])[0]
        return x, y, score if x or y or score else ALMOST_ZERO
    visible = _scalar(point.get("is_visible"))
    if visible is None:
        visible = 1
    if not (x or y or visible):
        losses["hidden joint at 0, 0 marked visible (0, 0, 0 would mean absent)"] += 1
        visible = 1
    losses[_HIDDEN] += visible == 0
    return x, y, visible


def _head_box(person: dict[str, Any], losses: Losses) -> dict[str, Any]:
    """Return `bbox_head` of an annotated 2017 person."""
    if all(key in person for key in HEAD_KEYS):
        x1, y1, x2, y2 = (person[key][0] for key in HEAD_KEYS)
        return {"bbox_head": [x1, y1, _side(x1, x2), _side(y1, y2)]}
    losses.update(f"person field {key}" for key in HEAD_KEYS if key in person)
    if person_points(person) is not None:
        return {}
    # the 2017 form does not evaluate this person, the 2018 form would miss its head box
    losses["empty head box given to a person without points"] += 1
    return {"bbox_head": [0, 0, 0, 0]}


def _side(low: float, high: float) -> float:
    """Return the length that gives `high` when the evaluator adds it to `low` in float64."""
    side = high - low
    for candidate in (side, np.nextafter(side, np.inf), np.nextafter(side, -np.inf)):
        if low + candidate == high:
            return float(candidate) if isinstance(candidate, np.floating) else candidate
    return side


def _scalar(wrapped: Any) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Return the number in a 2017 list of one; None where there is none."""
    value = wrapped[0] if isinstance(wrapped, list) and wrapped else wrapped
    return value if isinstance(value, int | float) else None


def _box_around(points: list[dict[str, Any]]) -> list[float]:
    """Return left, top, width, height of the enlarged extent of 2017 points."""
    if not points:
        return [0.0, 0.0, 0.0, 0.0]
    xy = np.array([[point["x"][0], point["y"][0]] for point in points], dtype=np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    with np.errstate(invalid="ignore"):  # infinite coordinates give a box of NaN
        size = BOX_ENLARGE * (high - low)
        return [*((low + high - size) / 2).tolist(), *size.tolist()]


def describe_losses(losses: Mapping[str, int]) -> str:
    """Return "left out or changed: 3 x ear, ...", or that nothing was."""
    parts = [f"{count} x {kind}" for kind, count in sorted(losses.items()) if count]
    return f"left out or changed: {', '.join(parts)}" if parts else "nothing left out"
