"""Labels for the neighbours of labelled frames, from a model that was trained on the labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dcpose.build.carrying import build_carrier, describe_carrier
from dcpose.build.data import build_skeleton, data_root, read_videos
from dcpose.build.runtime import Network
from dcpose.config.schema import Config
from dcpose.data.carried import Carried, held_out, without_labels
from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.skeleton import Skeleton
from dcpose.structures import PosePrediction

LIMIT = 0.1
"""Of the longer side of the box: a joint that is nearer to its label is right."""
LEAST_JOINTS = 100
"""Held-out joints that a threshold is chosen by."""


@dataclass(frozen=True)
class Threshold:
    """Above which score joints are taken, and what that is worth on held-out labels.

    Attributes:
        score: the least heatmap peak.
        precision: share of the joints taken that are right; NaN if it was not measured.
        recall: share of the labelled joints that are taken and right; NaN likewise.
        num_joints: labelled joints that were held out.
    """

    score: float
    precision: float
    recall: float
    num_joints: int


@dataclass(frozen=True)
class Propagated:
    """What was written.

    Attributes:
        threshold: of the scores.
        num_frames: frames that got labels.
        num_people: people in them.
        num_joints: their joints.
        left_out: joints below the threshold.
    """

    threshold: Threshold
    num_frames: int
    num_people: int
    num_joints: int
    left_out: int


def propagate(
    cfg: Config,
    network: Network,
    device: torch.device,
    out: Path,
    reach: int,
    precision: float,
    min_score: float | None = None,
) -> Propagated:
    """Write labels for frames of the train split that have none, one file per video.

    The threshold is the lowest score from which on joints of val, found in the same way from labels
    1 to `reach` frames away, are right often enough.

    Args:
        cfg: whose train split is labelled sparsely.
        network: in eval mode, on `device`.
        device: where to compute.
        out: folder for the files, new or empty.
        reach: frames from a labelled one to the farthest that gets labels.
        precision: share of the taken joints that has to be right on val, in (0, 1).
        min_score: the threshold; None chooses it.

    Raises:
        ValueError: if the folder holds something, or nothing is there to label or to measure by.
    """
    if reach < 1 or not 0 < precision < 1:
        raise ValueError(f"expected a reach of at least 1 and a precision between 0 and 1, found "
                         f"{reach} and {precision}")  # fmt: skip
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: holds something already; choose a new folder")
    videos = read_videos(cfg, "train")
    wanted = without_labels(videos, reach)
    if not wanted:
        raise ValueError(
            f"{data_root(cfg)}: no frame without labels lies within {reach} frames of a labelled "
            "one; put the frames around labelled ones on disk"
        )
    carrier = build_carrier(cfg, network, device)
    known = held_out(read_videos(cfg, "val"), reach)
    threshold = choose_threshold(known, carrier(known), precision, min_score)
    poses = {id(pose.person): pose for pose in carrier(wanted)}
    skeleton, how = build_skeleton(cfg), describe_carrier(cfg)
    by_video: dict[str, list[tuple[Carried, PosePrediction]]] = defaultdict(list)
    for one in wanted:
        by_video[one.video.name].append((one, poses[id(one.person)]))
    counts = np.zeros(4, int)
    for index, video in enumerate(videos):
        content, of_video = _file(
            video, index, by_video.get(video.name, []), threshold.score, skeleton, how
        )
        counts += of_video
        if content["annotations"]:
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / f"{video.name}.json", content)
    return Propagated(threshold, *counts.tolist())


def choose_threshold(
    known: Sequence[Carried],
    poses: Sequence[PosePrediction],
    precision: float,
    min_score: float | None = None,
) -> Threshold:
    """Choose the lowest score above which joints are right often enough.

    Args:
        known: people whose labels were held out.
        poses: what was found of them, in any order.
        precision: share of the joints that has to be right.
        min_score: measures this threshold; None chooses one.

    Raises:
        ValueError: if too few joints are known, or no threshold is good enough.
    """
    found = {id(pose.person): pose for pose in poses}
    scores, right = [np.zeros(0)], [np.zeros(0, bool)]
    for one in known:
        if one.truth is None:
            continue
        pose, labelled = found[id(one.person)], one.truth[:, 2] > 0
        away = np.linalg.norm(pose.joints - one.truth[:, :2], axis=-1)
        near = away <= LIMIT * one.person.box_xywh[2:].max()
        scores.append(pose.heatmap_scores[labelled])
        right.append(near[labelled])
    all_scores, all_right = np.concatenate(scores), np.concatenate(right)
    count = len(all_scores)
    if min_score is not None:
        return _measured(min_score, all_scores, all_right)
    if count < LEAST_JOINTS:
        raise ValueError(
            f"{count} joints of val have labels that others lie near to, expected at least "
            f"{LEAST_JOINTS} to choose a threshold by; label frames of val in a row, or give "
            "--min-score"
        )
    order = np.argsort(-all_scores, kind="stable")
    shares = np.cumsum(all_right[order]) / np.arange(1, count + 1)
    good = np.flatnonzero(shares >= precision)
    if not len(good):
        raise ValueError(
            f"no score is right in {precision:.0%} of the cases on val (the best ones in "
            f"{shares.max():.0%}); train longer, or lower --precision"
        )
    return _measured(float(all_scores[order][good[-1]]), all_scores, all_right)


def _measured(score: float, scores: np.ndarray, right: np.ndarray) -> Threshold:
    taken = scores >= score
    hits = float((taken & right).sum())
    nan = float("nan")
    return Threshold(
        score,
        hits / taken.sum() if taken.any() else nan,
        hits / len(scores) if len(scores) else nan,
        len(scores),
    )


def _file(
    video: VideoAnnotation,
    index: int,
    found: Sequence[tuple[Carried, PosePrediction]],
    min_score: float,
    skeleton: Skeleton,
    how: str,
) -> tuple[dict[str, Any], np.ndarray]:
    """Return the content of a file, and frames, people, joints taken and joints left out."""
    images: dict[int, dict[str, Any]] = {}
    people: list[dict[str, Any]] = []
    taken = left_out = 0
    ids = _image_ids(video, index)
    for one, pose in found:
        sure = pose.heatmap_scores >= min_score
        taken += int(sure.sum())
        left_out += int((~sure).sum())
        if not sure.any():
            continue
        number = one.person.frame
        images.setdefault(number, _image(video, number, ids + number))
        keypoints = np.column_stack([pose.joints, np.ones(len(sure))]) * sure[:, None]
        people.append(
            {
                "id": len(people) + 1,
                "image_id": ids + number,
                "category_id": 1,
                "track_id": one.person.track_id if one.person.track_id is not None else 0,
                "bbox": one.person.box_xywh.round(3).tolist(),
                "keypoints": keypoints.round(3).ravel().tolist(),
                "scores": pose.heatmap_scores.round(4).tolist(),
                "source": f"{how}, from frame {one.labelled.frame}",
            }
        )
    content = {
        "images": [images[number] for number in sorted(images)],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}],
    }
    return content, np.array([len(images), len(people), taken, left_out])


def _image_ids(video: VideoAnnotation, index: int) -> int:
    """Return what is added to the number of a frame to get its id: as in the file, if it can be."""
    steps = {
        image["id"] - number
        for image, number in zip(video.images, video.frame_numbers, strict=True)
    }
    return steps.pop() if len(steps) == 1 else (index + 1) * 10**6


def _image(video: VideoAnnotation, number: int, image_id: int) -> dict[str, Any]:
    """Return the entry of a frame, like those of the file."""
    first = video.images[0]
    folder, _, _ = str(first["file_name"]).rpartition("/")
    size: dict[str, Any] = {key: first[key] for key in ("width", "height") if key in first}
    return {
        "id": image_id,
        "file_name": f"{folder}/{video.frame_path(number).name}",
        "nframes": first.get("nframes", video.num_frames),
        **size,
    }


def lines(done: Propagated) -> Iterator[str]:
    """Yield what was done, in words."""
    threshold = done.threshold
    if threshold.num_joints:
        yield (
            f"held out: {threshold.num_joints} joints of val; from score {threshold.score:.2f} on, "
            f"{threshold.precision:.1%} are within {LIMIT} of the box (precision), which are "
            f"{threshold.recall:.1%} of the labelled ones (recall)"
        )
    else:
        yield "held out: no labels of val lie near others, so nothing was measured"
    yield (
        f"{done.num_frames} frames got labels: {done.num_people} people, {done.num_joints} joints; "
        f"{done.left_out} joints are below the score and stay without"
    )
