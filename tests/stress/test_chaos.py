"""tests/stress/chaos.py, with fewer kills than its default."""

import os

import pytest
import torch
from stress import chaos

from dcpose.engine.run.checkpoint import FORMAT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")


@pytest.mark.slow
def test_a_run_survives_kills(tmp_path, sample_dir, few_people, capsys):
    overrides = [f"data.root={sample_dir}", *few_people, "train.batch_size=2", "train.epochs=2"]
    overrides += ["train.loggers=[]", "data.crop_wh=[32,32]"]  # pictures take as long as training
    code = chaos.main(["--kills", "4", "--out", str(tmp_path), *overrides])
    said = capsys.readouterr().out
    assert code == 0, said
    assert said.startswith("4 kills, ")
    assert said.endswith("all the same bits, no epoch lost\n")


def test_a_lost_bit_or_epoch_shows(tmp_path):
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


def test_an_unreadable_checkpoint_shows(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"half of it")
    tally = chaos.Tally(rounds=1)
    chaos.inspect(tmp_path, tally)
    assert "last.pt: not a readable checkpoint" in tally.problems[0]
