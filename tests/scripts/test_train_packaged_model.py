"""The recipe of the packaged pose model at a tiny size: every stage of it, and the packed file."""

import json
import re

import numpy as np
import pytest
import torch

import dcpose
from dcpose.engine.run.checkpoint import load_checkpoint
from dcpose.models.backbones.efficientnet_lite import EfficientNetLiteTrunk

STAGES = (
    "neck", "single_frame", "stills", "finish", "bodies", "larger", "varied", "everyone",
    "more_varied", "dcpose",
)  # fmt: skip
"""In their order; each starts from the one before it, unless `STARTS` says another."""
PACKED = ("varied", "everyone", "more_varied")
STARTS = {"more_varied": "varied"}
TINY = (
    "data.root=datasets/sample", "data.crop_wh=[32,32]", "train.batch_size=64", "train.loggers=[]",
    "model.backbone.neck.channels=8",
)  # fmt: skip


@pytest.fixture
def imagenet(tmp_path):
    """A random file in the layout of the published one."""
    torch.manual_seed(0)
    state = EfficientNetLiteTrunk().state_dict()
    published = {re.sub(r"(^|\.)(?=[a-z]\w*\.)", r"\1_", name): v for name, v in state.items()}
    torch.save(published | {"_fc.bias": torch.zeros(1000)}, tmp_path / "imagenet.pth")
    return tmp_path / "imagenet.pth"


@pytest.mark.slow
def test_every_stage_trains_from_the_one_before_and_the_last_is_packed(
    load_command, imagenet, few_people, tmp_path, request
):
    recipe = request.config.rootpath / "scripts" / "train_packaged_model.sh"
    assert re.findall(r"^stage (\w+)", recipe.read_text(), re.MULTILINE) == list(STAGES)
    train, start, done = load_command("tools/train.py"), imagenet, {}
    pack, checkpoints = load_command("scripts/pack_model.py"), {}
    facts = ["--facts", "scripts/packaged_facts.yaml", "--out", str(tmp_path)]
    for stage in STAGES:
        start = checkpoints.get(STARTS.get(stage), start)
        if stage == "dcpose":
            assert pack.main(["--pose", *(str(checkpoints[name]) for name in PACKED), *facts]) == 0
            start = tmp_path / "pose.safetensors"
        command = ["--cfg", f"configs/packaged/{stage}.yaml", "--device", "cpu", *TINY, *few_people]
        command += ["--run-dir", str(tmp_path / stage), f"model.backbone.weights={start}"]
        assert train.main([*command, "train.epochs=1"]) == 0
        start = checkpoints[stage] = tmp_path / stage / "checkpoints" / "last.pt"
        done[stage] = load_checkpoint(start)["model"]
    trunk = torch.load(imagenet, weights_only=True)["_conv_stem.weight"]
    for stage in STAGES[:-1]:
        assert torch.equal(done[stage]["backbone.trunk.conv_stem.weight"], trunk)
    head = "backbone.final_layer.weight"
    assert not torch.equal(done["neck"][head], done["finish"][head])
    mean = torch.stack([done[name][head] for name in PACKED]).mean(dim=0)
    torch.testing.assert_close(done["dcpose"][head], mean.half().float())

    assert pack.main(["--dcpose", str(start), *facts]) == 0
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    box = np.array([[10.0, 20.0, 60.0, 60.0]])
    sources = {"pose": ("more_varied", tmp_path / "pose.safetensors"), "dcpose": ("dcpose", start)}
    for name, (stage, weights) in sources.items():
        card = json.loads((tmp_path / f"{name}.json").read_text())
        assert card["bytes"] == (tmp_path / f"{name}.safetensors").stat().st_size
        cfg = f"configs/packaged/{stage}.yaml"
        trained = dcpose.PoseEstimator(cfg, weights, "cpu", overrides=TINY)
        packed = dcpose.PoseEstimator(tmp_path / f"{name}.json", device="cpu")
        first, second = (estimator.image(image, box).people for estimator in (trained, packed))
        np.testing.assert_allclose(second.joint_scores, first.joint_scores, atol=2e-3)
