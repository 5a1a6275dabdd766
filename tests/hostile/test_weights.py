"""Files of weights that lie or would run code: refused, or read without running anything."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from dcpose.build.weights import inspect_weights
from dcpose.weights.reading import read_weights

STATE = {"stage2.weight": torch.arange(6.0).view(2, 3)}
TENSORS = save(STATE)


def saved(content=STATE, zipped=True):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def zip_of(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def program(code):
    """A file in the zip format whose content is a hand-written pickle."""
    return zip_of([("a/data.pkl", code), ("a/version", b"3\n"), ("a/data/0", bytes(24))])


def tensors_of(header, data=bytes(24), length=None):
    """A safetensors file with any header."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(shape=(2, 3), offsets=(0, 24), dtype="F32"):
    return {"stage2.weight": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


def big(change):
    """The zip file with other sizes in its directory."""
    data = bytearray(saved())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", data, at + change, 0xFFFF0000)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


PLAIN = zip_of([("a/data.pkl", b"N."), ("a/data/0", bytes(10_000))])


def overlapping():
    """A zip file whose entries share their bytes, as quine and overlap bombs do."""
    start, last = PLAIN.find(b"PK\x01\x02"), PLAIN.rfind(b"PK\x05\x06")
    directory, end = PLAIN[start:last], bytearray(PLAIN[last:])
    struct.pack_into("<HHI", end, 8, 100, 100, 50 * len(directory))
    return PLAIN[:start] + directory * 50 + bytes(end)


CODE = {
    "os.system": b"cos\nsystem\n(S'touch ran'\ntR.",
    "posix.system": b"cposix\nsystem\n(S'touch ran'\ntR.",
    "subprocess": b"csubprocess\ncheck_call\n((lS'touch'\naS'ran'\natR.",
    "eval": b'cbuiltins\neval\n(S\'open("ran", "w")\'\ntR.',
    "exec": b'cbuiltins\nexec\n(S\'open("ran", "w")\'\ntR.',
    "open": b"cbuiltins\nopen\n(S'ran'\nS'w'\ntR.",
    "getattr of a module": b"cbuiltins\ngetattr\n(cos\nS'mkdir'\ntR(S'ran'\ntR.",
    "an instance": b"(S'touch ran'\nios\nsystem\n.",
    "an object with arguments": b"cos\nmkdir\n(S'ran'\nt\x81.",
    "a global from the stack": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x03ran\x85R.",
    "an extension": b"\x80\x02\x82\x01.",
    "torch.load again": b"ctorch\nload\n(S'ran'\ntR.",
    "numpy's pickles": b"cnumpy\nload\n(S'ran'\nNI01\ntR.",
    "a module's attributes": b"cos\nenviron\n(S'ran'\nS'1'\nu.",
    "state of a class": b"ctorch.nn\nModule\n(dS'ran'\nI1\nsb.",
}

REFUSED = {
    **{f"code: {name}": (program(code), "is truncated or no weights file|holds a|holds no weights")
       for name, code in CODE.items()},
    **{f"code, plain: {name}": (code, "no weights file") for name, code in CODE.items()},
    "a memo with 2^31 places": (program(b"Nr\xff\xff\xff\x7f."), "no weights file|holds a"),
    "a byte array of 2^62 bytes": (program(b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"."),
                                   "no weights file"),
    "a text of 2^62 bytes": (program(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"."),
                             "no weights file"),
    "bytes of 2^31": (program(b"\x80\x03B\xff\xff\xff\x7f."), "no weights file"),
    "a number of 2^31 bytes": (program(b"\x80\x02\x8b\xff\xff\xff\x7f."), "no weights file"),
    "lists 100,000 deep": (program(b"(l" * 100_000 + b"a" * 99_999 + b"."), "holds a list"),
    "no end": (program(b"}"), "no weights file"),
    "an empty stack": (program(b"0."), "no weights file"),
    "a frame of 2^60 bytes": (program(b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N."),
                              "no weights file|holds a"),
    "protocol 99": (program(b"\x80\x63N."), "holds a NoneType"),
    "compressed": (zip_of([("a/data.pkl", b"N."), ("a/data/0", bytes(10**6))],
                          zipfile.ZIP_DEFLATED), "holds compressed data"),
    "sizes of 4 GB": (big(24), "holds more data than it has bytes"),
    "entries that share bytes": (overlapping(), "holds more data than it has bytes"),
    "an entry above": (zip_of([("../data.pkl", b"N.")]), "no weights file|holds a"),
    "an absolute entry": (zip_of([("/ran/data.pkl", b"N.")]), "no weights file|holds a"),
    "two contents": (zip_of([("a/data.pkl", b"N."), ("b/data.pkl", b"N.")]),
                     "no weights file|holds a"),
    "no content": (zip_of([("letter.txt", b"hello")]), "no weights file"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), "no weights file"),
    "a zip of several disks": (PLAIN[:-18] + b"\1\0\2\0" + PLAIN[-14:], "is truncated"),
    "a whole network": (saved(torch.nn.Linear(2, 2)), "no weights file|holds"),
    "text among the weights": (saved({**STATE, "a": "b"}), "'a' is no name of a tensor"),
    "a prefix that makes two of one": (saved({"module.a": STATE["stage2.weight"],
                                              "a": STATE["stage2.weight"]}), "holds 'a' twice"),
    "a name with line breaks": (saved({"a\nb": 3}), "is no name of a tensor"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(100), "no weights file"),
    "zeros": (bytes(1000), "no weights file"),
}  # fmt: skip
REFUSED_TENSORS = {
    "a header of 2^63 bytes": tensors_of({}, length=2**63),
    "a header of 2^40 bytes": tensors_of(entry(), length=2**40),
    "a header longer than the file": tensors_of(entry(), length=500),
    "no JSON": tensors_of(b"{nonsense}"),
    "nested 100,000 deep": tensors_of(b'{"a":' + b"[" * 100_000),
    "a list": tensors_of(b"[1, 2]"),
    "data beyond the file": tensors_of(entry(offsets=(0, 10**12))),
    "data before the start": tensors_of(entry(offsets=(-8, 16))),
    "ends before it starts": tensors_of(entry(offsets=(24, 0))),
    "a shape larger than its data": tensors_of(entry(shape=(10**9, 10**9))),
    "a shape beyond 64 bits": tensors_of(entry(shape=(2**40, 2**40))),
    "a negative shape": tensors_of(entry(shape=(-2, -3))),
    "a shape of fractions": tensors_of(b'{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}'),
    "NaN as shape": tensors_of(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    "an unknown kind of number": tensors_of(entry(dtype="F99")),
    "overlapping tensors": tensors_of({**entry(), "b": entry()["stage2.weight"]}),
    "a hole": tensors_of({"b": {"dtype": "F32", "shape": [1], "data_offsets": [20, 24]}}),
    "no entries": tensors_of({}, b""),
    "metadata alone": tensors_of({"__metadata__": {"a": "b"}}, b""),
    "metadata of numbers": tensors_of({"__metadata__": {"a": 1}, **entry()}),
    "a pickle by this name": saved(),
    "half": TENSORS[: len(TENSORS) // 2],
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(told, path, content, found):
    path.write_bytes(content)
    told(lambda: read_weights(path), path, found)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, told, tmp_path):
    check(told, tmp_path / "a.pth", *REFUSED[name])


@pytest.mark.parametrize("name", REFUSED_TENSORS)
def test_refused_safetensors(name, told, tmp_path):
    found = "readable safetensors|truncated|announces a header|no weights"
    check(told, tmp_path / "a.safetensors", REFUSED_TENSORS[name], found)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_view_larger_than_its_data_is_refused(zipped, told, tmp_path):
    content = saved({"w": torch.zeros(4), "log": np.zeros(1)}, zipped)
    lie = content.replace(b"K\x04\x85", b"K\xff\x85")  # its shape, (4,)
    assert lie != content
    check(told, tmp_path / "a.pth", lie, "no weights file")


def test_shapes_beyond_memory_are_inspected_without_it(told, tmp_path):
    one = torch.zeros(1).expand(2**40, 3, 3, 3)  # no data of its own
    path = tmp_path / "a.pth"
    torch.save({"conv1.weight": one, "stage2.0.branches.0.0.conv1.weight": one}, path)
    told(lambda: inspect_weights(path), path, "its shapes are those of no network")


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        read_weights(tmp_path)


def test_files_that_hold_nothing_odd_are_read(tmp_path):
    for name, content in (("ä ö.pth", saved()), ("b.pth", saved(zipped=False)),
                          ("c.safetensors", TENSORS)):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert torch.equal(
            read_weights(tmp_path / name).state["stage2.weight"], STATE["stage2.weight"]
        )
