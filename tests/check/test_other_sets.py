"""Faults planted one by one into miniatures of Penn Action, Sub-JHMDB and COCO; each is found."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.published_miniatures import MAKERS, penn_label
from PIL import Image
from scipy.io import savemat

from dcpose.config.loading import load_config
from dcpose.jobs.check import check_config

FAULTS: dict[str, tuple[str, str, str, Callable[[Path], object]]] = {}
"""Name of a fault -> (set, code, part of the message, what plants it)."""


def plants(layout: str, code: str, message: str):
    """Add a function that damages a data set to the faults."""

    def add(plant):
        FAULTS[plant.__name__] = (layout, code, message, plant)
        return plant

    return add


COCO_KEYS = [
    "data.train_annotations=annotations/train.json", "data.val_annotations=annotations/val.json",
    "data.train_images=train", "data.val_images=val",
]  # fmt: skip
JOINTS = {"penn_action": 13, "jhmdb": 15, "coco": 17}


@pytest.fixture
def check(tmp_path):
    """Function that makes a set of a layout, damages it, and checks it."""

    def run(layout, *plants):
        root = tmp_path / layout
        MAKERS[layout](root)
        for plant in plants:
            plant(root)
        path = tmp_path / "cfg.yaml"
        path.write_text(f"experiment: x\ndata: {{layout: {layout}, root: {root}}}\n")
        keys = [f"model.num_joints={JOINTS[layout]}"]
        keys += ["model.name=single_frame", "model.backbone.frozen=false"]
        cfg = load_config(path, keys + (COCO_KEYS if layout == "coco" else []))
        return check_config(cfg, ("train", "val", "test"), None).root

    return run


def relabel(root: Path, **change) -> None:
    savemat(root / "labels" / "0001.mat", {**penn_label(1), **change})


@plants("penn_action", "annotation-file", "no .mat files")
def no_labels(root):
    shutil.rmtree(root / "labels")


@plants("penn_action", "annotation-file", "no MATLAB 5 file")
def label_cut_short(root):
    path = root / "labels" / "0001.mat"
    path.write_bytes(path.read_bytes()[:300])


@plants("penn_action", "annotation-file", "expected numbers, 3 x 13")
def joint_missing(root):
    relabel(root, x=np.zeros((3, 12)))


@plants("penn_action", "annotation-file", "train is 0.0, expected 1 or -1")
def use_unknown(root):
    relabel(root, train=0)


@plants("penn_action", "annotation-file", "not finite")
def joint_not_finite(root):
    relabel(root, y=np.full((3, 13), np.nan))


@plants("penn_action", "missing-folder", "0001: no such folder")
def frames_missing(root):
    shutil.rmtree(root / "frames" / "0001")


@plants("penn_action", "missing-frame", "000002.jpg")
def frame_missing(root):
    (root / "frames" / "0002" / "000002.jpg").unlink()


@plants("penn_action", "unreadable-frame", "000003.jpg")
def frame_cut_short(root):
    path = root / "frames" / "0001" / "000003.jpg"
    path.write_bytes(path.read_bytes()[:-40])


@plants("penn_action", "frame-size", "frames/0001")
def frames_scaled(root):
    for path in (root / "frames" / "0001").iterdir():
        Image.new("RGB", (128, 96)).save(path)


@plants("jhmdb", "annotation-file", "no files <action>_test_split1.txt")
def splits_missing(root):
    shutil.rmtree(root / "sub_splits")


@plants("jhmdb", "annotation-file", "expected <video>.avi 1|2")
def line_malformed(root):
    (root / "sub_splits" / "jump_test_split1.txt").write_text("a.avi\nb.avi 2\n")


@plants("jhmdb", "annotation-file", "joint_positions.mat")
def positions_missing(root):
    (root / "joint_positions" / "jump" / "b" / "joint_positions.mat").unlink()


@plants("jhmdb", "annotation-file", "00001.png: no frame that can be read")
def first_frame_missing(root):
    (root / "Rename_Images" / "jump" / "a" / "00001.png").unlink()


@plants("jhmdb", "missing-frame", "00002.png")
def last_frame_missing(root):
    (root / "Rename_Images" / "jump" / "a" / "00002.png").unlink()


@plants("jhmdb", "annotation-file", "part_mask is uint8")
def mask_of_another_length(root):
    path = root / "puppet_mask" / "jump" / "a" / "puppet_mask.mat"
    savemat(path, {"part_mask": np.ones((24, 32, 5), np.uint8)})


@plants("jhmdb", "split-overlap", "a is for training and for tests")
def video_in_both_splits(root):
    (root / "sub_splits" / "jump_test_split1.txt").write_text("a.avi 1\na.avi 2\n")


@plants("coco", "annotation-file", "annotations/val.json")
def annotations_cut_short(root):
    path = root / "annotations" / "val.json"
    path.write_text(path.read_text()[:300])


@plants("coco", "annotation-file", "image_id 7 is no image of the file")
def person_of_no_image(root):
    path = root / "annotations" / "train.json"
    path.write_text(path.read_text().replace('"image_id": 2', '"image_id": 7'))


@plants("coco", "missing-frame", "train/2.jpg")
def image_missing(root):
    (root / "train" / "2.jpg").unlink()


@plants("coco", "unreadable-frame", "val/1.jpg")
def image_cut_short(root):
    path = root / "val" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-40])


@plants("coco", "frame-size", "(80, 60), but the file says (40, 30)")
def image_scaled(root):
    Image.new("RGB", (80, 60)).save(root / "train" / "1.jpg")


@pytest.mark.parametrize("layout", MAKERS)
def test_the_miniatures_are_healthy(layout, check):
    report = check(layout)
    assert report.findings == []
    assert [split.people for split in report.splits] == [
        {"penn_action": 3, "jhmdb": 2, "coco": 2}[layout]
    ] * 2
    assert all(split.usable_frames == split.frames for split in report.splits)


def test_enough_faults_are_planted():
    assert len(FAULTS) >= 20


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, check):
    layout, code, message, plant = FAULTS[fault]
    found = [finding for finding in check(layout, plant).problems if finding.code == code]
    assert found, f"{fault} is not found"
    assert any(message in finding.line() for finding in found), [f.line() for f in found]


def test_all_faults_of_a_set_are_found_at_once(check):
    found = {
        finding.code for finding in check("penn_action", joint_missing, frame_missing).problems
    }
    assert found >= {"annotation-file", "missing-frame"}
