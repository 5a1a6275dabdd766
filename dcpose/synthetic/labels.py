"""Rendered videos in the words of PoseTrack 2018 files: names, ids, annotations, detections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.skeleton import POSETRACK
from dcpose.synthetic.bursts import CONDITIONS
from dcpose.synthetic.setting import STREET, Setting
from dcpose.synthetic.video import Truth

FIRST_VIDEO = {"train": 1, "val": 10001}
SUFFIX = {"train": "mpii_train", "val": "mpii_test"}
MIN_JOINTS = 3
"""People with fewer labelled joints are left out."""


@dataclass(frozen=True)
class VideoJob:
    """Which video to render, and what its files and frames are called."""

    out: Path
    seed: int
    split: str
    index: int
    frames: int
    image_wh: tuple[int, int]
    setting: Setting = STREET

    @property
    def number(self) -> int:
        """Number of the video, unique across splits."""
        return FIRST_VIDEO[self.split] + self.index

    @property
    def name(self) -> str:
        """Folder of the frames and name of the annotation file."""
        return f"{self.number:06d}_{SUFFIX[self.split]}"

    def image_id(self, frame: int) -> int:
        """Id 1SSSSSSFFFF: source 1, video S, frame F."""
        return 10_000_000_000 + self.number * 10_000 + frame

    def is_labelled(self, frame: int) -> bool:
        """Whether people of this frame are annotated: the centre in train, every fourth in val."""
        if self.split == "val":
            return frame % 4 == 2  # not at the border, where a frame has one neighbour only
        border = self.frames // 12
        return border <= frame < self.frames - border


def image_entry(job: VideoJob, folder: Path, frame: int, truth: Truth) -> dict[str, Any]:
    """The frame itself, with its ignore regions."""
    polygons = [polygon.astype(int) for polygon in truth.ignore[frame]]
    return {
        "id": job.image_id(frame),
        "frame_id": job.image_id(frame),
        "file_name": f"{folder.as_posix()}/{frame:06d}.jpg",
        "vid_id": f"{job.number:06d}",
        "nframes": job.frames,
        "width": job.image_wh[0],
        "height": job.image_wh[1],
        "is_labeled": job.is_labelled(frame),
        "ignore_regions_x": [polygon[:, 0].tolist() for polygon in polygons],
        "ignore_regions_y": [polygon[:, 1].tolist() for polygon in polygons],
    }


def people_entries(job: VideoJob, frame: int, truth: Truth) -> list[dict[str, Any]]:
    """Annotations of one frame; people with too few joints in sight are left out."""
    people = []
    for track in range(len(truth.joints)):
        joints = truth.joints[track, frame]
        count = int(joints[:, 2].sum())
        box = truth.box_xywh[track, frame].round(2).tolist()
        if count < MIN_JOINTS or min(box[2:]) <= 1:
            continue
        flags = truth.conditions[track, frame]
        people.append(
            {
                "id": job.image_id(frame) * 100 + track,
                "image_id": job.image_id(frame),
                "person_id": track,
                "track_id": track,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "area": round(box[2] * box[3], 2),
                "bbox_head": truth.head_xywh[track, frame].round().astype(int).tolist(),
                "keypoints": joints.round(2).ravel().tolist(),
                "num_keypoints": count,
                "scores": [],
                "conditions": [c for c, on in zip(CONDITIONS, flags, strict=True) if on],
            }
        )
    return people


def detection_entries(
    job: VideoJob, people: list[dict[str, Any]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Boxes as a detector would give them: jittered, some missing, some of nobody."""
    found = []
    for person in people:
        x, y, w, h = person["bbox"]
        hard = bool(person["conditions"])
        jitter = rng.normal(0, 0.04 if hard else 0.025, 4) * (w, h, w, h)
        score = 1 - abs(rng.normal(0, 0.15 if hard else 0.06))
        missed = rng.uniform() < (0.04 if hard else 0.01)
        if not missed:
            box = (x + jitter[0], y + jitter[1], w + jitter[2], h + jitter[3])
            found.append(_detection(person["image_id"], box, max(score, 0.25)))
    width, height = job.image_wh
    for frame in range(job.frames):
        if rng.uniform() < 0.15:
            h = rng.uniform(0.15, 0.6) * height
            w = h * rng.uniform(0.3, 0.7)
            box = (rng.uniform(0, width - w), rng.uniform(0, height - h), w, h)
            found.append(_detection(job.image_id(frame), box, rng.uniform(0.05, 0.5)))
    return sorted(found, key=lambda detection: detection["image_id"])


def _detection(image_id: int, box: tuple[float, ...], score: float) -> dict[str, Any]:
    rounded = [round(float(value), 2) for value in box]
    return {"image_id": image_id, "category_id": 1, "bbox": rounded, "score": round(score, 4)}


def category_entries() -> list[dict[str, Any]]:
    """The one category, person, with the order of its joints."""
    category = {"supercategory": "person", "id": 1, "name": "person"}
    limbs = (POSETRACK.limb_indices + 1).tolist()  # COCO counts from 1
    return [{**category, "keypoints": list(POSETRACK.joint_names), "skeleton": limbs}]
