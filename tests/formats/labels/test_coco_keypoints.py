"""COCO keypoints files as labels of videos."""

import json

import numpy as np
import pytest

from dcpose.formats.labels.coco_keypoints import read_coco_keypoints
from dcpose.formats.labels.reading import read_labels


def content():
    return {
        "images": [
            {"id": 5, "file_name": "clip/frame_000002.jpg", "width": 100, "height": 80},
            {"id": 6, "file_name": "clip/frame_000001.jpg", "width": 100, "height": 80},
        ],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 3, "keypoints": [1, 2, 2, 3, 4, 1],
             "bbox": [0, 0, 10, 20], "attributes": {"track_id": 4}},
            {"id": 2, "image_id": 5, "category_id": 3, "keypoints": [9, 9, 2, 0, 0, 0]},
            {"id": 3, "image_id": 6, "category_id": 3, "iscrowd": 1, "keypoints": [0] * 6},
            {"id": 4, "image_id": 6, "category_id": 8, "bbox": [0, 0, 1, 1]},
            {"id": 5, "image_id": 6, "category_id": 3, "keypoints": [0] * 6},
        ],
        "categories": [
            {"id": 3, "name": "mouse", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
            {"id": 8, "name": "box"},
        ],
    }  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(change=lambda content: None):
        made = content()
        change(made)
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(made))
        return path

    return write


def test_people_frames_and_what_is_left_out(write, tmp_path):
    (tmp_path / "images" / "clip").mkdir(parents=True)
    (tmp_path / "images" / "clip" / "frame_000002.jpg").touch()
    labels, form = read_labels(write())
    assert form == "coco"
    assert labels.limbs == (("nose", "tail"),)
    (video,) = labels.videos
    assert video.name == "clip"
    assert [frame.number for frame in video.frames] == [1, 2]
    assert video.frames[1].image.name == "frame_000002.jpg"
    first, second = video.frames[1].people
    np.testing.assert_array_equal(first.joints, [[1, 2, 2], [3, 4, 1]])  # the tail is hidden
    assert (first.track_id, second.track_id) == (4, 0)
    np.testing.assert_array_equal(first.box_xywh, [0, 0, 10, 20])
    assert second.box_xywh is None
    assert labels.left_out == {
        "crowds": 1, "annotations of other categories": 1, "people without a labelled joint": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["categories"].pop(0), "none with keypoints, expected exactly one"),
        (lambda c: c["annotations"][0].update(image_id=99), "image_id 99 is no image"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "must hold 6 numbers, found 2"),
        (lambda c: c["images"][0].update(id=6), "occurs twice"),
        (lambda c: c["images"][0].update(file_name="../a.jpg"), "leads out of the folder"),
        (lambda c: c.update(images=[], annotations=[]), "images is empty"),
        (lambda c: c["categories"][0].update(keypoints=["a", "a"]), "different names"),
    ],
)
def test_malformed(write, change, message):
    path = write(change)
    with pytest.raises(ValueError, match=message) as caught:
        read_coco_keypoints(path)
    assert str(caught.value).startswith(str(path))


def test_names_without_numbers_are_said(write):
    def rename(c):
        for image, name in zip(c["images"], ("a.jpg", "b.jpg"), strict=True):
            image["file_name"] = name

    labels = read_coco_keypoints(write(rename))
    assert "no numbers" in labels.notes[0]
    assert [frame.number for frame in labels.videos[0].frames] == [0, 1]
