"""Read PyTorch files that hold more than weights, without running anything of them.

Training checkpoints of other projects keep logs, arrays and settings of their own classes next to
the weights. Here only what makes up a tensor is built, by functions of this file; every other
class or function that a file names becomes one inert placeholder. Nothing is imported or called.

Stub classes in `torch.serialization.safe_globals` do less: torch still refuses the logs of mmengine
(objects made by what `getattr` returned), pickles of protocol 4 and 5, every file that names a
function of `os`, and all files of the legacy format that need a stub.

Two formats of `torch.save`, both little-endian:

    zip      <name>/data.pkl, and the bytes of storage `key` in <name>/data/<key>
    legacy   five pickles (magic number, version, system, content, keys), then for every key the
             number of elements (int64) and the bytes
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Anything(type):
    """Makes a class take whatever an unpickler does to it, and stay as it is."""

    def __call__(cls, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - itself
        return cls

    def __setitem__(cls, key: object, value: object) -> None:
        pass

    def __setstate__(cls, state: object) -> None:
        pass

    def append(cls, item: object) -> None:
        pass

    extend = add = append


class Inert(metaclass=_Anything):
    """Stands for all classes, functions and objects that are not read."""

    def __new__(cls, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - itself
        """Return the class, whatever an unpickler gives."""
        return cls


class _PlainDict(dict[Any, Any]):
    """An OrderedDict without the attributes that a file may want to set on it."""

    def __setstate__(self, state: object = None) -> None:
        pass


def read_inertly(path: Path) -> tuple[Any, list[str]]:
    """Read a file of `torch.save`, either format.

    Returns:
        The content, with `Inert` where it holds anything but tensors, plain containers, numbers
        and text; and the sorted names of what was replaced.

    Raises:
        ValueError: if the file is neither format, damaged, or announces more data than it has.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as file:
            return _read_legacy(file, path.stat().st_size)
    except Exception as error:  # a damaged pickle makes the unpickler raise nearly anything
        raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


_UnpicklerInPython: Any = pickle._Unpickler  # its methods are missing in the stubs


class _Unpickler(_UnpicklerInPython):  # type: ignore[misc]  # it is Any
    """Builds tensors on storages that are filled later, and nothing else that needs a class.

    It is Python's own unpickler, because the one in C allocates what a few bytes announce: a memo
    with 2^31 places, or a byte array of any size.

    Args:
        file: where a pickle begins.
        max_bytes: size of the whole file; its storages together cannot be larger.
    """

    def __init__(self, file: BinaryIO | Any, max_bytes: int) -> None:  # noqa: ANN401 - zip member
        super().__init__(file, encoding="utf-8")
        self.max_bytes = self.bytes_left = max_bytes
        self.storages: dict[str, Tensor] = {}
        self.replaced: set[str] = set()

    def load_bytearray8(self) -> None:
        """Read a byte array, unless it claims to be larger than the file."""
        length = int.from_bytes(self.read(8), "little")
        if length > self.max_bytes:
            raise ValueError(f"a byte array of {length} bytes is larger than the file")
        self.append(bytearray(self.read(length)))

    dispatch: ClassVar = {**_UnpicklerInPython.dispatch, pickle.BYTEARRAY8[0]: load_bytearray8}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - see the class
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return _PlainDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return self._rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return self._rebuild_parameter
        self.replaced.add(f"{module}.{name}")
        return Inert

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401 - given by the file
        """Return the storage that ("storage", dtype, key, device, elements[, view]) names."""
        if pid[0] != "storage" or not isinstance(pid[1], torch.dtype):
            return Inert  # a module, or a storage of a kind that no weights have
        _, dtype, key, _, num_elements, *view = pid
        if key not in self.storages:
            self.bytes_left -= num_elements * dtype.itemsize
            if num_elements < 0 or self.bytes_left < 0:
                raise ValueError(f"storage {key!r} is larger than the file")
            self.storages[key] = torch.zeros(num_elements, dtype=dtype)
        storage = self.storages[key]
        if view and view[0] is not None:
            _, start, size = view[0]
            return storage[start : start + size]
        return storage

    def _rebuild_tensor(self, storage: object, *view: Any) -> Any:  # noqa: ANN401 - from the file
        if not isinstance(storage, Tensor):
            return Inert
        offset, size, stride = view[:3]  # what follows concerns gradients
        return torch.as_strided(storage, size, stride, offset)

    def _rebuild_parameter(self, data: Any, *rest: object) -> Any:  # noqa: ANN401 - a tensor
        return data


def _read_zip(path: Path) -> tuple[Any, list[str]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"expected one data.pkl inside, found {len(pickles)}")
        folder = pickles[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in names and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        with archive.open(pickles[0]) as file:
            unpickler = _Unpickler(file, path.stat().st_size)
            content = unpickler.load()
        for key, storage in unpickler.storages.items():
            with archive.open(f"{folder}data/{key}") as file:
                _fill(storage, file, key)
    return content, sorted(unpickler.replaced)


def _read_legacy(file: BinaryIO, size: int) -> tuple[Any, list[str]]:
    if _Unpickler(file, size).load() != LEGACY_MAGIC:
        raise ValueError("not written by torch.save")
    _Unpickler(file, size).load()  # version of the format, 1001 since PyTorch 0.1
    if not _Unpickler(file, size).load().get("little_endian", True):
        raise ValueError("its numbers are big-endian")
    unpickler = _Unpickler(file, size)
    content = unpickler.load()
    keys = _Unpickler(file, size).load()
    if absent := unpickler.storages.keys() - set(keys):
        raise ValueError(f"storage {min(absent)!r} has no data")
    for key in keys:
        num_elements = int.from_bytes(file.read(8), "little")
        storage = unpickler.storages[key]
        if num_elements != storage.numel():
            raise ValueError(f"storage {key!r} is announced with another size than it has")
        _fill(storage, file, key)
    return content, sorted(unpickler.replaced)


def _fill(storage: Tensor, file: Any, key: str) -> None:  # noqa: ANN401 - file or zip member
    data = storage.view(torch.uint8).numpy().data
    found = file.readinto(data) if len(data) else 0
    if found != len(data):
        raise ValueError(f"storage {key!r} has {found} of its {len(data)} bytes")
