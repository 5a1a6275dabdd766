"""A detections file against the images of its split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dcpose.check.annotations import AnnotationFacts
from dcpose.formats import fields
from dcpose.formats.box_convention import other_convention
from dcpose.formats.detections import image_key, name_key, other_category
from dcpose.formats.findings import Finding, Level

ImageSizes = dict[int | str, tuple[int, tuple[int, int] | None]]
"""Image id and (width, height), by image id and by image name."""


def check_detections(
    path: Path, videos: Sequence[AnnotationFacts], min_box_score: float
) -> tuple[list[Finding], int]:
    """Check every entry of a detections file.

    Args:
        path: JSON list of `{image_id | image_name, category_id, bbox, score}`.
        videos: the annotation files of the split.
        min_box_score: a run leaves out boxes under this score.

    Returns:
        Findings, and the number of entries.
    """
    mend = "make the file with a person detector, or set the key to null for annotated boxes"
    try:
        entries = fields.read_json(path)
    except ValueError as error:
        text = str(error).removeprefix(f"{path}: ")
        return [Finding("detections-file", str(path), text, mend)], 0
    if not isinstance(entries, list) or not entries:
        found = f"expected a list of boxes, found {fields.kind(entries)}"
        if entries == []:
            found = "an empty list of boxes"
        return [Finding("detections-file", str(path), found, mend)], 0
    images = _images(videos)
    findings, rows = _read_entries(entries, images, path)
    if rows:
        findings += _check_boxes(rows, images, path)
        findings += _check_convention(rows, images, videos, path)
        findings += _check_scores(rows, min_box_score, path)
    findings += _check_coverage(videos, {row["image_id"] for row in rows}, path)
    return findings, len(entries)


def _images(videos: Sequence[AnnotationFacts]) -> ImageSizes:
    return {
        key: (frame.image_id, video.image_wh)
        for video in videos
        for frame in video.frames
        for key in (frame.image_id, name_key(frame.file_name))
    }


def _read_entries(
    entries: list[Any], images: ImageSizes, path: Path
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Return findings, and index, image id, box and score of the well-formed entries."""
    findings: list[Finding] = []
    rows, unknown, broken = [], [], []
    left_out: dict[str, list[str]] = {}
    for index, entry in enumerate(entries):
        where = f"{path}: entry {index}"
        try:
            box = fields.get_numbers(entry, "bbox", 4, where)
            score = fields.get_number(entry, "score", where)
            key = image_key(entry, where)
        except ValueError as error:
            broken.append((where, str(error).removeprefix(f"{where}: ")))
            continue
        if key not in images:
            unknown.append((where, key))
        elif (reason := other_category(entry)) is not None:
            left_out.setdefault(reason, []).append(where)
        else:
            image_id = images[key][0]
            rows.append({"index": index, "image_id": image_id, "box": box, "score": score})
    if broken:
        where, text = broken[0]
        mend = "write image_id or image_name, bbox [x, y, w, h] and score"
        findings.append(Finding("detections-file", where, text, mend, count=len(broken)))
    if unknown:
        where, key = unknown[0]
        found = f"refers to image {key!r}, which no annotation file lists"
        mend = "take boxes and annotations of the same version, or remove these entries"
        findings.append(Finding("detection-image", where, found, mend, count=len(unknown)))
    for reason, places in left_out.items():
        level: Level = "problem" if "expected" in reason or not rows else "note"
        mend = "write category_id 1 for people; boxes of other categories are left out"
        findings.append(
            Finding("detection-category", places[0], reason, mend, level, count=len(places))
        )
    return findings, rows


def _check_boxes(rows: list[dict[str, Any]], images: ImageSizes, path: Path) -> list[Finding]:
    boxes = np.stack([row["box"] for row in rows])
    unknown = (np.inf, np.inf)
    sizes = np.array([images[row["image_id"]][1] or unknown for row in rows], float)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    empty = (boxes[:, 2:] <= 0).any(axis=1)
    outside = ~empty & ((high <= 0) | (low >= sizes)).any(axis=1)
    keys = np.column_stack([[row["image_id"] for row in rows], boxes])
    _, first = np.unique(keys, axis=0, return_index=True)
    twice = np.ones(len(rows), bool)
    twice[first] = False
    return [
        *_finding(rows, empty, path, "a box without width or height", "remove it"),
        *_finding(
            rows,
            outside,
            path,
            "a box outside its image",
            "write bbox as left, top, width, height in pixels of the image",
        ),
        *_finding(rows, twice, path, "the same box of the same image again", "keep every box once"),
    ]


def _check_convention(
    rows: list[dict[str, Any]], images: ImageSizes, videos: Sequence[AnnotationFacts], path: Path
) -> list[Finding]:
    annotated = {
        frame.image_id: [np.array(box) for box in frame.boxes]
        for video in videos
        for frame in video.frames
    }
    told = other_convention(
        np.stack([row["box"] for row in rows]),
        np.array([images[row["image_id"]][1] or (np.inf, np.inf) for row in rows], np.float64),
        [annotated[row["image_id"]] for row in rows],
    )
    if told is None:
        return []
    mend = "write bbox as left, top, width, height in pixels of the image"
    return [Finding("detection-convention", str(path), told, mend)]


def _finding(
    rows: list[dict[str, Any]], affected: ArrayLike, path: Path, found: str, mend: str
) -> list[Finding]:
    indices = np.flatnonzero(np.asarray(affected))
    if not len(indices):
        return []
    where = f"{path}: entry {rows[indices[0]]['index']}"
    return [Finding("detection-box", where, found, mend, count=len(indices))]


def _check_scores(rows: list[dict[str, Any]], min_box_score: float, path: Path) -> list[Finding]:
    scores = np.array([row["score"] for row in rows])
    odd = np.flatnonzero((scores < 0) | (scores > 1))
    if len(odd):
        where = f"{path}: entry {rows[odd[0]]['index']}"
        found = f"score {scores[odd[0]]:g}, expected 0 to 1"
        mend = "scale the scores: percent and logits make thresholds and joint scores wrong"
        return [Finding("detection-score", where, found, mend, count=len(odd))]
    if (scores < min_box_score).all():
        found = f"no score reaches data.min_box_score {min_box_score:g} (best {scores.max():g})"
        mend = "lower data.min_box_score, or take the boxes of another detector"
        return [Finding("detection-score", str(path), found, mend)]
    return []


def _check_coverage(
    videos: Sequence[AnnotationFacts], covered: set[int], path: Path
) -> list[Finding]:
    asked = [frame for video in videos for frame in video.labelled]
    if not asked:  # a test split: every frame is asked for
        asked = [frame for video in videos for frame in video.frames]
    bare = [frame.file_name for frame in asked if frame.image_id not in covered]
    if not bare:
        return []
    found = f"no box in {bare[0]}, one of {len(bare)} of {len(asked)} frames without any"
    mend = "people there are missed; complete the file if it was cut short"
    return [Finding("detection-coverage", str(path), found, mend, level="note")]
