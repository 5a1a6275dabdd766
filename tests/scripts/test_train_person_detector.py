"""scripts/train_person_detector.py: it learns, and a stopped training ends in the same bits."""

import pytest
import torch

from dcpose.cli import EXIT_INTERRUPTED
from dcpose.models.backbones.efficientnet_lite import EfficientNetLiteTrunk


@pytest.fixture
def imagenet(tmp_path):
    """A random file in the layout of the published one."""
    torch.manual_seed(0)
    file = tmp_path / "imagenet.pth"

    def published(name):
        *modules, leaf = name.split(".")
        return ".".join([*(m if m.isdigit() else f"_{m}" for m in modules), leaf])

    state = {published(k): v for k, v in EfficientNetLiteTrunk().state_dict().items()}
    torch.save(state | {"_fc.bias": torch.zeros(1000)}, file)
    return file


def test_a_stopped_training_ends_in_the_same_bits(load_command, imagenet, tmp_path, monkeypatch):
    script = load_command("scripts/train_person_detector.py")
    for name, value in {"SIDE": 64, "PERSON_RANGE": (20, 60), "BATCH": 2, "SAVE_EVERY": 2}.items():
        monkeypatch.setattr(script, name, value)

    def train(out, steps, code=0):
        command = ["--data", "datasets/sample", "--imagenet", str(imagenet), "--out", str(out)]
        assert script.main([*command, "--steps", str(steps)]) == code
        return torch.load(out / "last.pt", weights_only=True)

    whole = train(tmp_path / "whole", 4)
    update = script.Training.update

    def stop_at_2(self, scenes, steps, seed):
        if self.step == 2:
            raise KeyboardInterrupt
        return update(self, scenes, steps, seed)

    with monkeypatch.context() as patch:
        patch.setattr(script.Training, "update", stop_at_2)
        train(tmp_path / "parts", 4, code=EXIT_INTERRUPTED)
    parts = train(tmp_path / "parts", 4)
    assert parts["step"] == whole["step"] == 4
    for key in ("model", "trained"):
        assert all(torch.equal(parts[key][name], value) for name, value in whole[key].items())
    trunk = torch.load(imagenet, weights_only=True)
    assert torch.equal(whole["model"]["trunk.conv_stem.weight"], trunk["_conv_stem.weight"])
    assert whole["trained"]["center.bias"] != -4.0
