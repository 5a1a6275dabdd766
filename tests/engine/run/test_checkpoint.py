import os

import pytest
import torch
from engine_fakes import TinyModel, make_trainer
from torch import nn

from dcpose.engine.run import checkpoint
from dcpose.engine.run.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_model_state,
    load_optimizer_state,
    optimizer_state,
    save_checkpoint,
)


@pytest.fixture
def state(tmp_path):
    return make_trainer(
        tmp_path / "run", config={"optim": {"lr": 1.0, "name": "adam"}}
    ).checkpoint()


def test_everything_comes_back(tmp_path, state):
    path = tmp_path / "last.pt"
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert loaded["config"] == {"optim": {"lr": 1.0, "name": "adam"}}
    assert (loaded["epoch"], loaded["step"], loaded["best_ap"]) == (0, 0, None)
    assert loaded["model"].keys() == TinyModel().state_dict().keys()
    assert set(loaded["versions"]) == {"python", "torch", "numpy"}
    assert type(loaded["versions"]["torch"]) is str
    expected = {"model", "ema", "optimizer", "scheduler", "scaler", "rng", "format"}
    assert expected <= loaded.keys()


def test_torch_reads_it_without_running_code(tmp_path, state):
    save_checkpoint(tmp_path / "last.pt", state)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["format"] == checkpoint.FORMAT


def test_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, state, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, state | {"epoch": 1})

    def fail(content, file):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, state | {"epoch": 2})
    assert load_checkpoint(path)["epoch"] == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"last.pt", "run"}


def test_file_is_complete_on_disk_before_it_takes_the_name(tmp_path, state, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *a: (events.append("replace"), replace(*a)))
    save_checkpoint(tmp_path / "last.pt", state)
    assert events == ["fsync", "replace", "fsync"]  # file, name, folder


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "gone.pt")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_torn_file(tmp_path, state, keep):
    path = tmp_path / "last.pt"
    save_checkpoint(path, state)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(CheckpointError, match=r"last\.pt: not a readable checkpoint") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


class Exploit:
    """What a malicious file would hold: code that runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("exploited",)


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": checkpoint.FORMAT, "model": Exploit()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [({"state_dict": {}}, "None"), ([1, 2], "'list'"), ({"format": "other"}, "'other'")],
)
def test_other_kind_of_file(tmp_path, content, found):
    torch.save(content, tmp_path / "hrnet.pth")
    with pytest.raises(CheckpointError, match=f"format is {found}.*--weights"):
        load_checkpoint(tmp_path / "hrnet.pth")


def test_incomplete_checkpoint(tmp_path, state):
    del state["rng"], state["scheduler"]
    save_checkpoint(tmp_path / "last.pt", state)
    with pytest.raises(CheckpointError, match="lacks scheduler, rng"):
        load_checkpoint(tmp_path / "last.pt")


def test_weights_of_another_architecture_are_listed_and_not_loaded():
    model, other = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))
    before = model[0].weight.clone()
    with pytest.raises(
        CheckpointError,
        match=r"best\.pt: .* 2 misshapen: 0\.weight \(4, 2\), expected \(3, 2\), .*"
        r"2 unexpected: 1\.weight, 1\.bias;",
    ):
        load_model_state(model, other.state_dict(), "best.pt")
    with pytest.raises(CheckpointError, match=r"2 misshapen: .*; 2 missing: 1\.weight, 1\.bias"):
        load_model_state(other, model.state_dict(), "best.pt")
    assert torch.equal(model[0].weight, before)


def test_long_lists_of_keys_are_cut():
    many = nn.Sequential(*[nn.Linear(1, 1) for _ in range(4)])
    with pytest.raises(CheckpointError, match=r"8 missing: 0\.weight, .* and 3 more;"):
        load_model_state(many, {}, "x.pt")


def test_optimizer_of_another_kind_or_over_other_parameters():
    small, large = nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    saved = optimizer_state(torch.optim.Adam(small.parameters()))
    with pytest.raises(CheckpointError, match="optimizer is Adam, expected SGD"):
        load_optimizer_state(torch.optim.SGD(small.parameters()), saved, "x.pt")
    with pytest.raises(CheckpointError, match="for other parameters"):
        load_optimizer_state(torch.optim.Adam(large.parameters()), saved, "x.pt")
