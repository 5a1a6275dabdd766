"""Smooth the poses of a video that is done, in the file that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats import fields
from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.results.video_results import VideoResults, results_of
from dcpose.tracking.offline import smooth_track

DEFAULT_RATE = 25.0
"""Frames per second where the file has no times."""


@dataclass(frozen=True)
class Smoothed:
    """How many people were smoothed, and how many were put into gaps."""

    num_people: int
    num_filled: int


def smooth_file(path: Path) -> Smoothed:
    """Replace the poses of a file by smoothed ones; people in gaps are added, marked `filled`.

    Args:
        path: what `tools/infer.py --track` wrote, or predictions of val with test.track=true.

    Raises:
        ValueError: if the file is malformed.
    """
    content = fields.read_json(path)
    results = results_of(content, path)
    rate = _rate(results)
    image_ids = {
        number: content["images"][row]["id"]
        for number, row in zip(results.frame_numbers.tolist(), results.image_rows, strict=True)
    }
    people: list[dict[str, Any]] = []
    num_filled = 0
    for track_id in np.unique(results.track_ids).tolist():
        rows = np.flatnonzero(results.track_ids == track_id)
        frames = results.frame_numbers[results.frame_of[rows]]
        areas = results.boxes_xywh[rows, 2] * results.boxes_xywh[rows, 3]
        size = float(np.sqrt(max(np.median(areas), 1.0)))
        scores = results.joint_scores[rows]
        wanted, joints = smooth_track(frames, results.joints[rows], scores, size, rate)
        own = dict(zip(frames.tolist(), rows.tolist(), strict=True))
        for place, number in enumerate(wanted.tolist()):
            if number in own:
                entry = dict(content["annotations"][results.rows[own[number]]])
            elif number in image_ids:
                entry = _between(results, rows, frames, number, image_ids[number], track_id)
                num_filled += 1
            else:  # a frame that the file does not list
                continue
            entry["keypoints"] = _moved(entry["keypoints"], joints[place])
            people.append(entry)
    order = {image_id: rank for rank, image_id in enumerate(image_ids.values())}
    people.sort(key=lambda entry: order[entry["image_id"]])
    for number, entry in enumerate(people, start=1):
        entry["id"] = number
    write_json(path, {**content, "annotations": people})
    return Smoothed(len(people), num_filled)


def _rate(results: VideoResults) -> float:
    """Return frames per second, from the times of the first and last frame that have one."""
    known = np.flatnonzero(np.isfinite(results.times))
    if len(known) < 2:
        return DEFAULT_RATE
    first, last = known[0], known[-1]
    seconds = float(results.times[last] - results.times[first])
    count = int(results.frame_numbers[last] - results.frame_numbers[first])
    return count / seconds if seconds > 0 and count > 0 else DEFAULT_RATE


def _moved(keypoints: list[float], joints: np.ndarray) -> list[float]:
    """Return keypoints with other places and the same third values."""
    thirds = np.reshape(keypoints, (-1, 3))[:, 2:]
    return np.hstack([joints, thirds]).ravel().tolist()


def _between(
    results: VideoResults,
    rows: np.ndarray,
    frames: np.ndarray,
    number: int,
    image_id: int,
    track_id: int,
) -> dict[str, Any]:
    """Return a person of a gap: box and scores lie between those before and after."""
    after = int(np.searchsorted(frames, number))
    share = (number - frames[after - 1]) / (frames[after] - frames[after - 1])

    def mixed(values: np.ndarray) -> np.ndarray:
        before, behind = values[rows[after - 1]], values[rows[after]]
        return np.asarray(before + share * (behind - before))

    scores = mixed(results.joint_scores)
    places = np.hstack([np.zeros((len(scores), 2)), scores[:, None]])
    entry = {
        "image_id": image_id,
        "track_id": track_id,
        "category_id": 1,
        "bbox": mixed(results.boxes_xywh).tolist(),
        "score": float(mixed(results.box_scores)),
        "keypoints": places.ravel().tolist(),
        "scores": scores.tolist(),
        "filled": True,
    }
    if results.probabilities is not None:
        entry["probabilities"] = mixed(results.probabilities).tolist()
    return entry
