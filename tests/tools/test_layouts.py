"""Every layout of the data sets, written from the rendered sample, through train, val and test."""

import copy
import json
import shutil

import pytest
import yaml

from dcpose import load_config
from dcpose.build.data import annotations_dir, read_people, read_videos
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.posetrack.convert import to_posetrack17
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.skeleton import POSETRACK
from dcpose.structures import PosePrediction

VIDEOS = {"train": "000001_mpii_train", "val": "010001_mpii_test", "test": "010001_mpii_test"}
EXTRA_JOINTS = {
    # made-up joints half-way between two others
    "left_thigh": ("left_hip", "left_knee"),
    "right_thigh": ("right_hip", "right_knee"),
    "chest": ("left_shoulder", "right_shoulder"),
    "belly": ("left_hip", "right_hip"),
}


@pytest.fixture
def sample(sample_dir):
    """Annotation content of one video per split."""
    return {
        split: json.loads((sample_dir / "annotations" / split / f"{name}.json").read_text())
        for split, name in VIDEOS.items()
    }


@pytest.fixture
def write(sample_dir, tmp_path):
    """Function (split, content, path, rename) -> None: writes a file, and copies its frames.

    `rename` maps the image names of the sample to those of the layout, `on_disk` those to files.
    """

    def write_split(split, content, file, rename=str, on_disk=str):
        content = copy.deepcopy(content)
        for image in content["images"]:
            source = sample_dir / image["file_name"]
            image["file_name"] = rename(image["file_name"])
            target = tmp_path / "data" / on_disk(image["file_name"])
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(source, target)
        if "annolist" in str(file):
            side = "annotations"
            file = str(file).replace("annolist", "annotations")
            content, _ = to_posetrack17(content, tmp_path / file, side)
        path = tmp_path / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    return write_split


def eight_digits(name, first=1):
    """images/train/000001_mpii_train/000000.jpg -> images/mpii_5sec/000001_mpii/00000001.jpg."""
    *_, folder, file = name.split("/")
    number = int(file.split(".")[0]) + first
    return f"images/mpii_5sec/{folder.rsplit('_', 1)[0]}/{number:08d}.jpg"


def posetrack18(sample, write):
    for split, content in sample.items():
        write(split, content, f"annotations/{split}/{VIDEOS[split]}.json")
    return []


def posetrack21(sample, write):
    """The form of 2018 with fields that nobody reads."""
    for split, content in sample.items():
        content = copy.deepcopy(content)
        for image in content["images"]:
            image |= {"image_id": image["id"], "has_labeled_person": True}
        for person in content.get("annotations", []):
            person["pose_track_id"] = person["track_id"]
        write(split, content, f"annotations/{split}/{VIDEOS[split]}.json")
    return ["data.layout=posetrack21"]


def posetrack17(sample, write):
    """Frames of a longer video, not renamed: the training clip starts at its frame 52."""
    first = {"train": 52, "val": 1, "test": 1}
    for split, content in sample.items():
        file = f"annolist/{split}/{VIDEOS[split]}.json"
        write(split, content, file, lambda name, split=split: eight_digits(name, first[split]))
    return ["data.layout=posetrack17"]


def posetrack17_renamed(sample, write):
    """Renamed training frames lie in a folder of their own; annotations do not say so."""
    for split, content in sample.items():
        file = f"annolist/{split}/{VIDEOS[split]}.json"
        moved = "images_renamed" if split == "train" else "images"
        write(split, content, file, eight_digits, lambda n, m=moved: n.replace("images", m, 1))
    return ["data.layout=posetrack17", "data.train_images=images_renamed"]


def merged18(sample, write):
    """One file per split, as the released DCPose data have it for training."""
    for split, content in sample.items():
        write(split, content, f"posetrack_{split}.json")
    return [f"data.{split}_annotations=posetrack_{split}.json" for split in VIDEOS]


