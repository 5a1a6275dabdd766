"""Files that hold something else than weights are refused in one line, and never run."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from dcpose.weights.reading import check_hash, read_weights, sha256_of, weights_hash

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
        read_weights(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_code_beside_the_weights_is_not_run_and_the_weights_arrive(zipped, tmp_path):
    file = tmp_path / "weights.pth"
    content = {"state_dict": STATE, "meta": _Payload(tmp_path / "ran")}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    weights = read_weights(file)
    assert torch.equal(weights.state["stage2.weight"], STATE["stage2.weight"])
    assert len(weights.notes) == 1
    assert weights.notes[0].startswith("other content not read, and not run: __builtin__.getattr, ")
    assert not (tmp_path / "ran").exists()


def test_code_among_the_weights_is_refused_and_not_run(tmp_path):
    torch.save({**STATE, "payload": _Payload(tmp_path / "ran")}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="holds no weights: 'payload' is no name of a tensor"):
        read_weights(tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


def test_weights_are_found_behind_the_name_of_the_network(tmp_path):
    torch.save({"model": "pose_hrnet", "state_dict": STATE, "perf": 0.7}, tmp_path / "weights.pth")
    assert read_weights(tmp_path / "weights.pth").state.keys() == STATE.keys()


def test_truncated_zip_file_is_told_from_other_damage(tmp_path):
    (tmp_path / "cut.pth").write_bytes(_whole_file(tmp_path)[:700])
    with pytest.raises(ValueError, match=r"cut.pth is truncated: .* within the 700 bytes here"):
        read_weights(tmp_path / "cut.pth")


def test_web_page_is_named(tmp_path):
    (tmp_path / "weights.pth").write_bytes(BROKEN["web page"](tmp_path))
    with pytest.raises(ValueError, match="is a web page, no weights file"):
        read_weights(tmp_path / "weights.pth")


def test_truncated_safetensors_name_what_is_cut(tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(10), "b": torch.zeros(10), "c": torch.zeros(10)}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-44])  # c and one number of b
    message = f"truncated: {len(whole)} bytes are announced, {len(whole) - 44} are here, so that "
    with pytest.raises(ValueError, match=f"{message}the data of b and 1 more tensors is cut"):
        read_weights(file)
    file.write_bytes(whole[:30])
    with pytest.raises(ValueError, match=r"truncated: its header has \d+ bytes, 22 are here"):
        read_weights(file)


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
        read_weights(tmp_path / "weights.pth")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file at .*nowhere.pth"):
        read_weights(tmp_path / "nowhere.pth")


def test_old_format_is_read(tmp_path):
    _whole_file(tmp_path, _use_new_zipfile_serialization=False)
    weights = read_weights(tmp_path / "whole.pth")
    assert torch.equal(weights.state["stage2.weight"], STATE["stage2.weight"])
    assert weights.notes == []


def test_hash_is_the_head_of_sha256(tmp_path):
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "file").write_bytes(content)
    assert weights_hash(tmp_path / "file") == hashlib.sha256(content).hexdigest()[:12]


CONTENT_HASH = hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        f"resnet50-{CONTENT_HASH[:8]}.pth",
        f"hrnet_w48_coco_256x192-{CONTENT_HASH[:8]}_20200708.pth",
        "run-20261120.pth",  # a date
        "best.pth",
    ],
)
def test_hash_in_the_name_is_compared(name, tmp_path):
    (tmp_path / name).write_bytes(b"content")
    assert check_hash(tmp_path / name) == CONTENT_HASH == sha256_of(tmp_path / name)


@pytest.mark.parametrize("name", ["resnet50-0676ba61.pth", "hrnet-b9e0b3ab_20200708.pth"])
def test_wrong_hash_names_the_way_out(name, tmp_path):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(
        ValueError, match=rf"has SHA-256 {CONTENT_HASH}, expected .*its name.*"
    ) as e:
        check_hash(tmp_path / name)
    assert f"accept it with --sha256 {CONTENT_HASH}" in str(e.value)
    assert check_hash(tmp_path / name, CONTENT_HASH.upper()) == CONTENT_HASH
    assert check_hash(tmp_path / name, CONTENT_HASH[:10]) == CONTENT_HASH


@pytest.mark.parametrize("expected", ["0" * 64, "", CONTENT_HASH + "0"])
def test_hash_that_was_given_must_be_right(expected, tmp_path):
    (tmp_path / "best.pth").write_bytes(b"content")
    with pytest.raises(ValueError, match=r"\(--sha256\): it is damaged or another file"):
        check_hash(tmp_path / "best.pth", expected)


def _small_files(folder):
    """The three kinds of files, each with a foreign object in it where it can hold one."""
    content = {"state_dict": STATE, "meta": _Payload(folder / "ran")}
    torch.save(content, folder / "zip.pth")
    torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file(STATE, folder / "a.safetensors")
    return sorted(folder.iterdir())


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.integers(0, 2), position=st.floats(0, 1, exclude_max=True), new=st.binary(max_size=6)
)
def test_any_damage_is_read_or_told_in_one_line(kind, position, new, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    file = _small_files(folder)[kind]
    content = file.read_bytes()
    start = int(position * len(content))
    # nothing new: the file ends here
    file.write_bytes(
        content[:start] + new + content[start + len(new) :] if new else content[:start]
    )
    try:
        assert read_weights(file).state
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017 - damage to the data cannot be seen
    assert not (folder / "ran").exists()
