"""Boxes of a video: every form of file, every way to name a frame."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from dcpose.estimator.boxes_file import read_boxes
from dcpose.formats.posetrack.names import parse_frame_name
from dcpose.video.images import ImageSequence
from dcpose.video.source import VideoFrame


@pytest.fixture
def source(tmp_path):
    """Three frames of 64 x 48, named like PoseTrack's."""
    folder = tmp_path / "000001_mpii_test"
    folder.mkdir()
    paths = [folder / f"{number:06d}.jpg" for number in range(3)]
    for path in paths:
        cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    return ImageSequence(paths, Fraction(25), folder.name)


@pytest.fixture
def boxes(tmp_path, source):
    """Function content -> per frame the rows [left, top, width, height, score]."""

    def read(content, min_box_score=0.2):
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(content))
        boxes_of = read_boxes(path, source, min_box_score)
        found = [boxes_of(VideoFrame(i, np.zeros((48, 64, 3), np.uint8), i)) for i in range(3)]
        return [np.column_stack([b.xywh, b.scores]).tolist() for b in found], found[1].annotated

    return read


def box(score=0.9, bbox=(1, 2, 30, 40), **key):
    return {"bbox": list(bbox), "category_id": 1, "score": score, **key}


@pytest.mark.parametrize(
    "key",
    [
        {"image_id": 1},
        {"image_id": parse_frame_name("000001_mpii_test/000001.jpg").image_id},
        {"image_name": "images/val/000001_mpii_test/000001.jpg"},
        {"image_name": "000001_mpii_test/000001.png"},
    ],
)
def test_detections_by_any_name(boxes, key):
    rows, annotated = boxes([box(**key), box(0.1, **key), box(0.5, (0, 0, 9, 9), **key)])
    assert rows == [[], [[1, 2, 30, 40, 0.9], [0, 0, 9, 9, 0.5]], []]
    assert not annotated


def test_other_categories_and_boxes_of_no_use_are_left_out(boxes):
    entries = [
        box(image_id=1),
        {**box(image_id=1), "category_id": 3},
        box(bbox=(70, 0, 9, 9), image_id=1),
        box(bbox=(0, 0, 0, 9), image_id=1),
    ]
    assert [len(rows) for rows in boxes(entries)[0]] == [0, 1, 0]


@pytest.mark.parametrize("folder", ["images/val/000001_mpii_test", "another"])
def test_annotation_files_by_name_else_by_order(boxes, folder):
    content = {
        "images": [{"id": 70 + n, "file_name": f"{folder}/{n:06d}.jpg"} for n in range(3)],
        "annotations": [{"image_id": 71, "bbox": [1, 2, 30, 40], "category_id": 1}],
    }
    rows, annotated = boxes(content)
    assert rows == [[], [[1, 2, 30, 40, 1]], []]
    assert annotated
    content["annotations"][0]["score"] = 0.7  # our own predictions
    assert boxes(content) == ([[], [[1, 2, 30, 40, 0.7]], []], False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "expected a list or an object"),
        ([{"bbox": [1, 2, 3, 4], "score": 1}], "entry 0"),
        ([box(bbox=(1, 2, 3), image_id=1)], "bbox"),
        ([box(image_id=77)], "none of its boxes belongs to 000001_mpii_test"),
        ({"images": [], "annotations": [box(image_id=5)]}, "image_id 5 is not the id of any image"),
    ],
)
def test_refused(boxes, content, message):
    with pytest.raises(ValueError, match=message):
        boxes(content)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"category_id": 0}, "3 category_id 0, expected 1 for people"),
        ({"category_id": "1"}, "3 category_id '1', expected 1"),
        ({"category_id": "person"}, "3 category_id 'person', expected 1"),
        ({"category_id": None}, "3 category_id null, expected 1"),
        ({"category_id": 18}, "3 category other than person"),
        ({"score": 0.01}, "3 score under the threshold"),
        ({"bbox": None}, "3 without a box"),
        ({"bbox": [0, 0, 0, 9]}, "3 box without area"),
    ],
)
def test_what_is_left_out_is_counted_aloud(boxes, caplog, changes, reason):
    wrong = [box(image_id=n) | changes for n in range(3)]
    with pytest.raises(ValueError, match=f"none of its 3 boxes can be used; left out: {reason}"):
        boxes(wrong)
    assert [len(rows) for rows in boxes([*wrong, box(image_id=1)])[0]] == [0, 1, 0]
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"1 boxes; left out: {reason}" in line
    assert boxes([{**item, "image_id": 9} for item in wrong] + [box(image_id=1)])[0][1]


def test_nobody_there_is_no_fault(boxes, caplog):
    image = {"id": 7, "file_name": "000001_mpii_test/000001.jpg"}
    assert boxes([])[0] == boxes({"images": [image], "annotations": []})[0] == [[], [], []]
    assert boxes([box(image_id=1)])[0][0] == []
    assert not caplog.records


def test_boxes_of_another_convention_are_warned_of(boxes, caplog):
    parts = [box(bbox=(0.1, 0.2, 0.3, 0.4), image_id=n) for n in range(3)]
    boxes(parts)
    corners = [box(bbox=(20, 10, 60 - n, 40), image_id=n % 3) for n in range(6)]
    boxes(corners)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "boxes.json: no side of its 3 boxes reaches 2 pixels" in lines[0]
    assert "6 of 6 boxes leave the image" in lines[1]
    assert all(
        line.endswith("expected bbox [left, top, width, height] in pixels of the image")
        for line in lines
    )