def merged17(sample, write):
    """Image names of the released 2017 files are relative to the image folder itself."""
    for split, content in sample.items():
        write(
            split,
            content,
            f"posetrack_{split}.json",
            lambda name: eight_digits(name).removeprefix("images/"),
            lambda name: f"images_renamed/{name}",
        )
    names = [f"data.{split}_annotations=posetrack_{split}.json" for split in VIDEOS]
    folders = [f"data.{split}_images=images_renamed" for split in VIDEOS]
    return ["data.layout=posetrack17", *names, *folders]


def own_skeleton(sample, write):
    """21 joints: PoseTrack's and four made-up ones."""
    for split, content in sample.items():
        content = copy.deepcopy(content)
        content["categories"][0]["keypoints"] += list(EXTRA_JOINTS)
        for person in content.get("annotations", []):
            joints = [person["keypoints"][3 * j : 3 * j + 3] for j in range(17)]
            for parts in EXTRA_JOINTS.values():
                a, b = (joints[POSETRACK.index(part)] for part in parts)
                middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, 1]
                person["keypoints"] += middle if a[2] and b[2] else [0, 0, 0]
        write(split, content, f"annotations/{split}/{VIDEOS[split]}.json")
    return ["data.skeleton=skeleton.yaml", "model.num_joints=21"]


