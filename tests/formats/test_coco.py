"""COCO-form annotations as parts of single images."""

import json

import cv2
import numpy as np
import pytest

from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.frames import FrameError
from dcpose.data.stream import ClipStream
from dcpose.formats import coco
from dcpose.formats.coco import read_coco
from dcpose.formats.detections import read_detections
from dcpose.skeleton import COCO, POSETRACK

SINGLE = ClipOptions(crop_wh=(64, 64), frames=(0,))
SIZES = {"a.jpg": (160, 120), "b/c.jpg": (100, 140), "d.jpg": (80, 80)}


def person(image_id, **changes):
    """A person whose joint k of COCO is at (20 + k, 30 + 2 k), hidden where k is odd."""
    keypoints = [value for k in range(17) for value in (20 + k, 30 + 2 * k, 2 - k % 2)]
    return {
        "id": 1, "image_id": image_id, "category_id": 1, "iscrowd": 0, "area": 900.0,
        "bbox": [15, 25, 30, 50], "keypoints": keypoints, "num_keypoints": 17, **changes,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Three images of different sizes; people in the first and the last."""
    for value, (name, (width, height)) in enumerate(SIZES.items()):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((height, width, 3), 60 * (value + 1), np.uint8))
    return tmp_path


def write(folder, people, **changes):
    images = [
        {"id": 7 + k, "file_name": name, "width": w, "height": h}
        for k, (name, (w, h)) in enumerate(SIZES.items())
    ]
    categories = [
        {"id": 2, "name": "dog"},
        {"id": 1, "name": "person", "keypoints": list(COCO.joint_names)},
    ]
    content = {"images": images, "annotations": people, "categories": categories, **changes}
    path = folder / "people.json"
    path.write_text(json.dumps(content))
    return path


def read(folder, people, **changes):
    return read_coco(write(folder, people, **changes), folder / "images")


def test_joints_go_by_name(folder):
    (part,) = read(folder, [person(9)])
    assert part.name == "people_000"
    assert len(part.images) == 3
    (record,) = part.people
    assert (record.video, record.image_id, record.frame) == ("people_000", 9, 2)
    joints = dict(zip(POSETRACK.joint_names, record.joints.tolist(), strict=True))
    assert joints["head_bottom"] == joints["head_top"] == [0, 0, 0]  # no weight in the loss
    for name in set(COCO.joint_names) & set(POSETRACK.joint_names):
        k = COCO.index(name)
        assert joints[name] == [20 + k, 30 + 2 * k, 1]  # hidden joints are labelled, too
    assert "left_eye" not in joints


def test_people_of_no_use_are_counted(folder):
    eyes_only = [0] * 51
    eyes_only[3:6] = [20, 30, 2]
    people = [
        person(7),
        person(7, iscrowd=1),
        person(7, category_id=2),
        person(7, keypoints=eyes_only),
        person(8, bbox=[5, 5, 0, 3]),
        person(9, bbox=[90, 10, 20, 20]),
    ]
    (part,) = read(folder, people)
    assert len(part.people) == 1
    assert part.skipped == {
        "crowd": 1,
        "category other than person": 1,
        "no labelled joint": 1,
        "box without area": 1,
        "box outside the image": 1,
    }


def test_parts_share_nothing(folder, monkeypatch):
    monkeypatch.setattr(coco, "PART_SIZE", 2)
    first, second = read(folder, [person(7), person(8), person(9)])
    assert (first.name, second.name) == ("people_000", "people_001")
    assert [[p.image_id for p in part.people] for part in (first, second)] == [[7, 8], [9]]
    assert [image["id"] for image in second.images] == [9]
    assert second.frames_on_disk() == {2}
    assert second.frame_path(2) == folder / "images/d.jpg"


def test_images_of_different_sizes_train_and_stream(folder):
    parts = read(folder, [person(7), person(8), person(9)])
    dataset = PoseTrackClips(parts, SINGLE, None, seed=0)
    sample = dataset[1]
    assert sample.frames.shape == (1, 64, 64, 3)
    assert sample.frames[0, 32, 32].tolist() == [120] * 3  # of b/c.jpg
    heads = [POSETRACK.index(name) for name in ("head_bottom", "head_top")]
    assert np.flatnonzero(sample.joint_weights == 0).tolist() == heads

    people = {part.name: part.people for part in parts}
    (batch,) = ClipStream(parts, people, SINGLE, batch_size=8)
    assert [p.image_id for p in batch.people] == [7, 8, 9]
    assert batch.frames[:, 0, 32, 32, 0].tolist() == [60, 120, 180]


def test_detections_are_known_by_id_and_checked_against_their_image(folder):
    parts = read(folder, [])
    boxes = [
        {"image_id": 7, "category_id": 1, "bbox": [90, 10, 20, 20], "score": 0.9},
        {"image_id": 9, "category_id": 1, "bbox": [90, 10, 20, 20], "score": 0.9},  # 80 wide
    ]
    path = folder / "boxes.json"
    path.write_text(json.dumps(boxes))
    people, skipped = read_detections(path, parts, 0.2)
    assert [p.image_id for p in people["people_000"]] == [7]
    assert skipped == {"box outside the image": 1}


def test_missing_and_resized_images(folder):
    (folder / "images/d.jpg").unlink()
    with pytest.raises(FrameError, match=r"d\.jpg: frame not found"):
        PoseTrackClips(read(folder, [person(9)]), SINGLE, None, seed=0)
    cv2.imwrite(str(folder / "images/a.jpg"), np.zeros((60, 80, 3), np.uint8))
    dataset = PoseTrackClips(read(folder, [person(7)]), SINGLE, None, seed=0)
    with pytest.raises(FrameError, match="80x60, expected 160x120"):
        dataset[0]


@pytest.mark.parametrize(
    ("people", "changes", "words"),
    [
        ([], {"images": []}, "images is empty"),
        ([person(99)], {}, "image_id 99 is no image"),
        ([person(7, keypoints=[1, 2, 3])], {}, "must hold 51 numbers, found 3"),
        ([], {"categories": []}, "one named 'person', found 0"),
        ([], {"categories": [{"id": 1, "name": "person", "keypoints": ["tail"]}]}, "joints tail"),
        ([], {"images": [{"id": 1, "file_name": "a.jpg", "width": 0, "height": 5}]}, "positive"),
        ([], {"images": [{"id": 1, "file_name": "a", "width": 9, "height": 5}] * 2}, "twice"),
    ],
)
def test_broken_files(folder, people, changes, words):
    with pytest.raises(ValueError, match=words) as error:
        read(folder, people, **changes)
    assert str(error.value).startswith(str(folder / "people.json"))
