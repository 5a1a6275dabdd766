"""JSON that lies: in its bytes, its nesting, its numbers, its keys and ids."""

import copy
import json

import pytest

from dcpose.formats.coco import read_coco
from dcpose.formats.detections import read_detections
from dcpose.formats.posetrack.convert import to_posetrack17
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.formats.posetrack.records import read_annotations
from dcpose.skeleton import POSETRACK

VIDEO = "000342_mpii_test"
FIRST_ID = 10003420000


def video():
    """Two frames of one video, a person in the first."""
    images = [
        {"id": FIRST_ID + n, "file_name": f"images/val/{VIDEO}/{n:06d}.jpg", "nframes": 2,
         "width": 64, "height": 48}
        for n in range(2)
    ]  # fmt: skip
    person = {
        "image_id": FIRST_ID, "id": 1, "track_id": 0, "category_id": 1, "score": 0.9,
        "bbox": [5.0, 5.0, 20.0, 40.0], "bbox_head": [8.0, 5.0, 8.0, 9.0],
        "keypoints": [9.0, 9.0, 1] * 17, "scores": [0.5] * 17,
    }  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    return {"images": images, "annotations": [person], "categories": [category]}


def boxes():
    return [{"image_id": FIRST_ID, "category_id": 1, "bbox": [5.0, 5.0, 20.0, 40.0], "score": 0.5}]


def read_boxes(path):
    (path.parent / "set").mkdir(exist_ok=True)
    good = path.parent / "set" / "a.json"
    good.write_text(json.dumps(video()))
    return read_detections(path, read_annotations(good, path.parent), 0.1)


