"""Small PoseTrack18-form data sets written to a temporary folder."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from dcpose.data.frames import read_frame
from dcpose.data.posetrack import read_annotations
from dcpose.skeleton import POSETRACK


class DataFolder:
    """Writes videos and annotation files, and counts decodes."""

    def __init__(self, root: Path):
        self.root = root
        self.annotations = root / "annotations"
        self.annotations.mkdir()
        self.decoded = Counter()

    def add_video(
        self, name, num_frames=6, people=1, labelled=None, image_wh=(160, 120), first=0, digits=6
    ):
        """Write a video whose frames have distinct grey levels; `labelled` frames hold people."""
        folder = self.root / "images/val" / name
        folder.mkdir(parents=True)
        numbers = range(first, first + num_frames)
        for number in numbers:
            frame = np.full((image_wh[1], image_wh[0], 3), (20 + 10 * number) % 250, np.uint8)
            cv2.imwrite(str(folder / f"{number:0{digits}d}.jpg"), frame)
        images = [self.image(name, number, num_frames, image_wh, digits) for number in numbers]
        annotations = [
            self.person(image["id"], track_id)
            for number, image in zip(numbers, images, strict=True)
            if labelled is None or number in labelled
            for track_id in range(people)
        ]
        return self.write(name, images=images, annotations=annotations)

    def write(self, name, **content):
        """Write an annotation file with the usual categories."""
        path = self.annotations / f"{name}.json"
        path.write_text(json.dumps(content | {"categories": [self.category()]}))
        return path

    @staticmethod
    def category():
        return {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}

    @staticmethod
    def image(name, number, num_frames, image_wh=(160, 120), digits=6):
        return {
            "id": 10_000_000 + int(name[:6]) * 10_000 + number,
            "file_name": f"images/val/{name}/{number:0{digits}d}.jpg",
            "nframes": num_frames,
            "width": image_wh[0],
            "height": image_wh[1],
        }

    @staticmethod
    def person(image_id, track_id=0):
        x, y = 40.0 + 5 * track_id, 20.0
        joints = [[x + 2 * j, y + 4 * j, 0 if "ear" in n else 1] for j, n in _joint_names()]
        return {
            "image_id": image_id,
            "id": image_id * 100 + track_id,
            "track_id": track_id,
            "category_id": 1,
            "bbox": [x - 4, y - 4, 40.0, 72.0],
            "keypoints": [value for joint in joints for value in joint],
        }

    def videos(self):
        """Read all annotation files."""
        return read_annotations(self.annotations, self.root)

    def read(self, path):
        """Decode a frame and count it."""
        self.decoded[path] += 1
        return read_frame(path)


def _joint_names():
    return enumerate(POSETRACK.joint_names)


@pytest.fixture
def data_folder(tmp_path):
    return DataFolder(tmp_path)
