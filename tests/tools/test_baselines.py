"""The baselines, and DCPose on another backbone, through the same tools as everything else."""

import json

import pytest
import torch

from dcpose.engine.checkpoint import load_checkpoint

SMALL_RESNET = "model.backbone={name: simple_baseline, depth: 18, deconv_channels: 8}"


@pytest.fixture(scope="session")
def live(load_command, tiny_cfg):
    """Function (overrides) -> checkpoint: trains, resumes, validates and exports in this folder."""

    def tool(name, *arguments):
        arguments = ["--cfg", tiny_cfg, "--device", "cpu", *arguments]
        assert load_command(f"tools/{name}.py").main([str(item) for item in arguments]) == 0

    def run(run_dir, *overrides):
        last = run_dir / "checkpoints" / "last.pt"
        overrides = ["data.crop_wh=[32,32]", "train.log_every=1", *overrides]
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