@pytest.fixture
def skeleton_file(request, run_here):
    """PoseTrack's own file, with four joints and a column more."""
    content = yaml.safe_load(
        (request.config.rootpath / "configs/skeletons/posetrack.yaml").read_text()
    )
    content["name"] = "thighs"
    content["joints"] += list(EXTRA_JOINTS)
    content["flip_pairs"].append(["left_thigh", "right_thigh"])
    content["evaluation"]["joints"] += list(EXTRA_JOINTS)
    content["evaluation"]["groups"]["Thigh"] = ["left_thigh", "right_thigh"]
    content["oks_sigmas"] |= dict.fromkeys(EXTRA_JOINTS, 0.1)
    (run_here / "skeleton.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture
def run(load_command, tiny_cfg, tmp_path):
    """Function (overrides) -> results.json of train, then val, then test through the tools."""

    def run_tools(overrides):
        common = ["--cfg", str(tiny_cfg), f"data.root={tmp_path / 'data'}", *overrides]
        common += ["data.test_detections=boxes.json"]
        weights = ["--weights", "run/checkpoints/last.pt"]
        assert load_command("tools/train.py").main([*common, "--run-dir", "run"]) == 0
        assert load_command("tools/val.py").main([*common, *weights, "--run-dir", "val"]) == 0
        assert load_command("tools/test.py").main([*common, *weights, "--out", "out"]) == 0
        return json.loads((tmp_path / "val" / "results.json").read_text())

    return run_tools


@pytest.fixture
def boxes(sample, tmp_path):
    """Boxes for the test split by image name, which each layout finds under its own names."""

    def write_boxes(rename):
        names = {image["id"]: image["file_name"] for image in sample["val"]["images"]}
        entries = [
            {
                "image_name": rename(names[person["image_id"]]),
                "category_id": 1,
                "bbox": person["bbox"],
                "score": 0.9,
            }
            for person in sample["val"]["annotations"]
        ]
        (tmp_path / "data" / "boxes.json").write_text(json.dumps(entries))

    return write_boxes


def predictions(folder):
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


LAYOUTS = [posetrack18, posetrack21, merged18, posetrack17, posetrack17_renamed, merged17]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layout_trains_validates_and_exports(layout, sample, write, run, boxes, tmp_path):
    del sample["train"]["annotations"][8:]
    overrides = layout(sample, write)
    is_17 = "data.layout=posetrack17" in overrides
    boxes(eight_digits if is_17 else str)
    results = run(overrides)
    labelled = {person["image_id"] for person in sample["val"]["annotations"]}
    assert results["protocol"]["num_frames"] == len(labelled)
    assert results["protocol"]["num_boxes"] == len(sample["val"]["annotations"])
    assert (tmp_path / "out/submission.zip").is_file()

    submitted = predictions(tmp_path / "out")
    assert ("annolist" in submitted) == is_17  # leaderboard files in the form of the data set
    if is_17:
        counts = [len(frame["annorect"]) for frame in submitted["annolist"]]
        name = submitted["annolist"][2]["image"][0]["name"]
        assert name.endswith("mpii_5sec/010001_mpii/00000003.jpg")
    else:
        ids = [person["image_id"] for person in submitted["annotations"]]
        counts = [ids.count(image["id"]) for image in submitted["images"]]
    expected = [person["image_id"] for person in sample["val"]["annotations"]]
    assert counts == [expected.count(image["id"]) for image in sample["val"]["images"]]


def read_split(overrides, tiny_cfg, root, split):
    """The one video of a split, and per person what training sees of it."""
    (video,) = read_videos(load_config(tiny_cfg, [f"data.root={root}", *overrides]), split)
    people = [
        (video.frame_path(person.frame).read_bytes(), person.track_id, person.joints.tolist())
        for person in video.people
    ]
    return video, people


@pytest.mark.parametrize("layout", LAYOUTS[1:], ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("split", ["train", "val"])
def test_layouts_hold_the_same_people(layout, split, sample, write, tiny_cfg, tmp_path):
    """Same pixels, joints and tracks; boxes and ids where the form has them."""
    posetrack18(sample, write)
    expected_video, expected = read_split([], tiny_cfg, tmp_path / "data", split)
    shutil.rmtree(tmp_path / "data")
    overrides = layout(sample, write)
    video, people = read_split(overrides, tiny_cfg, tmp_path / "data", split)
    assert people == expected
    assert video.num_frames == expected_video.num_frames
    if layout is not posetrack17 and layout is not posetrack17_renamed:
        boxes = [person.box_xywh.tolist() for person in video.people]
        assert boxes == [person.box_xywh.tolist() for person in expected_video.people]
        assert [image["id"] for image in video.images] == [
            image["id"] for image in expected_video.images
        ]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_annotated_people_score_full_marks(layout, sample, write, tiny_cfg, tmp_path):
    """Reading, writing predictions and evaluating agree on frames, people and joints."""
    overrides = [f"data.root={tmp_path / 'data'}", *layout(sample, write)]
    cfg = load_config(tiny_cfg, overrides)
    videos, people = read_people(cfg, "val")
    (tmp_path / "perfect").mkdir()
    for video in videos:
        poses = [
            PosePrediction(person, person.joints[:, :2], person.joints[:, 2])
            for person in people[video.name]
        ]
        write_predictions(tmp_path / "perfect" / f"{video.name}.json", video.images, poses)
    annotations = annotations_dir(cfg, "val", tmp_path / "scratch")
    result = evaluate_folders(annotations, tmp_path / "perfect")
    assert result.ap.tolist() == [100] * 15
    assert result.num_annotated.min() > 0


@pytest.mark.usefixtures("skeleton_file")
def test_own_skeleton(sample, write, run, boxes, tmp_path):
    del sample["train"]["annotations"][8:]
    overrides = own_skeleton(sample, write)
    boxes(str)
    results = run([*overrides, "test.flip=true", "test.oks_nms=0.9"])
    assert results["joint_names"][-4:] == list(EXTRA_JOINTS)
    assert len(results["ap"]) == 19
    assert list(results["groups"])[-2:] == ["Thigh", "Total"]
    assert "| Ankle | Thigh | Mean |" in (tmp_path / "val/results.md").read_text()
    written = predictions(tmp_path / "val/predictions/val")
    assert written["categories"][0]["keypoints"][17:] == list(EXTRA_JOINTS)
    assert {len(person["keypoints"]) for person in written["annotations"]} == {63}


@pytest.mark.usefixtures("skeleton_file")
def test_model_and_skeleton_must_agree(sample, write, tiny_cfg, tmp_path, refused, capsys):
    own_skeleton(sample, write)
    arguments = ["--cfg", tiny_cfg, f"data.root={tmp_path / 'data'}", "data.skeleton=skeleton.yaml"]
    error = refused("tools/train.py", arguments, capsys)
    assert "model.num_joints: found 17, expected 21, the joints of the skeleton thighs" in error


def test_layout_and_frames_must_agree(sample, write, tiny_cfg, tmp_path, refused, capsys):
    posetrack17(sample, write)
    arguments = ["--cfg", tiny_cfg, f"data.root={tmp_path / 'data'}"]
    error = refused("tools/train.py", arguments, capsys)
    assert "data.layout: found posetrack18, whose frames have names of 6 digits" in error
    assert error.endswith("set data.layout=posetrack17")


@pytest.fixture
def check(load_command, tiny_cfg, tmp_path):
    """Function (overrides) -> exit code and report of check_dataset."""

    def run_check(overrides):
        command = load_command("scripts/check_dataset.py")
        report, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
        code = command.main(
            [
                *("--cfg", str(tiny_cfg), "--cache", str(tmp_path / "cache")),
                *("--json", str(report), "--contact-sheet", str(sheet)),
                *(f"data.root={tmp_path / 'data'}", "data.test_detections=boxes.json"),
                *overrides,
            ]
        )
        assert sheet.is_file()
        return code, json.loads(report.read_text())

    return run_check


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_check_dataset_knows_the_layout(layout, sample, write, check, boxes):
    overrides = layout(sample, write)
    boxes(eight_digits if "data.layout=posetrack17" in overrides else str)
    for _ in range(2):  # at first, and from the cache
        code, report = check(overrides)
        assert code == 0, report["problems"]
        assert [split["videos"] for split in report["splits"]] == [1, 1, 1]
        assert [split["people"] for split in report["splits"]] == [50, 9, 0]
        assert [split["usable_frames"] for split in report["splits"]] == [12, 12, 12]


@pytest.mark.usefixtures("skeleton_file")
def test_check_dataset_knows_own_joints(sample, write, check, boxes):
    overrides = own_skeleton(sample, write)
    boxes(str)
    assert check(overrides)[0] == 0
    code, report = check([])
    assert code == 0  # PoseTrack's joints are among them
    assert report["splits"][0]["people"] == 50


def test_check_dataset_finds_the_wrong_layout(sample, write, check, boxes):
    posetrack17(sample, write)
    boxes(eight_digits)
    code, report = check([])
    assert code == 1
    assert {finding["code"] for finding in report["problems"]} == {"frame-name"}
    assert report["problems"][0]["mend"] == "set data.layout=posetrack17"


def test_check_dataset_finds_faults_of_2017_files(sample, write, check, boxes, tmp_path):
    overrides = posetrack17(sample, write)
    boxes(eight_digits)
    (path,) = (tmp_path / "data/annotations/val").glob("*.json")
    content = json.loads(path.read_text())
    people = [person for frame in content["annolist"] for person in frame["annorect"]]
    del people[0]["x1"]
    del people[1]["annopoints"]
    people[2]["track_id"] = people[1]["track_id"]
    path.write_text(json.dumps(content))
    code, report = check(overrides)
    assert code == 1
    assert {finding["code"] for finding in report["problems"]} == {"head-box", "track-id"}
    assert "person-without-joints" in {finding["code"] for finding in report["notes"]}

    del content["annolist"][0]["image"]
    path.write_text(json.dumps(content))
    code, report = check(overrides)
    assert [f["code"] for f in report["problems"]] == ["annotation-file"]
    assert "annolist[0]: image is missing" in report["problems"][0]["found"]


def test_check_dataset_finds_faults_of_merged_files(sample, write, check, boxes, tmp_path):
    overrides = merged18(sample, write)
    boxes(str)
    path = tmp_path / "data/posetrack_train.json"
    content = json.loads(path.read_text())
    del content["annotations"][3]["bbox_head"]
    path.write_text(json.dumps(content))
    code, report = check(overrides)
    assert code == 1
    (finding,) = report["problems"]
    assert finding["code"] == "head-box"
    assert finding["where"] == f"{path} (000001_mpii_train): annotations[3]"