READERS = {
    "annotations": lambda path: read_annotations(path, path.parent),
    "coco": lambda path: read_coco(path, path.parent),
    "detections": read_boxes,
    "truth": lambda path: read_poses(path, "annotations"),
    "predictions": lambda path: read_poses(path, "predictions"),
}
NO_JSON = {
    "empty": b"",
    "a word": b"hello",
    "truncated": json.dumps(video()).encode()[:-20],
    "two documents": b"{}{}",
    "a comment": b"{} // yes",
    "a comma too many": b'{"images": [],}',
    "lists 100,000 deep": b"[" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000,
    "closed lists 100,000 deep": b'{"images":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5,000 digits": b'{"images": [1' + b"0" * 5000 + b"]}",
    "half a character": b'{"images": "\xff\xfe"}',
    "UTF-16, cut": json.dumps(video()).encode("utf-16")[:-3],
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "a zip": b"PK\x03\x04" + bytes(30),
    "a web page": b"<html>404</html>",
    "zero bytes": bytes(100),
    "a control character in a text": b'{"images": "a\x01"}',
}
NO_OBJECT = {
    "null": b"null",
    "a number": b"3",
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "a truth value": b"true",
    "a text of a million characters": b'"' + b"x" * 10**6 + b'"',
    "an empty object": b"{}",
    "images of null": b'{"images": null, "annotations": []}',
    "images that are numbers": b'{"images": [1], "annotations": []}',
    "no images": b'{"images": [], "annotations": [], "categories": []}',
    "an annolist of null": b'{"annolist": null}',
    "both forms, empty": b'{"annolist": [], "images": []}',
}


@pytest.mark.parametrize("name", [*NO_JSON, *NO_OBJECT])
def test_no_document(name, told, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes({**NO_JSON, **NO_OBJECT}[name])
    for read in READERS.values():
        told(lambda read=read: read(path), path, "valid JSON" if name in NO_JSON else None)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(reader, told, tmp_path):
    (tmp_path / "a.json").mkdir()
    told(
        lambda: READERS[reader](tmp_path / "a.json"), "a.json", "it is a folder|no annotation files"
    )
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**33)  # takes no space on the disk
    told(lambda: READERS[reader](huge), huge, "8589934592 bytes, at most 2147483648 are read")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_and_line_ends(encoding, tmp_path):
    text = json.dumps(video(), indent=1).replace("\n", "\r\n")
    path = tmp_path / "Datei mit Ö 空.json"
    path.write_bytes(text.encode(encoding))
    for name in ("annotations", "truth", "predictions"):
        READERS[name](path)
    path.write_bytes(json.dumps(boxes()).encode(encoding))
    assert len(read_boxes(path)[0]["000342_mpii_test"]) == 1


def changed(content, place, value):
    """A copy of the content with another value at a place such as ("images", 0, "id")."""
    content = copy.deepcopy(content)
    holder = content
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return content


# Python writes and reads NaN and Infinity without quotes; 1e400 is read as Infinity
STRANGE = [float("nan"), float("inf"), float("-inf"), 10**400, "1", None, True, [1], {"a": 1}]
WHOLE = [("images", 0, "id"), ("annotations", 0, "image_id")]
OPTIONAL_WHOLE = [("images", 0, "nframes"), ("annotations", 0, "track_id")]
NUMBERS = [("annotations", 0, "bbox", 2), ("annotations", 0, "keypoints", 4)]


@pytest.mark.parametrize("place", [*WHOLE, *OPTIONAL_WHOLE, *NUMBERS], ids=str)
def test_numbers_that_are_none(place, told, tmp_path):
    path = tmp_path / "a.json"
    for value in STRANGE:
        if value is None and place in OPTIONAL_WHOLE:
            continue  # as good as not there
        path.write_text(json.dumps(changed(video(), place, value)))
        told(lambda: read_annotations(path, tmp_path), path, r"(images|annotations)\[0\]")


@pytest.mark.parametrize("place", [("width",), ("height",), ("id",)], ids=str)
def test_numbers_of_single_images(place, told, tmp_path):
    content = video()
    content["annotations"][0]["iscrowd"] = 0
    path = tmp_path / "c.json"
    for value in [*STRANGE, -1 if place != ("id",) else 0.5]:
        path.write_text(json.dumps(changed(content, ("images", 0, *place), value)))
        told(lambda: read_coco(path, tmp_path), path, r"images\[0\]")


@pytest.mark.parametrize("place", [(0, "bbox", 0), (0, "score"), (0, "image_id")], ids=str)
def test_numbers_of_boxes(place, told, tmp_path):
    path = tmp_path / "d.json"
    for value in STRANGE:
        path.write_text(json.dumps(changed(boxes(), place, value)))
        told(lambda: read_boxes(path), path, "entry 0")


def test_numbers_that_the_evaluation_takes(tmp_path):
    """As the official evaluator: not finite is no match, or ranks at an end, and is noted."""
    path = tmp_path / "a.json"
    for value in (float("nan"), float("inf"), float("-inf")):
        path.write_text(json.dumps(changed(video(), ("annotations", 0, "keypoints", 0), value)))
        assert "not finite: never a match" in read_poses(path, "predictions").notes[0]
        path.write_text(json.dumps(changed(video(), ("annotations", 0, "scores", 0), value)))
        assert "scores are not finite" in read_poses(path, "predictions").notes[-1]


@pytest.mark.parametrize("place", ["keypoints", "scores", "bbox_head"])
def test_numbers_that_the_evaluation_refuses(place, told, tmp_path):
    path = tmp_path / "a.json"
    side = "annotations" if place == "bbox_head" else "predictions"
    for value in (10**400, "1", [1], {"a": 1}):
        path.write_text(json.dumps(changed(video(), ("annotations", 0, place, 0), value)))
        told(lambda: read_poses(path, side), path, "person 1")


def test_2017_numbers(told, tmp_path):
    content = to_posetrack17(video(), tmp_path, "annotations")[0]
    path = tmp_path / "a" / "a.json"
    path.parent.mkdir()
    point = ("annolist", 0, "annorect", 0, "annopoints", 0, "point", 0)
    for value in [*STRANGE, []]:
        for key in ("x", "id"):
            path.write_text(json.dumps(changed(content, (*point, key), [value])))
            told(lambda: read_annotations(path.parent, tmp_path), path, r"annolist\[0\]")


def test_counts_are_not_counted_through(limits, tmp_path):
    content = video()
    for image in content["images"]:
        image |= {"nframes": 10**9, "width": 10**9, "height": 10**9}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    folder = tmp_path / "images" / "val" / VIDEO
    folder.mkdir(parents=True)
    (folder / "000001.jpg").write_bytes(b"")
    with limits():
        (read,) = read_annotations(path, tmp_path)
        assert read.num_frames == 10**9
        assert read.frames_on_disk() == {1}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda c: c["images"].append(c["images"][0]), "occurs (2 times|twice)"),
        (lambda c: c["images"][1].update(id=FIRST_ID), "occurs (2 times|twice)"),
        (lambda c: c["images"][1].update(file_name=c["images"][0]["file_name"]), "frame number 0"),
        (lambda c: c["images"][1].update(nframes=3), "nframes differs between images"),
        (lambda c: c["images"][1].update(width=65), "width and height differ"),
        (lambda c: c["annotations"][0].update(image_id=5), "image_id 5 is not the id of any image"),
        (lambda c: c["categories"].append(c["categories"][0]), "expected one with id 1"),
        (lambda c: c["categories"][0].update(keypoints=["nose"]), "keypoints lack"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "must hold 51 numbers, found 2"),
        (lambda c: c["annotations"][0].update(bbox=[1] * 5), "must hold 4 numbers, found 5"),
    ],
)  # fmt: skip
def test_contradictions(change, found, told, tmp_path):
    content = video()
    change(content)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    told(lambda: read_annotations(path, tmp_path), path, found)


def test_of_a_key_that_stands_twice_the_last_counts(tmp_path):
    path = tmp_path / "a.json"
    text = json.dumps(video())
    path.write_text(text.replace('"track_id": 0', '"track_id": 5, "track_id": 7'))
    (read,) = read_annotations(path, tmp_path)
    assert read.people[0].track_id == 7


def test_a_track_id_twice_in_a_frame(told, tmp_path):
    content = video()
    content["annotations"] *= 2
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    told(lambda: read_poses(path, "predictions"), path, "track_id 0 is already used in this frame")
    assert "share a track_id" in read_poses(path, "annotations").notes[0]


def test_a_box_twice_counts_twice(tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(boxes() * 2))
    assert len(read_boxes(path)[0][VIDEO]) == 2
