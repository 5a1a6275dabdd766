import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from dcpose.skeleton import POSETRACK
from dcpose.synthetic.bursts import CONDITIONS
from dcpose.synthetic.generate import GENERATOR_VERSION, Summary, generate

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = {"train_videos": 2, "val_videos": 1, "frames": 9, "image_wh": (192, 108)}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def load(path: Path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("rendered") / "set"
    return out, generate(out, seed=3, workers=1, **SMALL)


def test_files_do_not_depend_on_the_number_of_workers(made, tmp_path):
    generate(tmp_path / "again", seed=3, workers=2, **SMALL)
    assert digests(tmp_path / "again") == digests(made[0])


def test_another_seed_gives_other_pictures(made, tmp_path):
    generate(tmp_path / "other", seed=4, workers=1, **SMALL)
    first, other = digests(made[0]), digests(tmp_path / "other")
    same = [name for name in first if name.endswith(".jpg") and first[name] == other[name]]
    assert first.keys() == other.keys()
    assert not same


def test_layout_and_image_entries(made):
    out, summary = made
    assert summary.videos == 3
    assert summary.frames == 27
    names = {str(p.relative_to(out)) for p in out.rglob("*.json")}
    assert names == {
        "annotations/train/000001_mpii_train.json",
        "annotations/train/000002_mpii_train.json",
        "annotations/val/010001_mpii_test.json",
        "annotations/test/010001_mpii_test.json",
        "detections/val.json",
        "detections/test.json",
        "synthetic.json",
    }
    images = load(out / "annotations/val/010001_mpii_test.json")["images"]
    assert [image["id"] for image in images] == [10_100_010_000 + i for i in range(9)]
    assert [i for i, image in enumerate(images) if image["is_labeled"]] == [2, 6]
    for number, image in enumerate(images):
        assert image["file_name"] == f"images/val/010001_mpii_test/{number:06d}.jpg"
        assert (image["frame_id"], image["nframes"]) == (image["id"], 9)
        assert cv2.imread(str(out / image["file_name"])).shape == (108, 192, 3)
        assert len(image["ignore_regions_x"]) == len(image["ignore_regions_y"])


def test_people_are_annotated_on_labelled_frames_only(made):
    out, summary = made
    count = 0
    for path in sorted(out.glob("annotations/train/*.json")):
        content = load(path)
        labelled = {image["id"] for image in content["images"] if image["is_labeled"]}
        assert {person["image_id"] for person in content["annotations"]} <= labelled
        count += len(content["annotations"])
    assert count == summary.train_people > 0


def test_annotation_entries(made):
    content = load(made[0] / "annotations/val/010001_mpii_test.json")
    assert content["categories"][0]["keypoints"] == list(POSETRACK.joint_names)
    assert content["annotations"]
    seen = set()
    for person in content["annotations"]:
        joints = np.array(person["keypoints"]).reshape(17, 3)
        assert person["num_keypoints"] == (joints[:, 2] == 1).sum() >= 3
        assert (joints[3:5] == 0).all()
        assert person["scores"] == []
        assert (person["category_id"], person["iscrowd"]) == (1, 0)
        assert set(person["conditions"]) <= set(CONDITIONS)
        assert min(person["bbox"][2:] + person["bbox_head"][2:]) > 0
        assert person["area"] == pytest.approx(person["bbox"][2] * person["bbox"][3], abs=0.01)
        seen.add((person["image_id"], person["track_id"]))
    assert len(seen) == len(content["annotations"])


def test_test_split_has_images_and_no_people(made):
    test = load(made[0] / "annotations/test/010001_mpii_test.json")
    val = load(made[0] / "annotations/val/010001_mpii_test.json")
    assert "annotations" not in test
    assert test["images"] == val["images"]


def test_detections_are_near_the_people_and_val_is_a_part_of_test(made):
    out, _ = made
    val = load(out / "detections/val.json")
    test = load(out / "detections/test.json")
    content = load(out / "annotations/val/010001_mpii_test.json")
    labelled = {image["id"] for image in content["images"] if image["is_labeled"]}
    assert val == [box for box in test if box["image_id"] in labelled]
    assert {box["image_id"] for box in test} - labelled
    assert all(0 < box["score"] <= 1 and box["category_id"] == 1 for box in test)
    for person in content["annotations"]:
        boxes = [box["bbox"] for box in val if box["image_id"] == person["image_id"]]
        offsets = [np.abs(np.subtract(box, person["bbox"])).max() for box in boxes]
        assert min(offsets) < 0.25 * max(person["bbox"][2:])


def test_stills_to_train_on(tmp_path):
    summary = generate(tmp_path, seed=3, workers=1, train_frames=1, **SMALL)
    assert (summary.videos, summary.frames) == (3, 2 * 1 + 9)
    for number in (1, 2):
        (image,) = load(tmp_path / f"annotations/train/{number:06d}_mpii_train.json")["images"]
        assert image["is_labeled"]
    assert load(tmp_path / "synthetic.json")["parameters"]["train_frames"] == 1
    assert generate(tmp_path, seed=3, workers=1, train_frames=1, **SMALL) == summary
    with pytest.raises(ValueError, match=r"made with other parameters \(train_frames\)"):
        generate(tmp_path, seed=3, workers=1, **SMALL)


def test_running_again_changes_nothing(made):
    out, summary = made
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert generate(out, seed=3, workers=2, **SMALL) == summary
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == times


def test_an_interrupted_folder_is_completed(made, tmp_path):
    out, parameters = tmp_path / "set", load(made[0] / "synthetic.json")["parameters"]
    out.mkdir()
    (out / "synthetic.unfinished.json").write_text(json.dumps(parameters))
    (out / "images").mkdir()
    generate(out, seed=3, workers=1, **SMALL)
    assert digests(out) == digests(made[0])


def test_other_folders_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match=r"made with other parameters \(seed\)"):
        generate(made[0], seed=5, workers=1, **SMALL)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and was not made by this generator"):
        generate(tmp_path, seed=3, workers=1, **SMALL)
    with pytest.raises(ValueError, match="is a file"):
        generate(tmp_path / "thesis.txt", seed=3, workers=1, **SMALL)
    (tmp_path / "synthetic.json").write_text("{")
    with pytest.raises(ValueError, match=r"synthetic\.json is not JSON"):
        generate(tmp_path, seed=3, workers=1, **SMALL)
    (tmp_path / "synthetic.json").write_text("[]")
    with pytest.raises(ValueError, match="not a manifest of this generator"):
        generate(tmp_path, seed=3, workers=1, **SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_videos": 0, "val_videos": 0}, "not both 0"),
        ({"train_videos": -1}, "0 to 9999"),
        ({"frames": 3}, "frames must be 4 to 9999, got 3"),
        ({"train_frames": 0}, "train_frames must be 1 to 9999, got 0"),
        ({"image_wh": (64, 200)}, "96 to 4096"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_numbers_out_of_range_are_named(tmp_path, change, message):
    arguments = {"seed": 3, "workers": 1, **SMALL, **change}
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / "set", **arguments)
    assert not (tmp_path / "set").exists()


def test_script_says_what_is_wrong_in_one_line(tmp_path):
    script = [sys.executable, str(REPOSITORY / "scripts" / "make_synthetic_posetrack.py")]
    (tmp_path / "thesis.txt").write_text("mine")
    ran = subprocess.run(
        [*script, "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert str(tmp_path) in ran.stderr


def test_committed_sample_is_what_its_recipe_gives(tmp_path):
    sample = REPOSITORY / "datasets" / "sample"
    parameters = load(sample / "synthetic.json")["parameters"]
    assert parameters.pop("generator_version") == GENERATOR_VERSION
    generate(tmp_path / "sample", workers=1, **parameters)
    names = {str(p.relative_to(tmp_path / "sample")) for p in tmp_path.rglob("*.*")}
    assert names == {str(p.relative_to(sample)) for p in sample.rglob("*.*")} - {"README.md"}
    for path in sorted(sample.glob("annotations/*/*.json")):
        fresh, kept = load(tmp_path / "sample" / path.relative_to(sample)), load(path)
        assert fresh["images"] == kept["images"]
        for person, again in zip(
            kept.get("annotations", []), fresh.get("annotations", []), strict=True
        ):
            # not bit by bit: sines may differ between processors
            assert person["conditions"] == again["conditions"]
            np.testing.assert_allclose(person["keypoints"], again["keypoints"], atol=0.02)
    for path in sorted(sample.rglob("*.jpg"))[::7]:
        fresh = cv2.imread(str(tmp_path / "sample" / path.relative_to(sample)))
        assert np.abs(fresh.astype(float) - cv2.imread(str(path))).mean() < 2
