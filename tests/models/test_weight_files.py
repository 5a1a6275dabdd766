"""Files that hold something else than weights are refused in one line, and never run."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from dcpose.models.weight_files import read_state_dict, weights_hash

STATE = {"stage2.weight": torch.arange(6.0).view(2, 3)}


class _Payload:
    """Unpickling this creates a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def _whole_file(tmp_path, **options):
    torch.save(STATE, tmp_path / "whole.pth", **options)
    return (tmp_path / "whole.pth").read_bytes()


BROKEN = {
    "empty": lambda tmp_path: b"",
    "truncated": lambda tmp_path: _whole_file(tmp_path)[:-200],
    "truncated old format": lambda tmp_path: _whole_file(
        tmp_path, _use_new_zipfile_serialization=False
    )[:-8],
    "text": lambda tmp_path: b"hello world " * 30,
    "web page": lambda tmp_path: b"<!DOCTYPE html><html>404</html>",
    "JSON": lambda tmp_path: b'{"weight": [1, 2]}',
    "plain pickle with code": lambda tmp_path: pickle.dumps(_Payload(tmp_path / "ran")),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", BROKEN)
def test_unreadable_files_are_one_line_errors(content, suffix, tmp_path):
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(BROKEN[content](tmp_path))
    with pytest.raises(ValueError, match="download or save it again") as caught:
        read_state_dict(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({**STATE, "payload": _Payload(tmp_path / "ran")}, file)
    with pytest.raises(
        ValueError, match=r"more than weights \(.*\), refused .*save model"
    ) as caught:
        read_state_dict(file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, expected names and tensors"),
        ({}, "there are no entries"),
        ({"model": 3}, "holds a int"),
        ({"epoch": 3, "lr": 0.1}, "'epoch' is no name of a tensor"),
        ({3: torch.zeros(1)}, "3 is no name of a tensor"),
    ],
)
def test_other_content_is_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=message):
        read_state_dict(tmp_path / "weights.pth")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file at .*nowhere.pth"):
        read_state_dict(tmp_path / "nowhere.pth")


def test_old_format_is_read(tmp_path):
    _whole_file(tmp_path, _use_new_zipfile_serialization=False)
    state, notes = read_state_dict(tmp_path / "whole.pth")
    assert torch.equal(state["stage2.weight"], STATE["stage2.weight"])
    assert notes == []


def test_hash_is_the_head_of_sha256(tmp_path):
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "file").write_bytes(content)
    assert weights_hash(tmp_path / "file") == hashlib.sha256(content).hexdigest()[:12]
