"""The paper's chain, COCO -> backbone -> DCPose, on the rendered sample in COCO's form."""

import json

import numpy as np
import pytest
import torch
from fixtures.coco_files import write_coco

from dcpose import load_config
from dcpose.build.data import read_videos
from dcpose.build.model import build_model_to_train
from dcpose.evaluation.coco_ap import STATISTICS, evaluate_coco
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.jobs.test import make_submission
from dcpose.jobs.train import train
from dcpose.jobs.validate import validate
from dcpose.structures import PosePrediction

pytest.importorskip("pycocotools")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def coco_root(sample_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("coco")
    for split in ("train", "val"):
        write_coco(sample_dir, root, split)
    return root


@pytest.fixture(scope="module")
def overrides(coco_root):
    overrides = ["data.layout=coco", f"data.root={coco_root}", "model.name=single_frame"]
    for split in ("train", "val"):
        file = f"annotations/person_keypoints_{split}2017.json"
        overrides += [f"data.{split}_annotations={file}"]
        overrides += [f"data.{split}_images=images/{split}2017"]
    return overrides


def test_chain(tiny_cfg, overrides, tmp_path, sample_dir):
    cfg = load_config(tiny_cfg, overrides)
    run = train(cfg, CPU, tmp_path / "coco")
    last = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()][-1]
    assert "AP50" in json.dumps(last)

    weights = str(run / "checkpoints" / "last.pt")
    result, protocol = validate(cfg, CPU, weights, tmp_path / "val")
    assert tuple(result.columns) == STATISTICS
    assert 0 <= result.total <= 100
    images = len(list((tmp_path / "val/predictions/val").iterdir()))
    assert images == 1  # one part
    line = protocol.line()
    assert "images · metric: COCO AP" in line
    assert "boxes: ground truth" in line
    written = json.loads((tmp_path / "val/results.json").read_text())
    assert written["groups"]["Total"] == result.total
    assert "| AP | AP50 |" in (tmp_path / "val/results.md").read_text()

    # the backbone of the next stage is what was trained here
    posetrack = load_config(tiny_cfg, [f"model.backbone.weights={weights}"])
    model = build_model_to_train(posetrack)
    trained = torch.load(weights, weights_only=True)["model"]
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, trained[f"backbone.{name}"]), name


def test_the_annotations_themselves_are_worth_everything(tiny_cfg, overrides, coco_root, tmp_path):
    (part,) = read_videos(load_config(tiny_cfg, overrides), "val")
    people = [PosePrediction(person, person.joints[:, :2], np.ones(17)) for person in part.people]
    write_predictions(tmp_path / f"{part.name}.json", part.images, people)
    path = coco_root / "annotations/person_keypoints_val2017.json"
    result = evaluate_coco(path, tmp_path, "heatmap_times_box")
    assert result.total == pytest.approx(100)


def test_clips_need_videos_and_coco_has_no_leaderboard(tiny_cfg, overrides, tmp_path):
    with pytest.raises(ValueError, match=r"single images.*set model\.name=single_frame"):
        load_config(tiny_cfg, [*overrides, "model.name=dcpose"])
    with pytest.raises(ValueError, match=r"--what predictions --to coco"):
        make_submission(load_config(tiny_cfg, overrides), CPU, "none.pt", tmp_path, None)


def test_the_committed_config_is_the_chain_s_first_stage(request):
    configs = request.config.rootpath / "configs"
    cfg = load_config(configs / "coco/single_frame_hrnet_w48.yaml")
    following = load_config(configs / "posetrack18/single_frame_hrnet_w48.yaml")
    assert cfg.data.layout == "coco"
    assert cfg.model == following.model
    assert cfg.data.crop_wh == following.data.crop_wh
