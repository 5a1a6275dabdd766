"""tools/test.py: leaderboard files, and the poses of the released network on a real clip."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dcpose.skeleton import POSETRACK

RELEASED = Path(__file__).resolve().parents[2] / "configs/base/dcpose_hrnet_w48.yaml"


@pytest.fixture(scope="session")
def test_tool(load_command):
    """Function (arguments) -> None: runs tools/test.py, which has to succeed."""

    def run(*arguments):
        assert load_command("tools/test.py").main([str(item) for item in arguments]) == 0

    return run


@pytest.fixture(scope="session")
def base(tiny_cfg, tiny_weights, few_detections):
    """Arguments that every call takes."""
    words = ["--cfg", tiny_cfg, "--weights", tiny_weights, "--out", "out", "--device", "cpu"]
    return [*words, f"data.test_detections={few_detections}"]


VIDEOS = ["010001_mpii_test.json", "010002_mpii_test.json"]


@pytest.mark.parametrize("form", ["posetrack18", "posetrack17"])
def test_leaderboard_files(form, test_tool, base, few_detections, run_here, capsys):
    test_tool(*base, "--format", form)
    out = run_here / "out"
    assert capsys.readouterr().out == "out/submission.zip\n"
    assert sorted(path.name for path in out.glob("*.json")) == VIDEOS
    with zipfile.ZipFile(out / "submission.zip") as archive:
        assert archive.namelist() == VIDEOS
        assert all(archive.read(name) == (out / name).read_bytes() for name in VIDEOS)
    detections = json.loads(few_detections.read_text())
    used = [entry for entry in detections if entry["score"] >= 0.2]
    assert 0 < len(used) < len(detections)
    contents = [json.loads((out / name).read_text()) for name in VIDEOS]
    if form == "posetrack18":
        people = [person for content in contents for person in content["annotations"]]
        assert [len(content["images"]) for content in contents] == [12, 12]
    else:
        frames = [frame for content in contents for frame in content["annolist"]]
        people = [person for frame in frames for person in frame["annorect"]]
        assert len(frames) == 24
    assert len(people) == len(used)


def test_box_scores_reach_the_files(test_tool, base, run_here):
    test_tool(*base)
    test_tool(*base, "--out", "plain", "test.joint_score=heatmap")
    for name in VIDEOS:
        times_box, plain = (
            json.loads((run_here / folder / name).read_text())["annotations"]
            for folder in ("out", "plain")
        )
        assert len({person["score"] for person in plain}) > 1
        for person, without in zip(times_box, plain, strict=True):
            expected = np.array(without["scores"]) * person["score"]
            np.testing.assert_allclose(person["scores"], expected, rtol=1e-4, atol=1e-6)


def test_missing_detections_name_the_key(refused, base, capsys):
    line = refused("tools/test.py", [*base, "data.test_detections=null"], capsys)
    assert "no annotated person boxes; set data.test_detections=FILE" in line
    line = refused("tools/test.py", [*base, "data.test_detections=nowhere.json"], capsys)
    assert "nowhere.json" in line


def test_what_the_server_would_refuse_is_listed(load_command, base, run_here, capsys):
    (run_here / "out").mkdir()
    (run_here / "out" / "000001_other.json").write_text("{}")
    assert load_command("tools/test.py").main([str(argument) for argument in base]) == 2
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "error: the submission would be refused:",
        "out/000001_other.json: there is no annotation file of this name; remove it",
        "out/submission.zip: lacks 000001_other.json; export again",
    ]


def test_predictions_of_other_videos_are_not_submitted(refused, base, run_here, capsys):
    stray = run_here / "out" / "predictions" / "999999_mpii_test.json"
    stray.parent.mkdir(parents=True)
    stray.write_text("{}")
    line = refused("tools/test.py", base, capsys)
    assert "out/predictions/999999_mpii_test.json" in line
    assert "remove it or choose another --out" in line


@pytest.mark.slow
def test_two_processes_write_the_files_of_one(test_tool, base, run_two, run_here):
    test_tool(*base)
    arguments = [argument if argument != "out" else "two" for argument in base]
    run_two("tools/test.py", *arguments)
    for name in [*VIDEOS, "submission.zip"]:
        assert (run_here / "out" / name).read_bytes() == (run_here / "two" / name).read_bytes()


def golden_data_set(golden, shared_dir, folder):
    """Write an images-only annotation file and detections; return the overrides that name them."""
    images = f"images/val/{golden['video']}"
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    annotation = {
        "images": [
            {
                "id": 10000010000 + frame,
                "file_name": f"{images}/{frame:06d}.jpg",
                "nframes": golden["nframes"],
            }
            for frame in range(golden["nframes"])
        ],
        "categories": [category],
    }
    detections = [
        {
            "image_id": 10000010000 + person["frame"],
            "category_id": 1,
            "bbox": person["bbox_xywh"],
            "score": person["box_score"],
        }
        for person in golden["people"]
    ]
    (folder / "annotations").mkdir()
    (folder / "annotations" / f"{golden['video']}.json").write_text(json.dumps(annotation))
    (folder / "detections.json").write_text(json.dumps(detections))
    return [f"data.root={shared_dir / 'data/posetrack18_real'}",
            f"data.test_annotations={folder / 'annotations'}",
            f"data.test_detections={folder / 'detections.json'}"]  # fmt: skip


@pytest.mark.parametrize(
    ("clip", "network", "every"),
    [
        ("clip_w32", "release_w32_small", 2),
        # 3 of 15 people, in the first, middle and last frame, because a person costs 5 s
        pytest.param("clip_w48", "release_w48", 7, marks=pytest.mark.slow),
    ],
)
def test_poses_of_the_released_network(
    clip, network, every, test_tool, golden_case, formula_weights, shared_dir, run_here
):
    # Made with the released network, weights by formula: README of the golden cases. The two
    # networks have the sizes of the `network` case, which lists the names of their weights.
    golden = json.loads((shared_dir / f"goldens/network/{clip}.json").read_text())
    golden["people"] = golden["people"][::every]
    case, _ = golden_case(network)
    torch.save({"state_dict": formula_weights(case["keys"], golden["seed"])}, "released.pth")
    sizes = case["model"]
    overrides = [
        "experiment=golden",
        f"data.max_gap={golden['max_gap']}",
        f"data.crop_wh={golden['image_wh']}",
        f"data.box_enlarge={golden['enlarge']}",
        f"model.backbone.width={sizes['width']}",
        f"model.pcn.dilations={sizes['dilations']}",
        f"model.prf.blocks={sizes['prf']['blocks']}",
        f"model.ptm.blocks={sizes['ptm']['blocks']}",
        f"model.fusion={{blocks: {sizes['combine']['blocks']}, "
        f"channels: {sizes['combine']['channels']}}}",
        *golden_data_set(golden, shared_dir, run_here),
    ]
    test_tool("--cfg", RELEASED, "--weights", "released.pth", "--out", "out", *overrides)

    predicted = json.loads((run_here / "out" / f"{golden['video']}.json").read_text())
    people = predicted["annotations"]
    assert [person["image_id"] % 10000 for person in people] == [
        person["frame"] for person in golden["people"]
    ]
    joints = np.array([person["keypoints"] for person in people]).reshape(-1, 17, 3)
    scores = np.array([person["scores"] for person in people])
    expected = np.array([person["keypoints_xy"] for person in golden["people"]])
    expected_scores = np.array([person["joint_score"] for person in golden["people"]])
    distance = np.linalg.norm(joints[..., :2] - expected, axis=-1)
    off_by = np.abs(scores - expected_scores) / np.abs(expected_scores)
    assert ((distance <= 0.5) & (off_by <= 0.01)).mean() >= 0.98
    np.testing.assert_allclose(joints[..., 2], scores)
    assert {person["score"] for person in people} == {0.98, 0.91, 0.55}
