"""The baselines, and DCPose on another backbone, through the same tools as everything else."""

import json

import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build.model import build_model_to_train
from dcpose.engine.run.checkpoint import load_checkpoint

SMALL_WARPER = "model.warper={blocks: 2, channels: 8, dilations: [1, 3]}"
SMALL_RESNET = "model.backbone={name: simple_baseline, depth: 18, deconv_channels: 8}"


@pytest.fixture(scope="session")
def live(load_command, tiny_cfg, few_people):
    """Function (overrides) -> checkpoint: trains, resumes, validates and exports in this folder."""

    def tool(name, *arguments):
        arguments = ["--cfg", tiny_cfg, "--device", "cpu", *arguments]
        assert load_command(f"tools/{name}.py").main([str(item) for item in arguments]) == 0

    def run(run_dir, *overrides):
        last = run_dir / "checkpoints" / "last.pt"
        overrides = [*few_people, "train.log_every=1", *overrides]
        tool("train", "--run-dir", run_dir, *overrides)
        first = load_checkpoint(last)
        tool("train", "--run-dir", run_dir, "--resume", "train.epochs=2", *overrides)
        second = load_checkpoint(last)
        assert (first["epoch"], second["epoch"]) == (1, 2)
        lines = map(json.loads, (run_dir / "log.jsonl").read_text().splitlines())
        losses = [line["loss"] for line in lines if line["kind"] == "train"]
        assert losses[-1] < losses[0]

        tool("val", "--weights", last, "--run-dir", run_dir / "val", *overrides)
        results = json.loads((run_dir / "val" / "results.json").read_text())
        assert results["protocol"]["weights"] == "last.pt"
        tool("test", "--weights", last, "--out", run_dir / "out", *overrides)
        assert (run_dir / "out" / "submission.zip").exists()
        assert all(tensor.isfinite().all() for tensor in second["model"].values())
        return second["model"], results["protocol"]

    return run


@pytest.mark.slow
def test_simple_baseline_alone_and_under_dcpose(live, run_here):
    alone, _ = live(run_here / "one", "model.name=single_frame", SMALL_RESNET)
    assert alone["backbone.deconv_layers.0.weight"].shape == (512, 8, 4, 4)
    weights = run_here / "one" / "checkpoints" / "last.pt"
    stage_two = ["model.backbone.frozen=true", f"model.backbone.weights={weights}"]
    dcpose, _ = live(run_here / "two", SMALL_RESNET, *stage_two)
    assert {name.split(".")[0] for name in dcpose} == {"backbone", "ptm", "prf", "fusion", "pcn"}
    assert all(torch.equal(dcpose[name], alone[name]) for name in alone)


def moved(before, after):
    """First parts of the names of what training changed."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    ("frozen_bn", "parts"), [("true", {"warper"}), ("false", {"warper", "backbone"})]
)
def test_posewarper(frozen_bn, parts, live, tiny_cfg, tiny_weights, run_here):
    overrides = [
        "model.name=posewarper", "data.max_gap=2", SMALL_WARPER, "model.backbone.frozen=true",
        f"model.backbone.frozen_bn={frozen_bn}", f"model.backbone.weights={tiny_weights}",
    ]  # fmt: skip
    model, protocol = live(run_here / "run", *overrides)
    start = build_model_to_train(load_config(tiny_cfg, overrides)).state_dict()
    assert moved(start, model) == parts
    assert (protocol["clip_frames"], protocol["max_gap"]) == (5, 2)


def test_posewarper_on_simple_baseline_is_built(tiny_cfg):
    overrides = ["model.name=posewarper", SMALL_WARPER, SMALL_RESNET]
    model = build_model(load_config(tiny_cfg, overrides))
    heatmaps = model(torch.zeros(1, 5, 3, 32, 32), torch.ones(1, 2))
    assert heatmaps.shape == (1, 17, 8, 8)


def test_frozen_backbone_of_posewarper_needs_weights(tiny_cfg):
    overrides = ["model.name=posewarper", SMALL_WARPER, "model.backbone.frozen=true"]
    with pytest.raises(ValueError, match=r"set model\.backbone\.weights=FILE"):
        build_model_to_train(load_config(tiny_cfg, overrides))
