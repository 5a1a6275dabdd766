"""PoseTrack 2017 annotations (`annolist`) in the words of the 2018 form, in memory.

2017 files list the frames of a video, each with its people; scalars are wrapped in lists of one,
and a joint that is not known is not in the list of points. There are no person boxes (x1, y1, x2,
y2 is the HEAD box), so boxes come from the joints. Image ids come from the image names, as in
2018 files. Every listed point counts as labelled, whatever its `is_visible`: the evaluation counts
it, too.
"""

from typing import Any

from dcpose.formats import fields
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.skeleton import Skeleton


def to_2018_form(content: dict[str, Any], where: str, skeleton: Skeleton) -> dict[str, Any]:
    """Return `images`, `annotations` and `categories` of a 2017 file.

    Args:
        content: the parsed file; it has `annolist`.
        where: start of messages, the path of the file.
        skeleton: point ids count its evaluation joints.

    Raises:
        ValueError: if the file breaks the form, or an image name does not tell video and frame.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, frame in enumerate(fields.get_list(content, "annolist", where)):
        place = f"{where}: annolist[{index}]"
        name = _image_name(frame, place)
        try:
            image_id = parse_frame_name(name).image_id
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        images.append({"id": image_id, "frame_id": image_id, "file_name": name})
        for number, rect in enumerate(_people(frame, place)):
            person = _person(rect, f"{place}.annorect[{number}]", skeleton)
            annotations.append({"image_id": image_id, **person})
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.evaluation_joints)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def _image_name(frame: object, where: str) -> str:
    image = fields.get(frame, "image", where)
    if isinstance(image, list) and len(image) == 1:
        image = image[0]
    return fields.get_str(image, "name", f"{where}.image")


def _people(frame: dict[str, Any], where: str) -> list[Any]:
    # frames of the test split may leave the list out
    return fields.get_list(frame, "annorect", where) if frame.get("annorect") is not None else []


def _person(rect: object, where: str, skeleton: Skeleton) -> dict[str, Any]:
    if not isinstance(rect, dict):
        raise ValueError(f"{where}: expected an object, found {fields.kind(rect)}")
    keypoints = [[0.0, 0.0, 0] for _ in skeleton.evaluation_joints]
    # of a point id that is listed twice the first entry counts, so it is written last
    for point in reversed(_points(rect, where)):
        joint_id = _scalar(point, "id", where)
        if joint_id in range(len(keypoints)):
            keypoints[int(joint_id)] = [_scalar(point, "x", where), _scalar(point, "y", where), 1]
    person: dict[str, Any] = {"keypoints": [value for triplet in keypoints for value in triplet]}
    if rect.get("track_id") is not None:
        person["track_id"] = _scalar(rect, "track_id", where)
    return person


def _points(rect: dict[str, Any], where: str) -> list[Any]:
    holders = rect.get("annopoints")
    holder = holders[0] if isinstance(holders, list) and holders else holders
    if not isinstance(holder, dict) or holder.get("point") is None:
        return []
    return fields.get_list(holder, "point", f"{where}.annopoints")


def _scalar(entry: object, key: str, where: str) -> float:
    values = fields.get_list(entry, key, where)
    value: Any = values[0] if len(values) == 1 else None
    if not fields.is_finite_number(value):
        raise ValueError(f"{where}: {key} must be a finite number in a list of one, like [12.5]")
    return value
