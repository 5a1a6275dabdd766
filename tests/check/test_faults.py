"""Faults are planted one by one into a copy of the rendered sample; each must be found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from dcpose.check.findings import CODES, Report
from dcpose.check.layout import SplitFiles
from dcpose.check.run import CheckOptions, check_data_set

TRAIN, VAL = "annotations/train/000001_mpii_train.json", "annotations/val/010001_mpii_test.json"
TRAIN_FRAMES, VAL_FRAMES = "images/train/000001_mpii_train", "images/val/010001_mpii_test"
BOXES = "detections/val.json"

FAULTS: dict[str, tuple[str, str, Callable[[Path], object]]] = {}
"""Name of a fault -> (code, part of the path that the message names, what plants it)."""


def plants(code: str, names: str) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Add a function that damages a data set to the faults."""

    def add(plant: Callable[[Path], object]) -> Callable[[Path], object]:
        FAULTS[plant.__name__] = (code, names, plant)
        return plant

    return add


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def check(root: Path, **options) -> Report:
    splits = [
        SplitFiles("train", root / "annotations/train"),
        SplitFiles("val", root / "annotations/val", root / BOXES),
        SplitFiles("test", root / "annotations/test", root / "detections/test.json"),
    ]
    return check_data_set(root, splits, CheckOptions(**options))


@pytest.fixture
def healthy(sample_dir, tmp_path) -> Path:
    return Path(shutil.copytree(sample_dir, tmp_path / "set"))


# folders and splits
@plants("layout", "annotations/train")
def annotations_missing(root):
    shutil.rmtree(root / "annotations/train")


@plants("layout", "annotations/val")
def annotations_elsewhere(root):
    (root / "annotations/val").rename(root / "val")


@plants("layout", "annotations/val")
def dead_link_to_annotations(root):
    shutil.rmtree(root / "annotations/val")
    (root / "annotations/val").symlink_to(root / "nowhere")


@plants("counts", "annotations/train")
def annotation_file_lost(root):
    (root / TRAIN).unlink()


@plants("split-overlap", VAL)
def video_in_train_and_val(root):
    shutil.copy(root / VAL, root / "annotations/train" / Path(VAL).name)


@plants("wrong-split", "annotations/train/010001_mpii_test.json")
def val_video_among_train(root):
    (root / VAL).rename(root / "annotations/train" / Path(VAL).name)


@plants("no-people", "annotations/val")
def files_of_test_as_val(root):
    shutil.rmtree(root / "annotations/val")
    shutil.copytree(root / "annotations/test", root / "annotations/val")


@plants("video-name", "annotations/train/renamed.json")
def annotation_file_renamed(root):
    (root / TRAIN).rename(root / "annotations/train/renamed.json")


@plants("image-id-shared", "annotations/val")
def image_ids_in_two_videos(root):
    def take_ids(content):
        for number, image in enumerate(content["images"]):
            image["id"] = 10100010000 + number
        content["annotations"] = content["annotations"][:1]
        content["annotations"][0]["image_id"] = 10100010002

    edit(root / "annotations/val/010002_mpii_test.json", take_ids)


# annotation files
@plants("annotation-file", TRAIN)
def annotations_cut_short(root):
    (root / TRAIN).write_text((root / TRAIN).read_text()[:5000])


@plants("annotation-file", TRAIN)
def annotations_of_2017(root):
    (root / TRAIN).write_text('{"annolist": []}')


@plants("annotation-file", VAL)
def no_images_listed(root):
    edit(root / VAL, lambda content: content.update(images=[]))


@plants("annotation-entry", f"{TRAIN}: annotations[3]")
def keypoints_too_few(root):
    edit(root / TRAIN, lambda content: content["annotations"][3]["keypoints"].pop())


@plants("annotation-entry", f"{TRAIN}: images[2]")
def image_without_id(root):
    edit(root / TRAIN, lambda content: content["images"][2].pop("id"))


@plants("frame-name", TRAIN)
def frame_without_number(root):
    def rename(content):
        content["images"][3]["file_name"] = f"{TRAIN_FRAMES}/frame3.jpg"

    edit(root / TRAIN, rename)


@plants("frame-name", TRAIN)
def frames_of_two_folders(root):
    def rename(content):
        content["images"][3]["file_name"] = "images/train/000002_mpii_train/000003.jpg"

    edit(root / TRAIN, rename)


@plants("frame-repeated", TRAIN)
def frame_listed_twice(root):
    edit(root / TRAIN, lambda content: content["images"].append(content["images"][0]))


