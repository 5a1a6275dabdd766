"""COCO-form keypoint annotations: one file of single images, for stage one of the backbone.

Form: `images` (id, file_name, width, height), `annotations` (image_id, category_id, iscrowd, bbox,
keypoints: x, y, v for each joint, v = 0 unlabelled, 1 hidden, 2 visible) and `categories`, of which
`person` lists the joint names. Joints go by name. Of PoseTrack's 17, COCO has all but head_bottom
and head_top, which get no weight in the loss; COCO's eyes have no channel. The ears, which nobody
labels in PoseTrack, are learnt here.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats import fields
from dcpose.formats.posetrack.images import get_image_name
from dcpose.formats.posetrack.records import ImageFile, VideoAnnotation, log_size, unusable_box
from dcpose.iteration import groups_of
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PersonRecord

PART_SIZE = 1000
"""Images that are predicted together: one predictions file, one unit of work for a process."""


def read_coco(
    path: Path, image_folder: Path, skeleton: Skeleton = POSETRACK
) -> list[VideoAnnotation]:
    """Read an annotation file, in parts of `PART_SIZE` images that stand for videos.

    Crowds, categories other than person, and people without a labelled joint of the skeleton or
    without a usable box are left out and counted.

    Args:
        path: the annotation file, such as `person_keypoints_train2017.json`.
        image_folder: what `file_name` in the file is relative to.
        skeleton: joint order of the records.

    Returns:
        Parts `<file name>_000`, `_001`, ...; image numbers are positions in the file.

    Raises:
        ValueError: if the file breaks the form, or has none of the skeleton's joints.
    """
    content = fields.read_json(path)
    images = fields.get_list(content, "images", str(path))
    if not images:
        raise ValueError(f"{path}: images is empty, expected at least one")
    files = _image_files(images, path)
    people, skipped = _people(content, path, files, skeleton)
    parts: list[VideoAnnotation] = []
    for part in groups_of(range(len(images)), PART_SIZE):
        name = f"{path.stem}_{len(parts):03d}"
        parts.append(
            VideoAnnotation(
                name=name,
                source=path,
                images=[images[number] for number in part],
                frame_numbers=part,
                folder=image_folder,
                digits=0,
                first_frame=0,
                suffix="",
                num_frames=len(part),
                image_wh=None,
                people=[
                    PersonRecord(name, images[number]["id"], number, box, joints=joints)
                    for number in part
                    for box, joints in people[number]
                ],
                skipped=skipped if not parts else Counter(),
                files={number: files[number] for number in part},
                base=image_folder,
            )
        )
    log_size(path, parts)
    return parts


def _image_files(images: list[Any], path: Path) -> list[ImageFile]:
    files = []
    ids: set[int] = set()
    for index, image in enumerate(images):
        where = f"{path}: images[{index}]"
        if (image_id := fields.get_int(image, "id", where)) in ids:
            raise ValueError(f"{where}: image id {image_id} occurs twice, expected once")
        ids.add(image_id)
        size = fields.get_int(image, "width", where), fields.get_int(image, "height", where)
        if min(size) <= 0:
            raise ValueError(f"{where}: width and height must be positive, found {size}")
        files.append(ImageFile(get_image_name(image, "file_name", where), size))
    return files


def _people(
    content: dict[str, Any], path: Path, files: list[ImageFile], skeleton: Skeleton
) -> tuple[dict[int, list[tuple[np.ndarray, np.ndarray]]], Counter[str]]:
    """Return (4,) boxes and (J, 3) joints by image number, and how many were left out, and why."""
    category, names = person_category(content, path)
    # the zero row appended below is what position -1, a joint that is not in the file, picks
    columns = [names.index(n) if n in names else -1 for n in skeleton.joint_names]
    if max(columns) < 0:
        raise ValueError(
            f"{path}: categories: none of the joints {', '.join(names)} is one of "
            f"{', '.join(skeleton.joint_names)}"
        )
    numbers = {image["id"]: number for number, image in enumerate(content["images"])}
    people: dict[int, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    skipped = Counter[str]()
    for index, annotation in enumerate(fields.get_list(content, "annotations", str(path))):
        where = f"{path}: annotations[{index}]"
        number = numbers.get(fields.get_int(annotation, "image_id", where))
        if number is None:
            raise ValueError(f"{where}: image_id {annotation['image_id']} is no image of the file")
        if fields.get_int(annotation, "category_id", where) != category:
            skipped["category other than person"] += 1
            continue
        if annotation.get("iscrowd"):
            skipped["crowd"] += 1
            continue
        box = fields.get_numbers(annotation, "bbox", 4, where)
        values = fields.get_numbers(annotation, "keypoints", 3 * len(names), where)
        joints = np.vstack([values.reshape(-1, 3), np.zeros((1, 3))])[columns]
        joints[:, 2] = joints[:, 2] > 0
        reason = unusable_box(box, files[number].image_wh)
        if reason is None and not joints[:, 2].any():
            reason = "no labelled joint"
        if reason is not None:
            skipped[reason] += 1
            continue
        people[number].append((box, joints))
    return people, skipped


def person_category(content: dict[str, Any], path: Path) -> tuple[int, list[str]]:
    """Return the id and the joint names of the category `person`.

    Raises:
        ValueError: if there is not one, or the names are no texts.
    """
    where = f"{path}: categories"
    categories = fields.get_list(content, "categories", str(path))
    named = [c for c in categories if isinstance(c, dict) and c.get("name") == "person"]
    if len(named) != 1:
        raise ValueError(f"{where}: expected one named 'person', found {len(named)}")
    return fields.get_int(named[0], "id", where), fields.get_texts(named[0], "keypoints", where)
