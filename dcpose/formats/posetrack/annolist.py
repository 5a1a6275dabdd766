"""The one reader of PoseTrack's 2017 form (`annolist`), which gives the words of the 2018 form.

2017 files list the frames of a video, each with its people; scalars are wrapped in lists of one,
and a joint that is not known is not in the list of points. There are no person boxes (x1, y1, x2,
y2 is the HEAD box). Training, evaluation and conversion all read files here. No coordinate, score
or head size moves, not even in its last bit.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from dcpose.formats import fields
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.formats.posetrack.video_poses import ALMOST_ZERO, NO_SCORE, Side
from dcpose.skeleton import Skeleton

HEAD_KEYS = ("x1", "y1", "x2", "y2")
"""Corners of the head box of a person, each a number in a list of one."""
AT_ORIGIN = "hidden joint at 0, 0 marked visible (0, 0, 0 would mean absent)"
REPEATED = "point that repeats an id"
UNKNOWN = "point with an unknown id"

_POINT = "expected id, x, y (and score), each a number in a list of one, like [12.5]"


@dataclass(frozen=True, eq=False)
class Annolist:
    """What a 2017 file says; frames in the order of the file, people in the order of the frames.

    Attributes:
        where: the file, for messages.
        frames: F entries of the file.
        names: F image names; None where a frame has none.
        rects: P entries of the file, one per person.
        frame_of: P positions in `frames`.
        listed: P truth values, False for people that have no list of points at all.
        places: what messages call each of the P people.
        people: P entries of the 2018 form: `keypoints` (x, y, third value of the skeleton's
            evaluation joints; 0, 0, 0 where a joint is not listed, and only there); `scores` of
            predictions; `bbox_head` of annotated people that have one; `track_id` where there is
            one. The third value is the score, or for annotations `is_visible`.
        oddities: how often points do not count, or say what the 2018 form has no place for.
    """

    where: str
    frames: list[dict[str, Any]]
    names: list[str | None]
    rects: list[dict[str, Any]]
    frame_of: list[int]
    listed: list[bool]
    places: list[str]
    people: list[dict[str, Any]]
    oddities: Counter[str]

    def in_2018_form(self, skeleton: Skeleton) -> dict[str, Any]:
        """Return `images`, `annotations` and `categories`; image ids come from the image names.

        Raises:
            ValueError: if an image name does not tell video and frame, or two give the same id.
        """
        ids: dict[int, str] = {}
        for index, name in enumerate(self.names):
            place = f"{self.where}: annolist[{index}]"
            if name is None:
                image = fields.get(self.frames[index], "image", place)
                image = image[0] if isinstance(image, list) and image else image
                name = fields.get_str(image, "name", f"{place}.image")
            try:
                image_id = parse_frame_name(name).image_id
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
            if image_id in ids:
                raise ValueError(
                    f"{place}: {name} and {ids[image_id]} give the same image id {image_id}; list "
                    "each frame once"
                )
            ids[image_id] = name
        numbers = list(ids)
        category = {"id": 1, "name": "person", "keypoints": list(skeleton.evaluation_joints)}
        return {
            "images": [{"id": i, "frame_id": i, "file_name": name} for i, name in ids.items()],
            "annotations": [
                {"image_id": numbers[frame], **person}
                for frame, person in zip(self.frame_of, self.people, strict=True)
            ],
            "categories": [category],
        }

    def ignore_regions(self) -> list[list[list[list[Any]]]]:
        """Return for every frame its polygons, each a list of points [x, y].

        Raises:
            ValueError: if they cannot be read.
        """
        regions = []
        for index, frame in enumerate(self.frames):
            try:
                polygons = [
                    [[point["x"][0], point["y"][0]] for point in region["point"]]
                    for region in frame.get("ignore_regions", [])
                ]
            except (TypeError, KeyError, IndexError):
                raise ValueError(
                    f"{self.where}: annolist[{index}]: ignore_regions cannot be read, expected "
                    "[{'point': [{'x': [1], 'y': [2]}, ...]}]"
                ) from None
            regions.append(polygons)
        return regions


def read_annolist(
    content: dict[str, Any], where: str, side: Side, skeleton: Skeleton, needs_people: bool = True
) -> Annolist:
    """Read a 2017 file.

    Args:
        content: the parsed file; it has `annolist`.
        where: start of messages, the path of the file.
        side: points of predictions have scores, those of annotations `is_visible`.
        skeleton: point ids count its evaluation joints.
        needs_people: whether a frame has to have `annorect`; those of the test split have none.

    Raises:
        ValueError: if the file breaks the form.
    """
    frames = fields.get_list(content, "annolist", where)
    if not frames:
        raise ValueError(f"{where}: annolist is empty, expected at least one frame")
    lists = Annolist(where, frames, [], [], [], [], [], [], Counter())
    for index, frame in enumerate(frames):
        place = f"{where}: annolist[{index}]"
        if not isinstance(frame, dict):
            raise ValueError(f"{place}: expected an object, found {fields.kind(frame)}")
        lists.names.append(image_name(frame))
        if frame.get("annorect") is None and not needs_people:
            continue
        if "annorect" not in frame:
            raise ValueError(f"{place}: annorect is missing, expected the people; [] is fine")
        for number, rect in enumerate(fields.get_list(frame, "annorect", place)):
            at = f"{place}.annorect[{number}]"
            if not isinstance(rect, dict):
                raise ValueError(f"{at}: expected an object, found {fields.kind(rect)}")
            points = _points(rect, at)
            lists.places.append(at)
            lists.rects.append(rect)
            lists.frame_of.append(index)
            lists.listed.append(points is not None)
            lists.people.append(_person(rect, points or [], at, side, skeleton, lists.oddities))
    return lists


def image_name(frame: object) -> str | None:
    """Return the image name of a 2017 frame; None where it has none.

    DCPose writes `image` as an object, PoseTrack as a list of one object.
    """
    image = frame.get("image") if isinstance(frame, dict) else None
    if isinstance(image, list) and image:
        image = image[0]
    name = image.get("name") if isinstance(image, dict) else None
    return name if isinstance(name, str) else None


def _points(rect: dict[str, Any], where: str) -> list[Any] | None:
    """Return the list of points of a person; None if there is none.

    Converters that drop lists of one element write `annopoints` as an object.
    """
    holder = rect.get("annopoints")
    if isinstance(holder, list):
        holder = holder[0] if holder else None
    if not isinstance(holder, dict) or holder.get("point") is None:
        return None
    return fields.get_list(holder, "point", f"{where}.annopoints")


def _person(
    rect: dict[str, Any],
    points: list[Any],
    where: str,
    side: Side,
    skeleton: Skeleton,
    oddities: Counter[str],
) -> dict[str, Any]:
    joints = range(len(skeleton.evaluation_joints))
    keypoints: list[Any] = [0.0] * (3 * len(joints))
    scores: list[Any] = [0.0] * len(joints)
    found = set()
    for number, point in enumerate(points):
        try:
            (joint,), (x,), (y,) = point["id"], point["x"], point["y"]
            (score,) = point.get("score", [NO_SCORE]) if side == "predictions" else [None]
        except (TypeError, KeyError, ValueError):
            raise _point_error(point, f"{where}: point {number}") from None
        if not (fields.is_finite_number(joint) and _is_number(x) and _is_number(y)):
            raise _point_error(point, f"{where}: point {number}")
        if joint not in joints or joint in found:  # of an id that occurs twice the first counts
            oddities[REPEATED if joint in found else UNKNOWN] += 1
            continue
        found.add(joint)
        third = score
        if side == "annotations":
            third = scalar(point.get("is_visible"))
            third = 1 if third is None else third
            if not (x or y or third):
                oddities[AT_ORIGIN] += 1
                third = 1
        elif not (x or y or third):
            third = ALMOST_ZERO
        keypoints[3 * int(joint) : 3 * int(joint) + 3] = x, y, third
        scores[int(joint)] = score
        surplus = "is_visible" if side == "predictions" else "score"
        oddities[f"point field {surplus}"] += surplus in point
    person: dict[str, Any] = {"keypoints": keypoints}
    if rect.get("track_id") is not None:
        person["track_id"] = _track_id(rect["track_id"], where)
    if side == "predictions" or "score" in rect:
        person["score"] = scalar(rect.get("score")) or 0
    if side == "predictions":
        return {**person, "scores": scores}
    if all(key in rect for key in HEAD_KEYS):
        person["bbox_head"] = _head_box([rect[key] for key in HEAD_KEYS])
    return person


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _point_error(point: object, where: str) -> ValueError:
    if not isinstance(point, dict):
        return ValueError(f"{where} is no object, {_POINT}")
    for key in ("id", "x", "y", "score"):
        value = point.get(key, [0] if key == "score" else None)
        good = fields.is_finite_number if key == "id" else _is_number
        if (
            not isinstance(value, list)
            or len(value) != 1
            or (key != "score" and not good(value[0]))
        ):
            found = fields.bad_value(value) if key in point else "missing"
            return ValueError(f"{where}: {key!r} is {found}, {_POINT}")
    return ValueError(f"{where} cannot be read, {_POINT}")


def _track_id(value: object, where: str) -> object:
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    found = fields.bad_value(value)
    raise ValueError(
        f"{where}: track_id must be a number in a list of one, like [7], found {found}"
    )


def scalar(wrapped: Any) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Return the number in a 2017 list of one; None where there is none."""
    value = wrapped[0] if isinstance(wrapped, list) and wrapped else wrapped
    return value if isinstance(value, bool) or fields.is_finite_number(value) else None


def _head_box(corners: list[Any]) -> list[Any]:
    """Return x, y, width, height; where a value is no number, the corners as they are."""
    values = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in corners]
    if not all(map(fields.is_finite_number, values)):
        return values
    x1, y1, x2, y2 = values
    return [x1, y1, _side(x1, x2), _side(y1, y2)]


def _side(low: float, high: float) -> float:
    """Return the length that gives the head size of the corners in float64.

    The evaluator adds a length to `low`, then subtracts `low`. Where rounding allows, the sum is
    `high` itself, else the difference is as long as that of the corners.
    """
    side = high - low
    candidates = (side, math.nextafter(side, math.inf), math.nextafter(side, -math.inf))
    fitting = [c for c in candidates if low + c == high]
    return [*fitting, *(c for c in candidates if (low + c) - low == side), side][0]