@plants("clip-length", TRAIN)
def clip_shorter_than_its_frames(root):
    edit(root / TRAIN, lambda content: [i.update(nframes=9) for i in content["images"]])


@plants("clip-length", TRAIN)
def clip_of_two_lengths(root):
    edit(root / TRAIN, lambda content: content["images"][4].update(nframes=100))


@plants("size-entry", TRAIN)
def sizes_that_differ_in_the_file(root):
    edit(root / TRAIN, lambda content: content["images"][4].update(width=640))


@plants("keypoint-names", f"{TRAIN}: categories")
def keypoint_called_neck(root):
    def rename(content):
        content["categories"][0]["keypoints"][1] = "neck"

    edit(root / TRAIN, rename)


@plants("keypoint-names", f"{TRAIN}: categories")
def categories_missing(root):
    edit(root / TRAIN, lambda content: content.pop("categories"))


# people
def person(root: Path, change: Callable[[dict], object], file: str = TRAIN) -> None:
    edit(root / file, lambda content: change(content["annotations"][3]))


@plants("unknown-image", f"{TRAIN}: annotations[3]")
def annotation_of_unknown_image(root):
    person(root, lambda entry: entry.update(image_id=1))


@plants("person-repeated", TRAIN)
def annotation_ids_repeated(root):
    edit(root / TRAIN, lambda c: c["annotations"][3].update(id=c["annotations"][0]["id"]))


@plants("person-without-joints", f"{TRAIN}: annotations[3]")
def joints_all_zero(root):
    person(root, lambda entry: entry.update(keypoints=[0] * 51))


@plants("joint-outside", f"{TRAIN}: annotations[3]")
def joint_far_outside(root):
    def move(entry):
        entry["keypoints"][:3] = [500, 60, 1]

    person(root, move)


@plants("joint-at-origin", f"{TRAIN}: annotations[3]")
def joint_labelled_at_the_origin(root):
    def move(entry):
        entry["keypoints"][:3] = [0, 0, 1]

    person(root, move)


@plants("empty-box", f"{TRAIN}: annotations[3]")
def box_without_area(root):
    person(root, lambda entry: entry.update(bbox=[10, 10, 0, 50]))


@plants("box-outside", f"{TRAIN}: annotations[3]")
def box_outside(root):
    person(root, lambda entry: entry.update(bbox=[400, 10, 50, 80]))


@plants("box-outside", f"{VAL}: annotations[3]")
def box_as_two_corners(root):
    def to_corners(entry):
        x, y, width, height = entry["bbox"]
        entry["bbox"] = [x, y, x + width, y + height]

    person(root, to_corners, VAL)


@plants("joints-off-box", f"{TRAIN}: annotations[3]")
def box_of_somebody_else(root):
    person(root, lambda entry: entry.update(bbox=[280, 5, 30, 30]))


@plants("head-box", f"{VAL}: annotations[3]")
def head_box_missing(root):
    person(root, lambda entry: entry.pop("bbox_head"), VAL)


@plants("head-box", f"{VAL}: annotations[3]")
def head_box_without_area(root):
    person(root, lambda entry: entry.update(bbox_head=[5, 5, 0, 0]), VAL)


@plants("no-head-boxes", f"{VAL}: annotations[0]")
def head_boxes_of_a_video_missing(root):
    path = root / VAL
    content = json.loads(path.read_text())
    for entry in content["annotations"]:
        del entry["bbox_head"]
    path.write_text(json.dumps(content))


@plants("track-id", TRAIN)
def track_id_twice_in_a_frame(root):
    def repeat(content):
        first = content["annotations"][0]
        twin = next(a for a in content["annotations"][1:] if a["image_id"] == first["image_id"])
        twin["track_id"] = first["track_id"]

    edit(root / TRAIN, repeat)


@plants("track-id", f"{TRAIN}: annotations[3]")
def track_id_missing(root):
    person(root, lambda entry: entry.pop("track_id"))


# frames
@plants("missing-folder", VAL_FRAMES)
def frames_of_a_video_missing(root):
    shutil.rmtree(root / VAL_FRAMES)


@plants("missing-folder", VAL_FRAMES)
def dead_link_to_a_video(root):
    shutil.rmtree(root / VAL_FRAMES)
    (root / VAL_FRAMES).symlink_to(root / "nowhere")


@plants("missing-frame", f"{VAL_FRAMES}/000005.jpg")
def frame_missing(root):
    (root / VAL_FRAMES / "000005.jpg").unlink()


