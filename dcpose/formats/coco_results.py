"""Predictions files to COCO keypoints results: one list of people with COCO's 17 joints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats.fields import RowError, number_rows
from dcpose.formats.posetrack.convert import Omissions, to_posetrack18
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.skeleton import COCO

MIN_JOINT_SCORE = 0.2
"""Joints with a lower heatmap peak do not count in the score of a person."""


def person_scores(heatmap_scores: np.ndarray, box_scores: np.ndarray) -> np.ndarray:
    """Return (P,) float64 scores that rank whole people.

    The convention of the published COCO results: the box score times the mean of the heatmap
    peaks over 0.2; 0 for people without such a peak.

    Args:
        heatmap_scores: (P, J) heatmap peaks.
        box_scores: (P,) scores of the boxes.
    """
    counted = heatmap_scores > MIN_JOINT_SCORE
    sums = np.where(counted, heatmap_scores, 0.0).sum(axis=1)
    return box_scores * sums / np.maximum(counted.sum(axis=1), 1)


def coco_results(
    content: dict[str, Any], path: Path, joint_score: JointScore
) -> tuple[list[dict[str, Any]], Omissions]:
    """Convert the people of a predictions file.

    Joints are found by name. Joints that the file does not have (the eyes, in PoseTrack's) are
    0, 0, 0; joints that COCO does not have (head_bottom, head_top) are left out.

    Args:
        content: parsed predictions file, in the 2018 or 2017 form; frames are known by id.
        path: the file, for messages.
        joint_score: what the joint scores of the file are; see `write_predictions`.

    Returns:
        `{image_id, category_id, keypoints (17 x (x, y, score)), score}` of every person; and
        what was left out.

    Raises:
        ValueError: if a person has no scores, or values that are not finite.
    """
    omissions = Omissions()
    if "annolist" in content:
        content, omissions = to_posetrack18(content, path)
    names = content["categories"][0]["keypoints"]
    annotations = content["annotations"]
    for name in set(names) - set(COCO.joint_names):
        omissions[f"joint {name}"] += len(annotations)
    if not annotations:
        return [], +omissions
    keypoints = [annotation.get("keypoints") for annotation in annotations]
    joints = _numbers(keypoints, "keypoints", 3 * len(names), path).reshape(len(keypoints), -1, 3)
    rows = [annotation.get("scores") for annotation in annotations]
    scores = _numbers(rows, "scores", len(names), path)
    box_scores = _numbers([[a.get("score")] for a in annotations], "score", 1, path)[:, 0]
    # the row of zeros appended at the end is what -1, a joint that is not in the file, picks
    columns = [names.index(name) if name in names else -1 for name in COCO.joint_names]
    padded = np.concatenate([joints, np.zeros((len(joints), 1, 3))], axis=1)[:, columns]
    heatmap_scores = scores[:, [column for column in columns if column >= 0]]
    if joint_score == "heatmap_times_box":
        heatmap_scores = heatmap_scores / np.where(box_scores, box_scores, 1.0)[:, None]
    ranks = person_scores(heatmap_scores, box_scores)
    people = [
        {
            "image_id": annotation["image_id"],
            "category_id": 1,
            "keypoints": person.ravel().tolist(),
            "score": float(score),
        }
        for annotation, person, score in zip(annotations, padded, ranks, strict=True)
    ]
    return people, +omissions


def _numbers(rows: list[Any], key: str, width: int, path: Path) -> np.ndarray:
    """Return (P, width) finite numbers of all people."""
    expected = f"expected {width} finite numbers for each person in COCO results"
    try:
        values, _ = number_rows(rows, width)
    except RowError as error:
        place = f"{path}: annotations[{error.index}]: {key!r} has {error.found}"
        raise ValueError(f"{place}, {expected}") from None
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        place = f"{path}: annotations[{broken[0]}]: {key!r} holds null, NaN or infinity"
        raise ValueError(f"{place}, {expected}")
    return values
