"""A file of person boxes for a video or folder that no annotation file describes.

Three forms are read: lists of detections (COCO results, or `image_name` in place of `image_id`),
annotation files of PoseTrack 2018, and our own predictions, which have the same form. A box belongs
to a frame whose image name, PoseTrack image id or number in the video (from 0) it gives. Boxes
without a score are taken for annotated ones.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from dcpose.data.frames import frame_wh
from dcpose.estimator.live_poses import Boxes
from dcpose.formats import fields
from dcpose.formats.box_convention import EXPECTED, other_convention
from dcpose.formats.detections import UNDER_THRESHOLD, other_category
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.formats.posetrack.records import describe_skipped, unusable_box
from dcpose.geometry import clip_to_image
from dcpose.video.source import FrameSource, VideoFrame

_log = logging.getLogger(__name__)

Key = int | str


class Entry(NamedTuple):
    """A box, its score (None without one), and why it is of no use whatever the frame."""

    box: np.ndarray
    score: float | None
    fault: str | None


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
        ValueError: if the file breaks its form, or none of its boxes belongs to the source or can
            be used. What is left out is logged, with the reasons.
    """
    content = fields.read_json(path)
    if isinstance(content, dict):
        entries = _of_annotations(content, path)
    elif isinstance(content, list):
        entries = _of_detections(content, path)
    else:
        raise ValueError(f"{path}: expected a list or an object, found {fields.kind(content)}")
    keys = _keys_of_frames(source)

    def find(index: int) -> list[Entry] | None:
        return next((entries[key] for key in keys(index) if key in entries), None)

    if entries and source.num_frames is not None:
        found = [find(index) for index in range(source.num_frames)]
        by_frame = [some for some in found if some is not None]
        if not by_frame:
            example = next(iter(entries))
            raise ValueError(
                f"{path}: none of its boxes belongs to {source.name}, whose frames are "
                f"{source.file_name(0)} ...; it has boxes of {example!r}, for example"
            )
        _report([entry for some in by_frame for entry in some], source, min_box_score, path)

    def boxes_of(frame: VideoFrame) -> Boxes:
        return _usable(find(frame.index) or [], frame_wh(frame.image), min_box_score)

    return boxes_of


def _report(entries: list[Entry], source: FrameSource, min_box_score: float, path: Path) -> None:
    """Say which boxes of a source's frames are left out, and whether they look like boxes.

    Raises:
        ValueError: if there are boxes, and none can be used.
    """
    kept: list[np.ndarray] = []
    skipped: Counter[str] = Counter()
    for entry in entries:
        reason = _reason_to_skip(entry, source.frame_wh, min_box_score)
        if reason is None:
            kept.append(entry.box)
        else:
            skipped[reason] += 1
    left_out = describe_skipped(skipped)
    if entries and not kept:
        raise ValueError(
            f"{path}: none of its {len(entries)} boxes can be used{left_out} "
            f"(data.min_box_score={min_box_score:g})"
        )
    if left_out:
        _log.warning("%s: %d boxes%s", path, len(kept), left_out)
    if kept:
        boxes = np.stack(kept)
        told = other_convention(boxes, np.tile(np.array(source.frame_wh, float), (len(boxes), 1)))
        if told is not None:
            _log.warning("%s: %s; %s", path, told, EXPECTED)


def _reason_to_skip(entry: Entry, wh: tuple[int, int], min_box_score: float) -> str | None:
    if entry.fault is not None:
        return entry.fault
    if entry.score is not None and entry.score < min_box_score:
        return UNDER_THRESHOLD
    return unusable_box(entry.box, wh)


def _usable(entries: list[Entry], wh: tuple[int, int], min_box_score: float) -> Boxes:
    entries = [entry for entry in entries if entry.fault is None]
    annotated = any(entry.score is None for entry in entries)
    kept = [
        (entry.box, 1.0 if entry.score is None else entry.score)
        for entry in entries
        if _reason_to_skip(entry, wh, min_box_score) is None
        and (not annotated or min(clip_to_image(entry.box, wh)[2:]) > 0)
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
    fault = other_category(item)
    if fault is None and item.get("bbox") is None:
        fault = "without a box"
    if fault is not None:
        entries.append(Entry(np.zeros(4), None, fault))
        return
    box = fields.get_numbers(item, "bbox", 4, where)
    score = fields.get_number(item, "score", where) if "score" in item else None
    entries.append(Entry(box, score, None))


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