@plants("unreadable-frame", f"{VAL_FRAMES}/000005.jpg")
def dead_link_to_a_frame(root):
    (root / VAL_FRAMES / "000005.jpg").unlink()
    (root / VAL_FRAMES / "000005.jpg").symlink_to(root / "nowhere.jpg")


@plants("misnumbered-frames", TRAIN_FRAMES)
def frames_numbered_from_one(root):
    for number in reversed(range(12)):
        frame = root / TRAIN_FRAMES / f"{number:06d}.jpg"
        frame.rename(frame.with_name(f"{number + 1:06d}.jpg"))


@plants("misnumbered-frames", TRAIN_FRAMES)
def frames_of_eight_digits(root):
    for number in range(12):
        frame = root / TRAIN_FRAMES / f"{number:06d}.jpg"
        frame.rename(frame.with_name(f"{number + 1:08d}.jpg"))


@plants("misnumbered-frames", TRAIN_FRAMES)
def frames_as_png(root):
    for frame in (root / TRAIN_FRAMES).iterdir():
        frame.rename(frame.with_suffix(".png"))


@plants("missing-neighbor", f"{TRAIN_FRAMES}/000000.jpg")
def neighbor_missing(root):
    edit(root / TRAIN, lambda content: content["images"].pop(0))
    (root / TRAIN_FRAMES / "000000.jpg").unlink()


@plants("unreadable-frame", f"{VAL_FRAMES}/000005.jpg")
def frame_cut_short(root):
    frame = root / VAL_FRAMES / "000005.jpg"
    frame.write_bytes(frame.read_bytes()[:-100])


@plants("unreadable-frame", f"{VAL_FRAMES}/000005.jpg")
def frame_with_a_tail_of_zeros(root):
    frame = root / VAL_FRAMES / "000005.jpg"
    data = frame.read_bytes()
    frame.write_bytes(data[:2000] + bytes(len(data) - 2000))


@plants("unreadable-frame", f"{VAL_FRAMES}/000005.jpg")
def frame_empty(root):
    (root / VAL_FRAMES / "000005.jpg").write_bytes(b"")


@plants("unreadable-frame", f"{VAL_FRAMES}/000005.jpg")
def frame_is_a_web_page(root):
    (root / VAL_FRAMES / "000005.jpg").write_text("<html>404 not found</html>")


@plants("frame-size", f"{VAL_FRAMES}/000005.jpg")
def frame_resized(root):
    cv2.imwrite(str(root / VAL_FRAMES / "000005.jpg"), np.zeros((360, 640, 3), np.uint8))


@plants("frame-size", f"{TRAIN_FRAMES}/000000.jpg")
def all_frames_unlike_their_entries(root):
    def enlarge(content):
        for image in content["images"]:
            image.update(width=640, height=360)

    edit(root / TRAIN, enlarge)


# detections
def first_box(root: Path, **values) -> None:
    edit(root / BOXES, lambda boxes: boxes[0].update(values))


@plants("detections-file", BOXES)
def detections_missing(root):
    (root / BOXES).unlink()


@plants("detections-file", BOXES)
def detections_of_another_form(root):
    (root / BOXES).write_text('{"annotations": []}')


@plants("detections-file", f"{BOXES}: entry 0")
def detection_without_score(root):
    edit(root / BOXES, lambda boxes: boxes[0].pop("score"))


@plants("detection-image", f"{BOXES}: entry 0")
def detection_of_unknown_image(root):
    first_box(root, image_id=12345)


@plants("detection-box", f"{BOXES}: entry 0")
def detection_outside(root):
    first_box(root, bbox=[330, 10, 20, 20])


@plants("detection-box", f"{BOXES}: entry 0")
def detection_without_area(root):
    first_box(root, bbox=[30, 10, 20, -20])


@plants("detection-box", f"{BOXES}: entry ")
def detection_twice(root):
    edit(root / BOXES, lambda boxes: boxes.append(boxes[0]))


def all_boxes(root: Path, change: Callable[[float, float, float, float], list[float]]) -> None:
    edit(root / BOXES, lambda boxes: [box.update(bbox=change(*box["bbox"])) for box in boxes])


@plants("detection-convention", BOXES)
def detections_as_corners(root):
    all_boxes(root, lambda x, y, w, h: [x, y, x + w, y + h])


@plants("detection-convention", BOXES)
def detections_as_centres(root):
    all_boxes(root, lambda x, y, w, h: [x + w / 2, y + h / 2, w, h])


