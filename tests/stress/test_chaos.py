"""tests/stress/chaos.py, with fewer kills than its default."""

import os
import subprocess
import sys

import pytest
import torch

from dcpose.engine.run.checkpoint import FORMAT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")


@pytest.fixture
def chaos(load_command):
    return load_command("tests/stress/chaos.py")


@pytest.mark.slow
def test_a_run_survives_kills(request, tmp_path):
    root = request.config.rootpath
    arguments = ["--kills", "4", "--out", tmp_path, f"data.root={root / 'datasets/sample'}"]
    result = subprocess.run(
        [sys.executable, root / "tests/stress/chaos.py", *arguments, "train.epochs=2"],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("4 kills, ")
    assert result.stdout.endswith("all the same bits, no epoch lost\n")


def test_a_lost_bit_or_epoch_shows(chaos, tmp_path):
    keys = ["ema", "optimizer", "scheduler", "scaler", "best_ap", "rng", "config", "versions"]
    content = {"format": FORMAT, **dict.fromkeys(keys), "epoch": 1, "step": 3}
    line = '{"kind": "epoch", "epoch": 1, "step": 3, "loss": %s, "AP": 5.0}\n'
    for name, weight, loss in (("a", 1.0, 0.5), ("b", 1.0 + 2**-23, 0.25)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        for file in ("last.pt", "best.pt"):
            state = {"model": {"weight": torch.tensor([weight])}}
            torch.save({**content, **state}, tmp_path / name / "checkpoints" / file)
        (tmp_path / name / "log.jsonl").write_text(line % loss)
    assert chaos.differences(tmp_path / "a", tmp_path / "a") == []
    assert chaos.differences(tmp_path / "a", tmp_path / "b") == [
        "last.pt: model differs",
        "best.pt: model differs",
        "epochs in the logs differ: [(1, 0.5, 5.0)], [(1, 0.25, 5.0)]",
    ]


def test_an_unreadable_checkpoint_shows(chaos, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"half of it")
    tally = chaos.Tally(rounds=1)
    chaos.inspect(tmp_path, tally)
    assert "last.pt: not a readable checkpoint" in tally.problems[0]
