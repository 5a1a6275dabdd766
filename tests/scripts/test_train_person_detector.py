"""scripts/train_person_detector.py: it learns, and a stopped training ends in the same bits."""

import json

import numpy as np
import pytest
import torch

from dcpose.cli import EXIT_INTERRUPTED
from dcpose.detection.packaged import PackagedDetector
from dcpose.weights.packaged import FOLDER
from dcpose.weights.reading import read_weights

POSE = FOLDER / "pose.safetensors"


@pytest.fixture
def script(load_command, monkeypatch):
    module = load_command("scripts/train_person_detector.py")
    for name, value in {"SIDE": 64, "BATCH": 2, "SAVE_EVERY": 2}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_a_stopped_training_ends_in_the_same_bits(script, load_command, tmp_path, monkeypatch):
    def train(out, code=0):
        command = ["--data", "datasets/sample", "--pose", str(POSE), "--out", str(out)]
        assert script.main([*command, "--steps", "4"]) == code
        return torch.load(out / "last.pt", weights_only=True)

    whole = train(tmp_path / "whole")
    update = script.Training.update

    def stop_at_2(self, scenes, rate):
        if self.step == 2:
            raise KeyboardInterrupt
        return update(self, scenes, rate)

    with monkeypatch.context() as patch:
        patch.setattr(script.Training, "update", stop_at_2)
        train(tmp_path / "parts", EXIT_INTERRUPTED)
    parts = train(tmp_path / "parts")
    assert parts["step"] == whole["step"] == 4
    for key in ("model", "trained"):
        assert all(torch.equal(parts[key][name], value) for name, value in whole[key].items())

    # what does not learn, and what starts from the pose network
    pose = read_weights(POSE).state
    trained = whole["trained"]
    frozen, learning = "trunk.blocks.10.project_conv.weight", "trunk.blocks.11.project_conv.weight"
    assert torch.equal(trained[frozen], pose[f"backbone.{frozen}"].float())
    assert not torch.equal(trained[learning], pose[f"backbone.{learning}"].float())
    start = pose["backbone.pyramid.laterals.1.weight"].float()
    assert 0 < (trained["laterals.0.weight"] - start).abs().max() < 0.02

    facts = tmp_path / "facts.yaml"
    facts.write_text("person_detector: {limits: many}")
    pack = load_command("scripts/pack_model.py")
    command = ["--detector", str(tmp_path / "whole" / "last.pt")]
    assert pack.main([*command, "--facts", str(facts), "--out", str(tmp_path)]) == 0
    card = json.loads((tmp_path / "person_detector.json").read_text())
    assert card["limits"] == "many"
    assert card["bytes"] < 8_000_000
    detect = PackagedDetector(torch.device("cpu"), 0.01, tmp_path / "person_detector.safetensors")
    boxes, scores = detect(np.zeros((90, 120, 3), np.uint8))
    assert len(boxes) == len(scores) > 0


@pytest.mark.parametrize(
    ("step", "share"), [(0, 0.01), (49, 0.5), (99, 1), (650, 1), (825, 0.5), (999, 0.001 / 0.35)]
)
def test_the_rate_rises_stays_and_falls(script, step, share):
    assert script.rate_at(step, 1000) == pytest.approx(share)
