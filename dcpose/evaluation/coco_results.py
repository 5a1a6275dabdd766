"""Predictions files to COCO keypoints results: one list of people with COCO's 17 joints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.evaluation.conversion import Losses, to_posetrack18
from dcpose.evaluation.predictions import JointScore
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
) -> tuple[list[dict[str, Any]], Losses]:
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
    """
    losses = Losses()
    if "annolist" in content:
        content, losses = to_posetrack18(content, path)
    names = content["categories"][0]["keypoints"]
    annotations = content["annotations"]
    for name in set(names) - set(COCO.joint_names):
        losses[f"joint {name}"] += len(annotations)
    if not annotations:
        return [], +losses
    joints = np.array([a["keypoints"] for a in annotations], np.float64).reshape(
        len(annotations), -1, 3
    )
    scores = np.array([a["scores"][: len(names)] for a in annotations], np.float64)
    box_scores = np.array([a["score"] for a in annotations], np.float64)
    # the row of zeros appended at the end is what -1, a joint that is not in the file, picks
    columns = [names.index(name) if name in names else -1 for name in COCO.joint_names]
    padded = np.concatenate([joints, np.zeros((len(joints), 1, 3))], axis=1)[:, columns]
    heatmap_scores = scores[:, [column for column in columns if column >= 0]]
    if joint_score == "heatmap_times_box":
        heatmap_scores = heatmap_scores / np.where(box_scores, box_scores, 1.0)[:, None]
    ranks = person_scores(heatmap_scores, box_scores)
    return _entries(annotations, padded, ranks), +losses


def _entries(
    annotations: Sequence[dict[str, Any]], joints: np.ndarray, scores: np.ndarray
) -> list[dict[str, Any]]:
    return [
        {
            "image_id": annotation["image_id"],
            "category_id": 1,
            "keypoints": person.ravel().tolist(),
            "score": float(score),
        }
        for annotation, person, score in zip(annotations, joints, scores, strict=True)
    ]
