"""Made-up videos with people in them: frames that compress like photographs, and annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dcpose.skeleton import POSETRACK

QUALITY = 75
"""Of the JPEG files; 1280x720 frames then have 60 to 80 kB, as PoseTrack's own."""


@dataclass(frozen=True)
class VideoSize:
    """Size of a set of videos in which every frame is annotated."""

    videos: int
    frames: int
    people: int
    image_wh: tuple[int, int] = (1280, 720)

    @property
    def clips(self) -> int:
        """People in all frames of all videos."""
        return self.videos * self.frames * self.people


def write_video_set(root: Path, size: VideoSize, seed: int = 0) -> int:
    """Write `annotations/val/<video>.json` and the frames under `images/val`.

    Args:
        root: folder to write to.
        size: videos, frames, people.
        seed: the same seed gives the same files.

    Returns:
        bytes of all frames.
    """
    rng = np.random.default_rng(seed)
    annotations = root / "annotations" / "val"
    annotations.mkdir(parents=True)
    written = 0
    for video in range(1, size.videos + 1):
        name = f"{video:06d}_mpii_test"
        images: list[dict[str, Any]] = [
            {
                "id": 10**10 + video * 10**6 + frame,
                "file_name": f"images/val/{name}/{frame:06d}.jpg",
                "nframes": size.frames,
                "width": size.image_wh[0],
                "height": size.image_wh[1],
            }
            for frame in range(size.frames)
        ]
        people = [
            _person(rng, image["id"], track, size.image_wh)
            for image in images
            for track in range(size.people)
        ]
        category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
        content = {"images": images, "annotations": people, "categories": [category]}
        (annotations / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        written += _write_frames(rng, root, [image["file_name"] for image in images], size.image_wh)
    return written


def _person(
    rng: np.random.Generator, image_id: int, track: int, image_wh: tuple[int, int]
) -> dict[str, Any]:
    """Return a person of a third to a half of the image's height, inside the image."""
    height = rng.uniform(0.33, 0.5) * image_wh[1]
    wh = np.array([0.4 * height, height])
    left_top = rng.uniform((0, 0), np.array(image_wh) - wh)
    joints = left_top + rng.uniform(0.05, 0.95, (POSETRACK.num_joints, 2)) * wh
    visible = np.ones(POSETRACK.num_joints)
    visible[[POSETRACK.index(name) for name in POSETRACK.unlabelled]] = 0
    return {
        "image_id": image_id,
        "id": image_id * 100 + track,
        "track_id": track,
        "category_id": 1,
        "bbox": [*left_top.round(2).tolist(), *wh.round(2).tolist()],
        "bbox_head": [0, 0, *(0.1 * wh).round(2).tolist()],  # as large as a head, wherever it is
        "keypoints": np.column_stack([joints, visible]).round(2).reshape(-1).tolist(),
    }


def _write_frames(
    rng: np.random.Generator, root: Path, names: list[str], image_wh: tuple[int, int]
) -> int:
    """Write a picture that moves a little from frame to frame; return the bytes written."""
    width, height = image_wh
    layers = [
        cv2.resize(
            rng.normal(0, spread, (height // grain + 1, width // grain + 1, 3)).astype(np.float32),
            image_wh,
            interpolation=cv2.INTER_CUBIC,
        )
        for grain, spread in ((90, 60), (12, 12), (3, 2))  # shapes, edges, texture
    ]
    picture = np.clip(128 + np.sum(layers, axis=0), 0, 255).astype(np.uint8)
    written = 0
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = np.roll(picture, 3 * number, axis=1)
        data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        written += path.write_bytes(data)
    return written
