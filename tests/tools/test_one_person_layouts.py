"""Penn Action and Sub-JHMDB, miniatures in their layout, through train and val."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dcpose import build_model, load_config
from dcpose.build.data import read_videos
from dcpose.build.datasets import DATASETS

TINY = [
    "data.crop_wh=[64,64]", "data.sigma=1", "data.workers=0", "train.epochs=1",
    "train.batch_size=4", "model.backbone.width=4", "model.backbone.modules=[1,1,1]",
    "model.backbone.blocks=1", "model.backbone.stem_channels=4",
]  # fmt: skip


def places(frame, count):
    """x and y of joints from 1, (2, count): a grid that moves by a pixel a frame."""
    rows, columns = np.divmod(np.arange(count), 4)
    return np.stack([12.0 + 10 * columns + frame, 8.0 + 9 * rows])


def save_frames(folder, names):
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for name in names:
        Image.fromarray(noise).save(folder / name)


def penn_action(root):
    (root / "labels").mkdir(parents=True)
    for video, use in (("0001", 1), ("0002", -1)):
        joints = np.stack([places(frame, 13) for frame in range(4)])
        label = {
            "nframes": 4, "dimensions": [[48, 64, 4]], "x": joints[:, 0], "y": joints[:, 1],
            "visibility": np.ones((4, 13)), "bbox": np.tile([5.0, 3, 60, 46], (4, 1)),
            "train": use,
        }  # fmt: skip
        label["visibility"][0, 0] = 0
        savemat(root / "labels" / f"{video}.mat", label)
        save_frames(root / "frames" / video, [f"{n:06d}.jpg" for n in range(1, 5)])


def jhmdb(root):
    for video in ("a", "b"):
        save_frames(root / "Rename_Images/jump" / video, [f"{n:05d}.png" for n in range(1, 5)])
        folder = root / "joint_positions" / "jump" / video
        folder.mkdir(parents=True)
        joints = np.stack([places(frame, 15) for frame in range(4)], axis=-1)
        savemat(folder / "joint_positions.mat", {"pos_img": joints})
    (root / "sub_splits").mkdir()
    (root / "sub_splits/jump_test_split2.txt").write_text("a.avi 1\nb.avi 2\n")


@pytest.fixture
def run(load_command, run_here, request):
    """Function (config, overrides) -> what val wrote after a training of one epoch."""
    configs = request.config.rootpath / "configs"

    def run_tools(config, *overrides):
        common = ["--cfg", str(configs / config), "data.root=data", *TINY, *overrides]
        assert load_command("tools/train.py").main([*common, "--run-dir", "run"]) == 0
        weights = ["--weights", "run/checkpoints/best.pt"]
        assert load_command("tools/val.py").main([*common, *weights, "--run-dir", "val"]) == 0
        return json.loads((run_here / "val" / "results.json").read_text())

    return run_tools


def test_penn_action_trains_and_validates(run, run_here, capsys):
    penn_action(run_here / "data")
    results = run("penn_action/single_frame_hrnet_w48.yaml")
    assert results["headline"] == "PCK"
    protocol = results["protocol"]
    assert protocol["metric"] == "PCK, joints within 0.2 of the longer side of the box"
    assert protocol["annotations"] == "data/labels"
    assert (protocol["num_videos"], protocol["num_frames"], protocol["num_boxes"]) == (1, 4, 4)
    columns = ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]
    assert list(results["groups"]) == columns
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2].split() == [f"{value:.1f}" for value in results["groups"].values()]
    epoch = json.loads((run_here / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert epoch["PCK"] == pytest.approx(results["total"], abs=10)


def test_jhmdb_trains_and_validates(run, run_here):
    jhmdb(run_here / "data")
    results = run("jhmdb/single_frame_hrnet_w48.yaml", "data.fold=2")
    assert results["protocol"]["metric"].endswith("of the box, or of the torso")
    assert list(results["groups"])[-2:] == ["Mean (torso)", "Mean"]
    assert len(results["pck"]) == len(results["torso_pck"]) == 15


@pytest.mark.parametrize("layout", ["penn_action", "jhmdb"])
def test_dcpose_is_built_for_their_joints(layout, request):
    cfg = load_config(request.config.rootpath / f"configs/{layout}/dcpose_hrnet_w48.yaml", TINY)
    assert cfg.model.num_joints == DATASETS[layout].skeleton.num_joints
    build_model(cfg)


def test_a_skeleton_of_other_joints_is_refused(run_here, request):
    penn_action(run_here / "data")
    configs = request.config.rootpath / "configs"
    skeleton = [f"data.skeleton={configs}/skeletons/posetrack15.yaml", "model.num_joints=15"]
    cfg = load_config(
        configs / "penn_action/single_frame_hrnet_w48.yaml", ["data.root=data", *skeleton]
    )
    with pytest.raises(ValueError, match=r"data\.skeleton: .* expected those of penn_action"):
        read_videos(cfg, "train")
