"""A made-up data set of the size of PoseTrack18 val: annotations, predictions, frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dcpose.skeleton import POSETRACK


@dataclass(frozen=True)
class SetSize:
    """Size of a data set; the default is PoseTrack18 val, 8,880 frames."""

    videos: int = 74
    frames_per_video: int = 120

    @property
    def frames(self) -> int:
        """Frames of all videos."""
        return self.videos * self.frames_per_video


def write_evaluation_set(folder: Path, size: SetSize = SetSize(), seed: int = 0) -> None:
    """Write made-up annotations and predictions, about 65 MB for PoseTrack18 val's size.

    Args:
        folder: gets `annotations` and `predictions`, one 2018 file per video.
        size: how many videos of how many frames.
        seed: the same seed gives the same files.
    """
    rng = np.random.default_rng(seed)
    for side in ("annotations", "predictions"):
        (folder / side).mkdir(parents=True)
    for video in range(size.videos):
        name = f"{video + 1:06d}_mpii_test"
        counts = rng.integers(2, 10, size=size.frames_per_video)
        annotated, predicted = [], []
        for frame, count in enumerate(counts):
            image_id = 10**10 + (video + 1) * 10**4 + frame
            people = _random_people(rng, int(count))
            annotated += [_annotation(image_id, i, joints) for i, joints in enumerate(people)]
            noisy = people + rng.normal(0, 8, people.shape)
            clutter = _random_people(rng, int(rng.integers(0, 3)))
            predicted += [
                _prediction(rng, image_id, i, joints)
                for i, joints in enumerate(np.concatenate([noisy, clutter]))
            ]
        _write_video(folder / "annotations", name, video + 1, size, annotated)
        _write_video(folder / "predictions", name, video + 1, size, predicted)


def _random_people(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, 17, 2) joints around random places of a 1280 x 720 image."""
    centers = rng.uniform((100, 100), (1180, 620), size=(count, 1, 2))
    return centers + rng.normal(0, (30, 80), size=(count, POSETRACK.num_joints, 2))


def _triplets(joints: np.ndarray, third: np.ndarray) -> list[float]:
    triplets = np.column_stack([joints, third])
    triplets[[POSETRACK.index(name) for name in POSETRACK.unlabelled]] = 0
    return triplets.round(3).reshape(-1).tolist()


def _annotation(image_id: int, track_id: int, joints: np.ndarray) -> dict[str, Any]:
    head_x, head_y = joints[POSETRACK.index("head_top")].round(3).tolist()
    return {
        "image_id": image_id, "id": image_id * 100 + track_id, "track_id": track_id,
        "category_id": 1, "bbox_head": [head_x, head_y, 36.25, 44.5], "scores": [],
        "keypoints": _triplets(joints, np.ones(len(joints))),
    }  # fmt: skip


def _prediction(
    rng: np.random.Generator, image_id: int, track_id: int, joints: np.ndarray
) -> dict[str, Any]:
    scores = rng.uniform(size=len(joints)).round(6)
    return {
        "image_id": image_id, "id": image_id * 100 + track_id, "track_id": track_id,
        "category_id": 1, "score": round(float(rng.uniform()), 6), "scores": scores.tolist(),
        "keypoints": _triplets(joints, scores),
    }  # fmt: skip


def _write_video(
    folder: Path, name: str, video: int, size: SetSize, people: list[dict[str, Any]]
) -> None:
    images = [
        {
            "id": 10**10 + video * 10**4 + frame,
            "file_name": f"images/val/{name}/{frame:06d}.jpg",
            "nframes": size.frames_per_video,
        }
        for frame in range(size.frames_per_video)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    content = {"images": images, "annotations": people, "categories": [category]}
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def write_frames(root: Path) -> None:
    """Write a JPEG for every image of an evaluation set; the picture is the same everywhere."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (90, 160, 3), np.uint8)
    picture = cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    for source in (root / "annotations").glob("*.json"):
        for image in json.loads(source.read_bytes())["images"]:
            path = root / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
