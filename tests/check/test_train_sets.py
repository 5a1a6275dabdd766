"""Faults planted into the sets of data.sets; each is found, as those of data.root are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.published_miniatures import MAKERS

from dcpose.config.loading import load_config
from dcpose.jobs.check import CheckedData, check_config

TRAIN = "annotations/train/000001_mpii_train.json"


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def annotations_cut_short(root):
    (root / TRAIN).write_bytes((root / TRAIN).read_bytes()[:500])


def annotations_elsewhere(root):
    (root / "annotations/train").rename(root / "annotations/other")


def picture_cut_short(root):
    frame = root / "images/train/000001_mpii_train/000004.jpg"
    frame.write_bytes(frame.read_bytes()[:999])


def neighbour_lost(root):
    frames = root / "images/train/000001_mpii_train"
    (frames / "000001.jpg").unlink()


def person_of_no_image(root):
    edit(root / TRAIN, lambda content: content["annotations"][0].update(image_id=7))


def propagated_joints_short_of_one(root):
    def change(content):
        person = content["annotations"][0]
        person |= {"source": "poses found by dcpose", "keypoints": person["keypoints"][:-3]}

    edit(root / TRAIN, change)


def joints_of_nobody_else(root):
    skeleton = (Path(__file__).parents[2] / "configs/skeletons/posetrack.yaml").read_text()
    names = ("nose", "head_bottom", "head_top", "ear", "shoulder", "elbow", "wrist", "hip", "knee")
    for name in (*names, "ankle"):
        skeleton = skeleton.replace(name, f"{name}_x")
        for path in root.glob("annotations/*/*.json"):
            path.write_text(path.read_text().replace(name, f"{name}_x"))
    (root / "skeleton.yaml").write_text(skeleton)


def penn_label_cut_short(root):
    path = root / "labels/0001.mat"
    path.write_bytes(path.read_bytes()[:300])


def penn_frame_lost(root):
    (root / "frames/0001/000002.jpg").unlink()


def coco_image_lost(root):
    (root / "train/2.jpg").unlink()


FAULTS = [
    ("posetrack", annotations_cut_short, "annotation-file", TRAIN),
    ("posetrack", annotations_elsewhere, "layout", "annotations/train"),
    ("posetrack", picture_cut_short, "unreadable-frame", "000004.jpg"),
    ("posetrack", neighbour_lost, "missing-frame", "000001.jpg"),
    ("posetrack", person_of_no_image, "unknown-image", "image_id"),
    ("posetrack", propagated_joints_short_of_one, "annotation-entry", "keypoints"),
    ("posetrack", joints_of_nobody_else, "keypoint-names", "none of the joints"),
    ("penn_action", penn_label_cut_short, "annotation-file", "no MATLAB 5 file"),
    ("penn_action", penn_frame_lost, "missing-frame", "000002.jpg"),
    ("coco", coco_image_lost, "missing-frame", "train/2.jpg"),
]
ENTRIES = {
    "posetrack": "{{root: {root}}}",
    "penn_action": "{{root: {root}, layout: penn_action}}",
    "coco": "{{root: {root}, layout: coco, annotations: annotations/train.json, images: train}}",
}


@pytest.fixture
def check(tiny_cfg, sample_dir, tmp_path):
    """Function that checks the sample with one more set, damaged, to train on."""

    def run(form, *plants) -> CheckedData:
        main, root = tmp_path / "main", tmp_path / "more"
        shutil.copytree(sample_dir, main)
        if form == "posetrack":
            shutil.copytree(sample_dir, root)
        else:
            MAKERS[form](root)
        for plant in plants:
            plant(root)
        entry = ENTRIES[form].format(root=root)
        if (root / "skeleton.yaml").exists():
            entry = f"{{root: {root}, skeleton: {root}/skeleton.yaml}}"
        sets = f"data.sets=[{{root: {main}}}, {entry}]"
        cfg = load_config(tiny_cfg, [f"data.root={main}", sets, "data.group_frames=0"])
        return check_config(cfg, ("train", "val", "test"), None)

    return run


@pytest.mark.parametrize("form", ENTRIES)
def test_sets_are_checked_in_place_of_train(form, check):
    found = check(form)
    assert found.healthy, [f.line() for report in found.reports for f in report.problems]
    assert [split.split for split in found.root.splits] == ["val", "test"]
    assert [[split.split for split in report.splits] for report in found.sets] == [["train"]] * 2
    content = found.to_json_dict()
    assert (content["healthy"], len(content["sets"])) == (True, 2)


@pytest.mark.parametrize(("form", "plant", "code", "message"), FAULTS)
def test_a_fault_in_a_set_is_found(form, plant, code, message, check):
    found = check(form, plant)
    problems = [f.line() for f in found.sets[1].problems if f.code == code]
    assert any(message in line for line in problems), [f.line() for f in found.sets[1].findings]
    assert found.root.problems == []
    assert found.sets[0].problems == []
    assert not found.healthy
    assert not found.to_json_dict()["healthy"]
    assert found.allowing([f.code for f in found.sets[1].problems]).healthy


def test_frames_that_are_validated_on_are_found(tiny_cfg, sample_dir, tmp_path):
    root = tmp_path / "main"
    shutil.copytree(sample_dir, root)
    (root / "synthetic.json").unlink()
    (root / "images/val").rename(root / "images/pool")
    for path in (*root.glob("annotations/val/*"), *root.glob("annotations/test/*")):
        path.write_text(path.read_text().replace("images/val", "images/pool"))
    shutil.copytree(root / "annotations/val", root / "annotations/pool")
    sets = f"data.sets=[{{root: {root}, annotations: annotations/pool}}]"
    cfg = load_config(tiny_cfg, [f"data.root={root}", sets, "data.group_frames=0"])
    (report,) = check_config(cfg, ("train",), None).sets
    assert [f.code for f in report.problems] == ["split-overlap"] * 2
    assert "is validated on, too" in report.problems[0].line()


def test_a_missing_folder_is_the_users_error(check, tmp_path):
    with pytest.raises(ValueError, match=r"data\.sets: no such folder"):
        check("posetrack", shutil.rmtree)


def test_the_command_tells_of_every_set(load_command, tiny_cfg, sample_dir, tmp_path, capsys):
    command = load_command("scripts/check_dataset.py")
    sets = f"data.sets=[{{root: {sample_dir}}}]"
    arguments = ["--cfg", str(tiny_cfg), f"data.root={sample_dir}", sets, "data.group_frames=0"]
    assert command.main([*arguments, "--no-cache", "--splits", "train"]) == 0
    assert command.main([*arguments, "--no-cache", "--json", str(tmp_path / "r.json")]) == 0
    assert capsys.readouterr().out.count(f"data set: {sample_dir}") == 3
    content = json.loads((tmp_path / "r.json").read_text())
    assert [split["split"] for split in content["sets"][0]["splits"]] == ["train"]
