"""Labels in COCO's form: one JSON with `images`, `annotations` and `categories` with keypoints.

Many tools write it. The folder of an image's name is its video; `track_id`, there or in
`attributes` (CVAT), is the identity. Images are looked for beside the file, in `images/` there and
one folder above.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats import fields
from dcpose.formats.labels.labels import LabelledPerson, Labels, is_point, videos_of_folders
from dcpose.formats.posetrack.images import get_image_name


def is_coco(content: object) -> bool:
    """Say whether parsed JSON looks like COCO keypoint annotations."""
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def read_coco_keypoints(source: Path) -> Labels:
    """Read an annotation file.

    Raises:
        ValueError: if the file breaks the form, or not exactly one category has keypoints.
    """
    content = fields.read_json(source)
    if not isinstance(content, dict):
        raise ValueError(f"{source}: expected a JSON object, found {fields.kind(content)}")
    category, names, limbs = _category(content, source)
    left_out = Counter[str]()
    people = _people(content, source, category, len(names), left_out)
    images: dict[int, str] = {}
    for index, image in enumerate(fields.get_list(content, "images", str(source))):
        where = f"{source}: images[{index}]"
        image_id = fields.get_int(image, "id", where)
        name = get_image_name(image, "file_name", where).replace("\\", "/")
        if image_id in images:
            raise ValueError(f"{where}: image id {image_id} occurs twice, expected once")
        images[image_id] = name
    if unknown := set(people) - images.keys():
        raise ValueError(f"{source}: annotations: image_id {min(unknown)} is no image of the file")
    if not images:
        raise ValueError(f"{source}: images is empty, expected at least one")
    notes: list[str] = []
    above = source.parent.parent
    places = source.parent, source.parent / "images", above / "images", above
    named = [(name, people.get(image_id, ())) for image_id, name in images.items()]
    videos = videos_of_folders(named, source, places, notes)
    return Labels(source, names, videos, limbs, left_out, tuple(notes))


def _category(
    content: dict[str, Any], source: Path
) -> tuple[int, tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return id, joint names and limbs of the category that has keypoints."""
    where = f"{source}: categories"
    found = [
        category
        for category in fields.get_list(content, "categories", str(source))
        if isinstance(category, dict) and category.get("keypoints")
    ]
    if len(found) != 1:
        titles = ", ".join(repr(category.get("name")) for category in found) or "none"
        raise ValueError(
            f"{where}: {titles} with keypoints, expected exactly one; keep one in the file"
        )
    names = fields.get_list(found[0], "keypoints", where)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{where}: keypoints must be different names, found {names[:5]!r}")
    limbs = []
    pairs = found[0].get("skeleton")
    for pair in pairs if isinstance(pairs, list) else ():
        # counted from 1
        if isinstance(pair, list) and len(pair) == 2 and set(pair) <= set(range(1, len(names) + 1)):
            limbs.append((names[pair[0] - 1], names[pair[1] - 1]))
    return fields.get_int(found[0], "id", where), tuple(names), tuple(limbs)


def _people(
    content: dict[str, Any], source: Path, category: int, num_joints: int, left_out: Counter[str]
) -> dict[int, list[LabelledPerson]]:
    """Return the people of each image, by its id."""
    people: dict[int, list[LabelledPerson]] = defaultdict(list)
    for index, annotation in enumerate(fields.get_list(content, "annotations", str(source))):
        where = f"{source}: annotations[{index}]"
        image_id = fields.get_int(annotation, "image_id", where)
        if fields.get_int(annotation, "category_id", where) != category:
            left_out["annotations of other categories"] += 1
            continue
        if annotation.get("iscrowd"):
            left_out["crowds"] += 1
            continue
        if annotation.get("keypoints") is None:
            left_out["boxes without keypoints"] += 1
            continue
        joints = fields.get_numbers(annotation, "keypoints", 3 * num_joints, where).reshape(-1, 3)
        joints = joints.copy()
        joints[:, 2] = np.clip(joints[:, 2], 0, 2)
        outside = [j for j in range(num_joints) if joints[j, 2] and not is_point(*joints[j, :2])]
        left_out["points that no image has"] += len(outside)
        joints[outside] = 0
        joints[joints[:, 2] == 0] = 0
        if not joints[:, 2].any():
            left_out["people without a labelled joint"] += 1
            continue
        box = None
        if annotation.get("bbox") is not None:
            box = fields.get_numbers(annotation, "bbox", 4, where)
        track_id = _track_id(annotation)
        if track_id is None or any(track_id == other.track_id for other in people[image_id]):
            taken = {other.track_id for other in people[image_id]}
            track_id = next(number for number in range(len(taken) + 1) if number not in taken)
        usable = box if box is not None and min(box[2:]) > 0 else None
        people[image_id].append(LabelledPerson(joints, track_id, usable))
    left_out += Counter()  # drops zeros
    return people


def _track_id(annotation: dict[str, Any]) -> int | None:
    attributes = annotation.get("attributes")
    nested = attributes.get("track_id") if isinstance(attributes, dict) else None
    value = annotation.get("track_id", nested)
    return value if type(value) is int and value >= 0 else None
