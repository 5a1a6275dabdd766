"""Weights come out of files full of foreign objects, and nothing of these runs."""

import collections
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from dcpose.weights.inert_pickle import LEGACY_MAGIC, Inert, read_inertly


class HistoryBuffer:
    """Pickled like the log of a training checkpoint: an array, and functions found by getattr."""

    def __init__(self):
        self._history = np.arange(3.0)
        self._statistics = {"mean": HistoryBuffer.mean}

    def __setstate__(self, state):
        raise AssertionError("a foreign object was built")

    def mean(self):
        raise AssertionError("a foreign object was called")


class Outer:
    class Inner:
        """A nested class is pickled with getattr, then made by the result of that."""


class _Runs:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def _tensors():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "plain": base.view(4, 6),
        "shared": base[6:12],
        "transposed": base.view(4, 6).T,
        "scalar": torch.tensor(1000),
        "empty": torch.zeros(0, 3),
        "half": torch.tensor([1.5, -2.0]).half(),
        "bfloat16": torch.tensor([1.5, -2.0]).bfloat16(),
        "double": torch.tensor([1.5]).double(),
        "bool": torch.tensor([True, False]),
        "int8": torch.tensor([-3], dtype=torch.int8),
        "parameter": nn.Parameter(torch.ones(2, 2)),
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_bit_equal_beside_foreign_objects(zipped, protocol, tmp_path):
    state = collections.OrderedDict(_tensors())
    state._metadata = {"": {"version": 1}}  # what Module.state_dict() adds
    content = {
        "meta": {"dataset": np.arange(3), "epoch": 3, "log": HistoryBuffer(), "x": Outer.Inner()},
        "message_hub": {HistoryBuffer(): collections.Counter("abb"), "set": {1, Outer.Inner()}},
        "state_dict": state,
    }
    torch.save(
        content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped, pickle_protocol=protocol
    )
    read, replaced = read_inertly(tmp_path / "a.pth")
    assert read["state_dict"].keys() == state.keys()
    for name, tensor in read["state_dict"].items():
        assert torch.equal(tensor, state[name])
        assert tensor.dtype == state[name].dtype
    assert read["meta"]["epoch"] == 3
    assert read["meta"]["dataset"] is Inert
    assert any(name.endswith("HistoryBuffer") for name in replaced)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "function",
    [os.system, os.mkdir, exec, eval, open, __import__, pickle.loads, torch.load, torch.hub.load],
    ids=lambda function: function.__name__,
)
def test_no_function_of_a_file_is_called(function, zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = [_Runs(function, "touch ran; import os; os.mkdir('ran')"), _Runs(os.mkdir, "ran")]
    content = {"w": torch.ones(2), "hostile": hostile, "nested": {"list": [hostile]}}
    torch.save(content, "a.pth", _use_new_zipfile_serialization=zipped)
    before = set(os.listdir())
    read, replaced = read_inertly(tmp_path / "a.pth")
    assert torch.equal(read["w"], torch.ones(2))
    assert read["hostile"] == [Inert, Inert]
    assert replaced
    assert set(os.listdir()) == before


def _zip_of(tmp_path, program, **storages):
    """File in the zip format whose content is a hand-written pickle program."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", program)
        for key, data in storages.items():
            archive.writestr(f"a/data/{key}", data)
    return tmp_path / "a.pth"


STORAGE = b"(Vstorage\nctorch\nFloatStorage\nVk\nVcpu\nI%d\ntQ"


def _tensor_program(elements, size, stride, offset=0):
    return b"ctorch._utils\n_rebuild_tensor_v2\n(%bI%d\n(I%d\nt(I%d\ntI00\nNtR." % (
        STORAGE % elements, offset, size, stride,
    )  # fmt: skip


def test_hand_written_tensor_is_read(tmp_path):
    data = np.arange(4, dtype="<f4").tobytes()
    read, _ = read_inertly(_zip_of(tmp_path, _tensor_program(4, 2, 2, offset=1), k=data))
    assert torch.equal(read, torch.tensor([1.0, 3.0]))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (_tensor_program(4, 3, 2), "out of bounds"),
        (_tensor_program(4, 4, 1, offset=1), "out of bounds"),
        (_tensor_program(4, 4, -1), "egative"),
        (_tensor_program(10**15, 2, 1), "larger than the file"),
        (_tensor_program(-4, 1, 1), "larger than the file"),
        (_tensor_program(5, 2, 1), "has 16 of its 20 bytes"),
    ],
)
def test_tensors_outside_their_data_are_refused(program, message, tmp_path):
    with pytest.raises(ValueError, match=rf"a.pth cannot be read: .*{message}"):
        read_inertly(_zip_of(tmp_path, program, k=bytes(16)))


def test_absent_data_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.pth cannot be read: KeyError"):
        read_inertly(_zip_of(tmp_path, _tensor_program(4, 4, 1), other=bytes(16)))
    legacy = b"".join(
        pickle.dumps(part, protocol=2) for part in (LEGACY_MAGIC, 1001, {"little_endian": True})
    )
    (tmp_path / "b.pth").write_bytes(legacy + _tensor_program(4, 4, 1) + pickle.dumps([]))
    with pytest.raises(ValueError, match="storage 'k' has no data"):
        read_inertly(tmp_path / "b.pth")


@pytest.mark.parametrize(
    "target",
    [
        b"cos\nsystem\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch\nFloatStorage\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
    ],
)
@pytest.mark.parametrize(
    "state", [b"(dVcode\nI1\ns", b"N(dVcode\nI1\ns\x86"], ids=["dict", "slots"]
)
def test_a_file_cannot_change_what_reads_it(target, state, tmp_path):
    """BUILD with a dict, or a pair of None and a dict, sets attributes where it can."""
    try:
        read_inertly(_zip_of(tmp_path, target + state + b"b."))
    except ValueError as error:
        assert "cannot be read" in str(error)  # noqa: PT017 - either outcome is fine
    assert not hasattr(Inert, "code")
    assert not hasattr(torch.float32, "code")
    read, _ = read_inertly(_zip_of(tmp_path, b"ccollections\nOrderedDict\n)R."))
    assert not hasattr(type(read), "code")
    assert not hasattr(os.system, "code")


def test_big_endian_files_are_refused(tmp_path):
    file = _zip_of(tmp_path, b"N.")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("a/byteorder", "big")
    with pytest.raises(ValueError, match="its numbers are big-endian"):
        read_inertly(file)
    head = [LEGACY_MAGIC, 1001, {"little_endian": False}]
    file.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in head))
    with pytest.raises(ValueError, match="its numbers are big-endian"):
        read_inertly(file)


def test_other_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(ValueError, match=r"expected one data.pkl inside, found 0"):
        read_inertly(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(ValueError, match=r"not written by torch\.save"):
        read_inertly(tmp_path / "b.pth")