@plants("detection-convention", BOXES)
def detections_as_parts_of_the_image(root):
    all_boxes(root, lambda x, y, w, h: [x / 320, y / 180, w / 320, h / 180])


@plants("detection-category", f"{BOXES}: entry 0")
def detections_of_category_0(root):
    edit(root / BOXES, lambda boxes: [box.update(category_id=0) for box in boxes])


@plants("detection-category", f"{BOXES}: entry 0")
def detection_of_a_named_category(root):
    first_box(root, category_id="person")


@plants("detection-score", f"{BOXES}: entry 0")
def score_in_percent(root):
    first_box(root, score=98.0)


@plants("detection-score", BOXES)
def scores_all_under_the_threshold(root):
    edit(root / BOXES, lambda boxes: [box.update(score=box["score"] / 100) for box in boxes])


def test_the_sample_is_healthy(healthy):
    report = check(healthy)
    assert report.problems == []
    assert report.notes == []
    assert report.tree is None
    assert [s.usable_frames for s in report.splits] == [24, 24, 24]
    assert [s.people for s in report.splits] == [100, 21, 0]  # as in its synthetic.json


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_poor_boxes_are_healthy(healthy, spread):
    draw = np.random.default_rng(0).normal(0, spread, 1000).tolist()

    def shift(x, y, w, h):
        return [min(max(x + draw.pop() * w, 0), 300), min(max(y + draw.pop() * h, 0), 160), w, h]

    all_boxes(healthy, shift)
    assert check(healthy).problems == []


def test_enough_faults_are_planted():
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, healthy):
    code, names, plant = FAULTS[fault]
    plant(healthy)
    report = check(healthy)
    found = [f for f in report.problems if f.code == code and names in f.where]
    assert found, report.text()
    for finding in found:
        assert finding.found
        assert finding.mend
        assert f"[{code}] {finding.where}: " in report.text()


NOTED = {"more-frames", "unannotated-video", "detection-coverage", "hidden-joint"}


def test_every_kind_of_problem_is_planted():
    assert {code for code, _, _ in FAULTS.values()} == CODES.keys() - NOTED


def test_what_stops_no_run_is_a_note(healthy):
    for extra in (12, 13):
        shutil.copy(healthy / VAL_FRAMES / "000000.jpg", healthy / VAL_FRAMES / f"{extra:06d}.jpg")
    shutil.copytree(healthy / TRAIN_FRAMES, healthy / "images/train/000009_mpii_train")
    edit(healthy / BOXES, lambda boxes: boxes.pop(0) and boxes.pop(0) and boxes.pop(0))

    def hide(entry):
        entry["keypoints"][2] = 0

    person(healthy, hide)
    report = check(healthy)
    assert report.problems == []
    assert {finding.code for finding in report.notes} == NOTED


def test_a_layout_problem_shows_both_trees_and_the_folder_found(healthy):
    annotations_elsewhere(healthy)
    report = check(healthy)
    (finding,) = [f for f in report.problems if f.code == "layout"]
    assert "set data.val_annotations=val" in finding.mend
    assert "expected:" in report.text()
    assert "annotations/val/<video>.json" in report.text()


def test_missing_neighbors_are_notes_where_the_run_does_without(healthy):
    neighbor_missing(healthy)
    assert "missing-neighbor" not in {f.code for f in check(healthy, max_gap=0).findings}
    report = check(healthy, missing_neighbors="repeat")
    assert report.problems == []
    assert [f.code for f in report.notes] == ["missing-neighbor"]


def test_joints_slightly_outside_are_a_note(healthy):
    def move(entry):
        entry["keypoints"][:3] = [330, 60, 1]

    person(healthy, move)
    report = check(healthy)
    assert report.problems == []
    assert [f.code for f in report.notes] == ["joint-outside"]


def test_all_faults_of_a_set_are_found_at_once(healthy):
    for fault in ("joint_far_outside", "frame_missing", "score_in_percent", "head_box_missing"):
        FAULTS[fault][2](healthy)
    codes = {finding.code for finding in check(healthy).problems}
    assert codes == {"joint-outside", "missing-frame", "detection-score", "head-box"}


def test_a_missing_root_is_the_users_error(tmp_path):
    with pytest.raises(ValueError, match=r"data\.root: no such folder"):
        check(tmp_path / "nowhere")


def test_a_layout_of_single_images_is_the_users_error(healthy):
    with pytest.raises(
        ValueError, match=r"data\.layout: found 'coco', expected one of posetrack17"
    ):
        check(healthy, layout="coco")
