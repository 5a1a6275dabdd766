"""scripts/replay_batch.py repeats what ended a training."""

import pytest
import torch

from dcpose import load_config
from dcpose.engine.faults.finite import NonFiniteLossError
from dcpose.jobs.train import train


@pytest.fixture
def replay(load_command):
    return load_command("scripts/replay_batch.py").main


def test_a_step_is_repeated(replay, tiny_cfg, tiny_weights, run_here, capsys):
    state = torch.load(tiny_weights, weights_only=True)
    name = next(name for name in state if name.startswith("ptm") and name.endswith("weight"))
    state[name].view(-1)[0] = float("nan")
    torch.save(state, "bad.pth")
    cfg = load_config(tiny_cfg, ["train.batch_size=4"])
    cpu = torch.device("cpu")
    with pytest.raises(NonFiniteLossError, match="loss is nan at step 1; ") as caught:
        train(cfg, cpu, run_here / "run", weights="bad.pth")
    (saved,) = (run_here / "run" / "nonfinite").iterdir()
    assert str(saved) in str(caught.value)
    capsys.readouterr()

    assert replay([str(saved), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "batch 1: loss nan" in out
    assert out.count(" frame ") == 4
    assert "first output that is not finite: ptm" in out
    assert out.endswith("not finite again\n")

    content = torch.load(saved, weights_only=True)
    content["model"][name].view(-1)[0] = 0.0
    torch.save(content, saved)
    assert replay([str(saved), "--device", "cpu"]) == 1
    assert "all finite this time" in capsys.readouterr().out


def test_another_file_is_refused(replay, tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"no")
    assert replay([str(tmp_path / "last.pt")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
