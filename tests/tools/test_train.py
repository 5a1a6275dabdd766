"""tools/train.py: what a run leaves behind, resuming after a kill, and refusals."""

import json
import os
import shutil
import signal

import pytest
import torch
import yaml

from dcpose import load_config
from dcpose.engine.run.checkpoint import load_checkpoint
from dcpose.jobs.train import make_trainer

KILL_AFTER_EPOCH_1 = """
import importlib.util, os, signal, sys
from dcpose.engine import trainer

save = trainer.save_checkpoint

def save_and_die(path, state, **kwargs):
    save(path, state, **kwargs)
    if path.name == "last.pt" and state["epoch"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)

trainer.save_checkpoint = save_and_die
spec = importlib.util.spec_from_file_location("train", sys.argv[1])
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
tool.main(sys.argv[2:])
"""


@pytest.fixture(scope="session")
def train(load_command):
    """Function (arguments) -> None: runs tools/train.py, which has to succeed."""

    def run(*arguments):
        assert load_command("tools/train.py").main([str(item) for item in arguments]) == 0

    return run


def last_checkpoint(run_dir):
    return load_checkpoint(run_dir / "checkpoints" / "last.pt")


def log_lines(run_dir, kind):
    lines = (run_dir / "log.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == kind]


def assert_same_state(one, other):
    """Weights, averages, optimizer: everything bit for bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_state(one[key], other[key])
    elif isinstance(one, list):
        for pair in zip(one, other, strict=True):
            assert_same_state(*pair)
    else:
        assert one == other


def test_run_folder(train, tiny_cfg, run_here):
    overrides = ["train.epochs=2", "train.log_every=1", "optim.lr=3.0e-3"]
    overrides += ["train.loggers=[tensorboard]"]
    train("--cfg", tiny_cfg, "--run-dir", "run", "train.epochs", "2", *overrides[1:])
    run = run_here / "run"
    cfg = load_config(run / "config.yaml")
    assert cfg == load_config(tiny_cfg, overrides)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert environment["device"] == "cpu"
    assert list((run / "tensorboard").iterdir())
    assert "epoch 2/2 done" in (run / "train.log").read_text()
    epochs = log_lines(run, "epoch")
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert epochs[1]["loss"] < epochs[0]["loss"]
    assert {"AP", "nose", "left_wrist", "head_top"} <= epochs[0].keys()
    assert len(log_lines(run, "train")) == last_checkpoint(run)["step"]
    names = {path.name for path in (run / "predictions" / "val").iterdir()}
    assert names == {"010001_mpii_test.json", "010002_mpii_test.json"}
    assert (run / "checkpoints" / "best.pt").exists()
    assert last_checkpoint(run)["config"] == yaml.safe_load((run / "config.yaml").read_text())


@pytest.mark.parametrize(("loggers", "drawn"), [("[]", False), ("[tensorboard]", True)])
def test_pictures_are_drawn_where_a_logger_shows_them(loggers, drawn, tiny_cfg, run_here):
    cfg = load_config(tiny_cfg, [f"train.loggers={loggers}"])
    trainer = make_trainer(cfg, torch.device("cpu"), run_here / "run")
    assert (trainer.draw is not None) == drawn


def moved(checkpoint, weights):
    """First parts of the names of what training changed."""
    before = torch.load(weights, weights_only=True)
    after = checkpoint["model"]
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


HEAD = {"ptm", "prf", "fusion", "pcn"}


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["model.backbone.frozen=true"], HEAD),
        (["model.backbone.frozen=true", "model.backbone.frozen_bn=false"], HEAD | {"backbone"}),
        (["model.backbone.frozen=false"], HEAD | {"backbone"}),
        (["train.accumulate=2", "train.batch_size=4"], HEAD | {"backbone"}),
        (["train.ema_decay=0.5", "optim={name: adamw, weight_decay: 0.1}"], HEAD | {"backbone"}),
        (["train.clip_grad_norm=0.01", "optim.name=sgd", "data.max_gap=2"], HEAD | {"backbone"}),
        (["train.precision=bf16", "data.workers=1"], HEAD | {"backbone"}),
    ],
)  # fmt: skip
def test_kinds_of_training(overrides, parts, train, tiny_cfg, tiny_weights, few_people, run_here):
    overrides = [*few_people, "train.batch_size=8", *overrides]
    train("--cfg", tiny_cfg, "--weights", tiny_weights, "--run-dir", "run", *overrides)
    checkpoint = last_checkpoint(run_here / "run")
    assert moved(checkpoint, tiny_weights) == parts
    assert all(tensor.isfinite().all() for tensor in checkpoint["model"].values())
    assert (checkpoint["ema"] is not None) == any("ema" in override for override in overrides)


def test_both_stages(train, tiny_cfg, few_people, run_here):
    train("--cfg", tiny_cfg, "--run-dir", "one", "model.name=single_frame", *few_people)
    train(
        *("--cfg", tiny_cfg, "--run-dir", "two", "model.backbone.frozen=true", *few_people),
        "model.backbone.weights=one/checkpoints/best.pt",
    )
    first, second = (last_checkpoint(run_here / name)["model"] for name in ("one", "two"))
    assert {name.split(".")[0] for name in first} == {"backbone"}
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
@pytest.mark.slow
def test_killed_and_resumed_run_ends_with_the_same_bits(
    train, tiny_cfg, few_people, run_here, start_program, pytestconfig
):
    arguments = ["--cfg", tiny_cfg, "train.epochs=3", "train.ema_decay=0.9", "optim.milestones=[1]"]
    arguments += ["train.batch_size=4", *few_people]
    train(*arguments, "--run-dir", "whole")
    (run_here / "program.py").write_text(KILL_AFTER_EPOCH_1)
    tool = pytestconfig.rootpath / "tools" / "train.py"
    killed = start_program(run_here / "program.py", tool, *arguments, "--run-dir", "killed")
    assert killed.wait() == -signal.SIGKILL, killed.said()
    assert last_checkpoint(run_here / "killed")["epoch"] == 1

    train(*arguments, "--run-dir", "killed", "--resume")
    whole, resumed = (last_checkpoint(run_here / name) for name in ("whole", "killed"))
    assert whole["epoch"] == 3
    assert_same_state(whole, resumed)
    losses = [
        [line["loss"] for line in log_lines(run_here / name, "epoch")]
        for name in ("whole", "killed")
    ]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]


def test_resume_takes_the_latest_run(train, tiny_cfg, few_people, run_here):
    train("--cfg", tiny_cfg, *few_people)
    train("--cfg", tiny_cfg, "--resume", "train.epochs=2", *few_people)
    (run,) = (run_here / "runs" / "tiny").iterdir()
    assert last_checkpoint(run)["epoch"] == 2
    assert "train.epochs: 1 -> 2" in (run / "train.log").read_text()


def test_resume_needs_no_backbone_weights(train, tiny_cfg, tiny_weights, few_people, run_here):
    # they are in the checkpoint, and the file may be gone by then
    shutil.copy(tiny_weights, "backbone.pth")
    arguments = ["--cfg", tiny_cfg, "--run-dir", "run", "model.backbone.frozen=true"]
    arguments += ["model.backbone.weights=backbone.pth", *few_people]
    train(*arguments)
    (run_here / "backbone.pth").unlink()
    train(*arguments, "--resume", "train.epochs=2")
    assert last_checkpoint(run_here / "run")["epoch"] == 2


def test_resume_of_a_run_without_checkpoint_starts_anew(train, tiny_cfg, run_here):
    # a run that was killed in its first epoch leaves log lines behind
    (run_here / "run").mkdir()
    (run_here / "run" / "log.jsonl").write_text('{"kind": "train", "step": 1, "loss": 7.0}\n')
    train("--cfg", tiny_cfg, "--run-dir", "run", "--resume")
    assert [line["step"] for line in log_lines(run_here / "run", "train")] == [3]


@pytest.mark.slow
def test_two_processes_of_torchrun(pytestconfig, tiny_cfg, few_people, run_here, torchrun):
    tool = pytestconfig.rootpath / "tools" / "train.py"
    arguments = ["--cfg", tiny_cfg, "--run-dir", "run", "--device", "cpu", *few_people]
    program = torchrun("--standalone", "--nproc-per-node", "2", tool, *arguments)
    assert program.wait() == 0, program.said()
    checkpoint = last_checkpoint(run_here / "run")
    assert len(checkpoint["rng"]) == 2
    (epoch,) = log_lines(run_here / "run", "epoch")
    assert epoch["AP"] is not None
    assert len(list((run_here / "run" / "predictions" / "val").iterdir())) == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["train.epoch=3"], "train.epoch: unknown key; the nearest valid keys are train."),
            (["train.epochs=many"], "train.epochs: found 'many', expected an integer"),
            (["data.root=nowhere"], "data.root: no such folder: nowhere"),
            (["data.train_annotations=nowhere"], "nowhere: no annotation files"),
            (["data.val_annotations=nowhere"], "nowhere: no annotation files"),
            (["model.num_joints=15"], "model.num_joints: found 15, expected 17"),
            (["model.backbone.frozen=true"], "set model.backbone.weights=FILE"),
            (["model.backbone.weights=nowhere.pth"], "no weights file at nowhere.pth"),
            (["model={name: single_frame, backbone: {frozen: true}}"], "set model.backbone.fro"),
            (["train.precision=fp16"], "fp16 needs CUDA"),
            (["test.precision=fp16"], "fp16 needs CUDA"),
        ],
    )  # fmt: skip
    def test_config(self, overrides, message, refused, tiny_cfg, run_here, capsys):
        line = refused("tools/train.py", ["--cfg", tiny_cfg, "--device", "cpu", *overrides], capsys)
        assert message in line
        assert not list(run_here.glob("runs/*/*/log.jsonl"))  # before any training

    def test_missing_config_file(self, refused, capsys):
        line = refused("tools/train.py", ["--cfg", "nowhere.yaml"], capsys)
        assert line.startswith("error: nowhere.yaml: ")

    def test_folder_that_holds_a_run(self, refused, tiny_cfg, run_here, capsys):
        last = run_here / "run" / "checkpoints" / "last.pt"
        last.parent.mkdir(parents=True)
        last.touch()
        line = refused("tools/train.py", ["--cfg", tiny_cfg, "--run-dir", "run"], capsys)
        assert "run: holds a run already; continue it with --resume" in line

    def test_nothing_to_resume(self, refused, tiny_cfg, capsys):
        line = refused("tools/train.py", ["--cfg", tiny_cfg, "--resume"], capsys)
        assert "no run with checkpoints/last.pt to resume" in line

    def test_weights_of_another_model(self, refused, tiny_cfg, tiny_weights, capsys):
        arguments = ["--cfg", tiny_cfg, "--weights", tiny_weights, "model.backbone.width=8"]
        line = refused("tools/train.py", arguments, capsys)
        assert "does not fit the model" in line

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_absent_cuda(self, refused, tiny_cfg, capsys):
        line = refused("tools/train.py", ["--cfg", tiny_cfg, "--device", "cuda"], capsys)
        assert line == (
            "error: device is cuda, but torch sees no CUDA device; use --device cpu or auto"
        )
