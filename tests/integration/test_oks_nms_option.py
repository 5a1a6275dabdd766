"""test.oks_nms acts on the predictions files of val and test."""

import json
from pathlib import Path

import torch

from dcpose import load_config
from dcpose.build.model import build_model
from dcpose.jobs.predict import predict_split

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "datasets" / "sample"


def test_boxes_given_twice_give_one_pose_each(tmp_path, caplog):
    annotations = json.loads((SAMPLE / "annotations/val/010001_mpii_test.json").read_text())
    first = annotations["annotations"][0]
    box = {"image_id": first["image_id"], "category_id": 1, "bbox": first["bbox"]}
    detections = tmp_path / "boxes.json"
    detections.write_text(json.dumps([box | {"score": 0.5}, box | {"score": 0.8}]))
    overrides = [
        f"data.root={SAMPLE}", f"data.val_detections={detections}", "data.crop_wh=[64, 64]",
        "model.backbone.width=8", "model.backbone.stem_channels=8",
    ]  # fmt: skip
    scores = {}
    for threshold in ("null", "0.9"):
        config = REPOSITORY / "configs/synthetic/single_frame.yaml"
        cfg = load_config(config, [*overrides, f"test.oks_nms={threshold}"])
        out = tmp_path / threshold
        caplog.set_level("INFO")
        predict_split(cfg, build_model(cfg), "val", out, torch.device("cpu"))
        people = json.loads((out / "010001_mpii_test.json").read_text())["annotations"]
        scores[threshold] = [person["score"] for person in people]
    # peaks of a random network are under 0.2, so both rank equal and the first stays
    assert scores == {"null": [0.5, 0.8], "0.9": [0.5]}
    assert "OKS-NMS dropped 1 of 2 people" in caplog.text
