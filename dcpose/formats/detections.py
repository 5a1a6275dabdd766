"""Files of detected person boxes to person records.

Two common layouts are one list here: COCO results (`image_id` as in the annotation files) and
the boxes that come with the released DCPose models (`image_name` relative to the image root).
Each entry: `{image_id | image_name, category_id, bbox [x, y, w, h], score}`.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dcpose.formats import fields
from dcpose.formats.box_convention import EXPECTED, other_convention
from dcpose.formats.posetrack.records import VideoAnnotation, describe_skipped, unusable_box
from dcpose.structures import PersonRecord

logger = logging.getLogger(__name__)

UNDER_THRESHOLD = "score under the threshold"
"""Why a box is left out, in words that count."""
DetectionKey = Literal["image_id", "image_name"]
Image = tuple[VideoAnnotation, int, int]
"""A frame that a detection can belong to: its video, image id and number."""


def read_detections(
    path: Path, videos: Sequence[VideoAnnotation], min_box_score: float
) -> tuple[dict[str, list[PersonRecord]], Counter[str]]:
    """Read the boxes of the given videos; the file may cover others too.

    Left out and counted: scores under `min_box_score`, categories other than 1, boxes without
    area or outside the image, and images that are in none of the videos.

    Returns:
        People by video name, in the order of the file, with an empty list for videos without
        people; and how many entries were left out, by reason.

    Raises:
        ValueError: if an entry breaks the form, or no entry belongs to any of the videos.
    """
    entries = _read_list(path)
    images = _images_by_key(videos)
    people: dict[str, list[PersonRecord]] = {video.name: [] for video in videos}
    skipped: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        where = f"{path}: entry {index}"
        box = fields.get_numbers(entry, "bbox", 4, where)
        score = fields.get_number(entry, "score", where)
        image = _find_image(entry, images, where)
        if image is None:
            skipped["image of another video"] += 1
            continue
        video, image_id, frame = image
        reason = (
            other_category(entry)
            or (UNDER_THRESHOLD if score < min_box_score else None)
            or unusable_box(box, video.expected_wh(frame))
        )
        if reason is None:
            people[video.name].append(PersonRecord(video.name, image_id, frame, box, score))
        else:
            skipped[reason] += 1

    if entries and skipped["image of another video"] == len(entries):
        raise ValueError(
            f"{path}: none of the {len(entries)} boxes belongs to the {len(videos)} annotated "
            f"videos; first entry: {image_key(entries[0], f'{path}: entry 0')!r}"
        )
    count = sum(map(len, people.values()))
    logger.info("%s: %d people%s", path, count, describe_skipped(skipped))
    _warn_of_convention(path, videos, [person for found in people.values() for person in found])
    return people, skipped


def _warn_of_convention(
    path: Path, videos: Sequence[VideoAnnotation], detected: Sequence[PersonRecord]
) -> None:
    if not detected:
        return
    sizes = {
        image["id"]: video.expected_wh(number) or (np.inf, np.inf)
        for video in videos
        for image, number in zip(video.images, video.frame_numbers, strict=True)
    }
    annotated: dict[int, list[np.ndarray]] = {}
    for video in videos:
        for person in video.people:
            annotated.setdefault(person.image_id, []).append(person.box_xywh)
    told = other_convention(
        np.stack([person.box_xywh for person in detected]),
        np.array([sizes[person.image_id] for person in detected], np.float64),
        [annotated.get(person.image_id, []) for person in detected],
    )
    if told is not None:
        logger.warning("%s: %s; %s", path, told, EXPECTED)


def describe_detector(path: Path) -> str:
    """Return what made a detections file, if `scripts/detect_people.py` did; else nothing."""
    settings_path = path.with_suffix(".meta.json")
    if not settings_path.is_file():
        return ""
    settings = fields.read_json(settings_path)
    name = fields.get_str(settings, "detector", str(settings_path))
    overlap = fields.get_number(settings, "nms_iou", str(settings_path))
    return f"{name}, NMS {overlap:g}"


def rekey_detections(
    path: Path, videos: Sequence[VideoAnnotation], key: DetectionKey
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Name the images of a detections file in the other way.

    Args:
        path: COCO results, or the boxes that come with the released DCPose models.
        videos: know the id and the name of every image.
        key: "image_id" makes COCO results, "image_name" the layout of the released boxes.

    Returns:
        The entries, otherwise as they are; and how many were left out, by reason.

    Raises:
        ValueError: if an entry breaks the form.
    """
    images = _images_by_key(videos)
    names = {image["id"]: image["file_name"] for video in videos for image in video.images}
    converted, skipped = [], Counter[str]()
    entries = _read_list(path)
    for index, entry in enumerate(entries):
        image = _find_image(entry, images, f"{path}: entry {index}")
        if image is None:
            skipped["image of another video"] += 1
            continue
        _, image_id, _ = image
        value = image_id if key == "image_id" else names[image_id]
        rest = {k: v for k, v in entry.items() if k not in ("image_id", "image_name")}
        converted.append({key: value, **rest})
    return converted, skipped


def _read_list(path: Path) -> list[Any]:
    entries = fields.read_json(path)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of boxes, found {fields.kind(entries)}")
    return entries


def _images_by_key(videos: Iterable[VideoAnnotation]) -> dict[int | str, Image | None]:
    """Return images by id and by name; None where two videos share an id."""
    images: dict[int | str, Image | None] = {}
    for video in videos:
        for image, number in zip(video.images, video.frame_numbers, strict=True):
            for key in (image["id"], name_key(image["file_name"])):
                images[key] = None if key in images else (video, image["id"], number)
    return images


def _find_image(entry: object, images: dict[int | str, Image | None], where: str) -> Image | None:
    key = image_key(entry, where)
    if key not in images:
        return None
    if images[key] is None:
        raise ValueError(f"{where}: several annotated videos have an image {key!r}")
    return images[key]


def image_key(entry: object, where: str) -> int | str:
    """Return what an entry of a detections file knows its image by: its id or its name.

    Raises:
        ValueError: if it has neither, or one of another type.
    """
    if isinstance(entry, dict) and "image_id" in entry:
        return fields.get_int(entry, "image_id", where)
    if isinstance(entry, dict) and "image_name" in entry:
        return name_key(fields.get_str(entry, "image_name", where))
    raise ValueError(f"{where}: neither image_id nor image_name")


def name_key(name: str) -> str:
    """Return an image name in the form in which names of different files are compared."""
    # the released boxes for 2017 videos are relative to the folder `images` itself
    return name.removeprefix("./").removeprefix("images/")


def other_category(entry: dict[str, object]) -> str | None:
    """Return why an entry is of no person, or None; categories that no COCO file has are named."""
    category = entry.get("category_id", 1)
    if category == 1:
        return None
    if isinstance(category, int | float) and category > 1:
        return "category other than person"
    found = "null" if category is None else repr(category)[:40]
    return f"category_id {found}, expected 1 for people"
