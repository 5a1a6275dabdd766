"""A detections file against the images of its split."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcpose.check.annotations import AnnotationFacts
from dcpose.formats import fields
from dcpose.formats.box_convention import other_convention
from dcpose.formats.detections import image_key, name_key, other_category
from dcpose.formats.findings import Finding, Level

Images = dict[int | str, tuple[int, tuple[float, float]]]
"""Id and (width, height), infinite where unknown, by image id and by image name."""

_BOX_FORM = "write bbox as left, top, width, height in pixels of the image"


class _Row(NamedTuple):
    """A well-formed entry of a person; `image_wh` as in `Images`."""

    where: str
    image_id: int
    image_wh: tuple[float, float]
    box_xywh: np.ndarray
    score: float


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
    findings, rows = _read_entries(entries, _images(videos), path)
    if rows:
        findings += _check_boxes(rows)
        findings += _check_convention(rows, videos, path)
        findings += _check_scores(rows, min_box_score, path)
    findings += _check_coverage(videos, {row.image_id for row in rows}, path)
    return findings, len(entries)


def _images(videos: Sequence[AnnotationFacts]) -> Images:
    return {
        key: (frame.image_id, video.image_wh or (np.inf, np.inf))
        for video in videos
        for frame in video.frames
        for key in (frame.image_id, name_key(frame.file_name))
    }


def _read_entries(
    entries: list[Any], images: Images, path: Path
) -> tuple[list[Finding], list[_Row]]:
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
            rows.append(_Row(where, *images[key], box, score))
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


def _check_boxes(rows: Sequence[_Row]) -> Iterator[Finding]:
    boxes = np.stack([row.box_xywh for row in rows])
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    empty = (boxes[:, 2:] <= 0).any(axis=1)
    outside = ~empty & ((high <= 0) | (low >= [row.image_wh for row in rows])).any(axis=1)
    keys = np.column_stack([[row.image_id for row in rows], boxes])
    _, first = np.unique(keys, axis=0, return_index=True)
    twice = np.isin(np.arange(len(rows)), first, invert=True)
    for affected, found, mend in (
        (empty, "a box without width or height", "remove it"),
        (outside, "a box outside its image", _BOX_FORM),
        (twice, "the same box of the same image again", "keep every box once"),
    ):
        where = [rows[index].where for index in np.flatnonzero(affected).tolist()]
        if where:
            yield Finding("detection-box", where[0], found, mend, count=len(where))


def _check_convention(
    rows: Sequence[_Row], videos: Sequence[AnnotationFacts], path: Path
) -> Iterator[Finding]:
    annotated = {
        frame.image_id: [np.array(box) for box in frame.boxes]
        for video in videos
        for frame in video.frames
    }
    told = other_convention(
        np.stack([row.box_xywh for row in rows]),
        np.array([row.image_wh for row in rows], np.float64),
        [annotated[row.image_id] for row in rows],
    )
    if told is not None:
        yield Finding("detection-convention", str(path), told, _BOX_FORM)


def _check_scores(rows: Sequence[_Row], min_box_score: float, path: Path) -> Iterator[Finding]:
    best, odd = max(row.score for row in rows), [row for row in rows if not 0 <= row.score <= 1]
    if odd:
        found = f"score {odd[0].score:g}, expected 0 to 1"
        mend = "scale the scores: percent and logits make thresholds and joint scores wrong"
        yield Finding("detection-score", odd[0].where, found, mend, count=len(odd))
    elif best < min_box_score:
        found = f"no score reaches data.min_box_score {min_box_score:g} (best {best:g})"
        mend = "lower data.min_box_score, or take the boxes of another detector"
        yield Finding("detection-score", str(path), found, mend)


def _check_coverage(
    videos: Sequence[AnnotationFacts], covered: set[int], path: Path
) -> Iterator[Finding]:
    asked = [frame for video in videos for frame in video.labelled]
    if not asked:  # a test split: every frame is asked for
        asked = [frame for video in videos for frame in video.frames]
    bare = [frame.file_name for frame in asked if frame.image_id not in covered]
    if bare:
        found = f"no box in {bare[0]}, one of {len(bare)} of {len(asked)} frames without any"
        mend = "people there are missed; complete the file if it was cut short"
        yield Finding("detection-coverage", str(path), found, mend, level="note")
