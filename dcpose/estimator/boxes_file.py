"""A file of person boxes for a video or folder that no annotation file describes.

Three forms are read: lists of detections (COCO results, or `image_name` in place of `image_id`),
annotation files of PoseTrack 2018, and our own predictions, which have the same form. A box belongs
to a frame whose image name, PoseTrack image id or number in the video (from 0) it gives. Boxes
without a score are taken for annotated ones.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dcpose.data.frames import frame_wh
from dcpose.estimator.live_poses import Boxes
from dcpose.formats import fields
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.formats.posetrack.records import unusable_box
from dcpose.geometry import clip_to_image
from dcpose.video.source import FrameSource, VideoFrame

Key = int | str
Entry = tuple[np.ndarray, float | None]
"""A box and its score; None without one."""


def read_boxes(
    path: Path, source: FrameSource, min_box_score: float
) -> Callable[[VideoFrame], Boxes]:
    """Read the boxes of a video; the file may cover other videos too.

    Args:
        path: JSON in one of the forms above.
        source: whose frames.
        min_box_score: boxes with a lower score are left out, as are categories other than 1.

    Returns:
        Function from a frame to its boxes; those without area or outside the image are left out.

    Raises:
        ValueError: if the file breaks its form, or none of its boxes belongs to the source.
    """
    content = fields.read_json(path)
    if isinstance(content, dict):
        entries = _of_annotations(content, path)
    elif isinstance(content, list):
        entries = _of_detections(content, path)
    else:
        raise ValueError(f"{path}: expected a list or an object, found {fields.kind(content)}")
    keys = _keys_of_frames(source)
    if entries and source.num_frames is not None:
        known = (key for index in range(source.num_frames) for key in keys(index))
        if not any(key in entries for key in known):
            example = next(iter(entries))
            raise ValueError(
                f"{path}: none of its boxes belongs to {source.name}, whose frames are "
                f"{source.file_name(0)} ...; it has boxes of {example!r}, for example"
            )

    def boxes_of(frame: VideoFrame) -> Boxes:
        found = next((entries[key] for key in keys(frame.index) if key in entries), [])
        return _usable(found, frame_wh(frame.image), min_box_score)

    return boxes_of


def _usable(entries: list[Entry], wh: tuple[int, int], min_box_score: float) -> Boxes:
    annotated = any(score is None for _, score in entries)
    kept = [
        (box, 1.0 if score is None else score)
        for box, score in entries
        if (score is None or score >= min_box_score)
        and unusable_box(box, wh) is None
        and (not annotated or min(clip_to_image(box, wh)[2:]) > 0)
    ]
    return Boxes(
        np.array([box for box, _ in kept], np.float64).reshape(-1, 4),
        np.array([score for _, score in kept], np.float64),
        annotated,
    )


def _of_detections(content: list[Any], path: Path) -> dict[Key, list[Entry]]:
    entries: dict[Key, list[Entry]] = defaultdict(list)
    for index, item in enumerate(content):
        where = f"{path}: entry {index}"
        if isinstance(item, dict) and "image_name" in item:
            key: Key = _short_name(fields.get_str(item, "image_name", where))
        else:
            key = fields.get_int(item, "image_id", where)
        _add(entries[key], item, where)
    return dict(entries)


def _of_annotations(content: dict[str, Any], path: Path) -> dict[Key, list[Entry]]:
    images = fields.get_list(content, "images", str(path))
    names: dict[int, str] = {}
    entries: dict[Key, list[Entry]] = {}
    for number, image in enumerate(images):
        where = f"{path}: images[{number}]"
        name = _short_name(fields.get_str(image, "file_name", where))
        names[fields.get_int(image, "id", where)] = name
        entries[name] = []  # frames that are listed without people count as found
    for index, item in enumerate(fields.get_list(content, "annotations", str(path))):
        where = f"{path}: annotations[{index}]"
        image_id = fields.get_int(item, "image_id", where)
        if image_id not in names:
            raise ValueError(f"{where}: image_id {image_id} is not the id of any image")
        _add(entries[names[image_id]], item, where)
    if len({name.split("/")[0] for name in names.values()}) == 1:
        # of one video: its frames are known by their order, too
        entries.update(enumerate(list(entries.values())))
    return entries


def _add(entries: list[Entry], item: dict[str, Any], where: str) -> None:
    if item.get("category_id", 1) != 1 or item.get("bbox") is None:
        return
    box = fields.get_numbers(item, "bbox", 4, where)
    entries.append((box, fields.get_number(item, "score", where) if "score" in item else None))


def _keys_of_frames(source: FrameSource) -> Callable[[int], list[Key]]:
    """Return what the boxes of a frame may stand under, the surest first."""

    def keys(index: int) -> list[Key]:
        name = source.file_name(index)
        try:
            posetrack: list[Key] = [parse_frame_name(name).image_id]
        except ValueError:
            posetrack = []
        return [_short_name(name), *posetrack, index]

    return keys


def _short_name(name: str) -> str:
    """Return folder and stem of an image: copies may have other paths and extensions."""
    path = PurePosixPath(name)
    return f"{path.parent.name}/{path.stem}"
