"""Builders of small PoseTrack files."""

import json
from pathlib import Path

import pytest

from dcpose.skeleton import POSETRACK

VIDEO = "000342_mpii_test"
IMAGE_ID = 10003420000  # source 1 (mpii), video 000342, frame 0000


def joint_column(offset_x=0.0, scores=None, absent=()):
    """17 joints one below the other, 10 px apart, with x, y, score (ears absent)."""
    triplets = []
    for index, name in enumerate(POSETRACK.joint_names):
        gone = name in absent or name in POSETRACK.unlabelled
        third = 1.0 if scores is None else scores[index]
        triplets += [0, 0, 0] if gone else [100.0 + offset_x, 50.0 + 10 * index, third]
    return triplets


def person18(frame, track_id, keypoints, scores=(), **more):
    """One annotation of a 2018 file."""
    return {
        "image_id": IMAGE_ID + frame, "id": 100 * frame + track_id, "track_id": track_id,
        "category_id": 1, "keypoints": list(keypoints), "scores": list(scores), **more,
    }  # fmt: skip


def video18(people, num_frames=2, **more):
    """Content of a 2018 file."""
    images = [
        {"id": IMAGE_ID + frame, "file_name": f"images/val/{VIDEO}/{frame:06d}.jpg"}
        for frame in range(num_frames)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    return {"images": images, "annotations": people, "categories": [category], **more}


# a head box of 60 x 80 has a head size of 0.6 * 100 = 60 px, so joints may be 30 px off
HEAD = [100.0, 40.0, 60.0, 80.0]


@pytest.fixture
def build():
    """The builders of this file, as one object: build.person18(...), build.video18(...)."""

    class Build:
        VIDEO, IMAGE_ID, HEAD = VIDEO, IMAGE_ID, HEAD
        joint_column = staticmethod(joint_column)
        person18 = staticmethod(person18)
        video18 = staticmethod(video18)

    return Build


@pytest.fixture
def write(tmp_path):
    """Write JSON content under tmp_path and return the path."""

    def write_file(name: str, content) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file
