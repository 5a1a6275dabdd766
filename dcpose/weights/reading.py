"""Read files of weights without running what they contain."""

import hashlib
import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from dcpose.files.reading import named_path
from dcpose.weights.inert_pickle import read_inertly

CONTAINER_KEYS = ("model", "state_dict", "model_state_dict")
"""Keys under which our checkpoints, those of the official training code and of TAR-ViTPose keep
weights."""

STRAY_PREFIXES = ("module.", "_orig_mod.")
"""DataParallel and torch.compile leave these in names."""

OWN_FORMAT = "dcpose-checkpoint-"
"""What the format of our checkpoints begins with (`engine.run.checkpoint`)."""

HASH_DIGITS = 12

MAX_LISTED = 3
"""Names that a note lists."""

MAX_SAFETENSORS_HEADER = 100_000_000
"""Bytes; the limit of the format."""

_HASH_IN_NAME = re.compile(r"-(?!20\d{6}[._])([0-9a-f]{8,64})(?=[._]|$)")
"""A hash at the end of a name; digits that read like a date of this century are none."""


@dataclass(frozen=True)
class WeightsFile:
    """What a file holds.

    Attributes:
        state: names and tensors, on the CPU, without stray prefixes of the names.
        notes: what was removed or not read, in words.
        metadata: text that a safetensors file carries; empty for other files.
        config: of the training that wrote it, where it is a checkpoint of ours.
    """

    state: dict[str, Tensor]
    notes: list[str]
    metadata: Mapping[str, str]
    config: dict[str, Any] | None = None


def read_weights(path: str | Path) -> WeightsFile:
    """Read names and tensors of a PyTorch or safetensors file, onto the CPU.

    Only tensors and plain containers are unpickled. Inert placeholders replace everything else
    (logs, arrays, objects, code), and a note says so; see `inert_pickle`.

    Args:
        path: a `.safetensors` file, or what `torch.save` wrote: a state dict, or a dict that
            holds one under "model" or "state_dict".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, cannot be read or holds no weights, or two of its
            names differ in a stray prefix alone.
    """
    path = named_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    check_whole(path)
    metadata: Mapping[str, str] = {}
    notes: list[str] = []
    if path.suffix == ".safetensors":
        content, metadata = _read_safetensors(path)
    else:
        content, notes = _read_torch(path)
    state, stripped = _strip_prefixes(_state_dict_of(content, path), path)
    return WeightsFile(state, notes + stripped, metadata, _config_in(content, path))


def weights_hash(path: str | Path) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a file."""
    return sha256_of(path)[:HASH_DIGITS]


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with named_path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_hash(path: str | Path, expected: str | None = None) -> str:
    """Return the SHA-256 of a file, compared with what is known about it.

    Args:
        path: the file.
        expected: the SHA-256 or its beginning. None takes the digits in the file's name, which
            torchvision, mmpose and the HRNet authors put there (`resnet50-0676ba61.pth`); a name
            without digits is not compared.

    Raises:
        ValueError: if the file is another one, or damaged.
    """
    path = named_path(path)
    found = sha256_of(path)
    known, origin = hash_in_name(path), "its name"
    if expected is not None:
        known, origin = expected.lower(), "--sha256"
    if known is None:
        return found
    if not known or not found.startswith(known):
        raise ValueError(
            f"{path} has SHA-256 {found}, expected {known}... ({origin}): it is damaged or another "
            f"file; download it again, or accept it with --sha256 {found}"
        )
    return found


def hash_in_name(path: Path) -> str | None:
    """Return the first digits of the SHA-256 that a name like `resnet50-0676ba61.pth` carries."""
    match = _HASH_IN_NAME.search(path.name)
    return None if match is None else match[1]


def check_whole(path: Path) -> None:
    """Check the head and the size of a file.

    Raises:
        ValueError: if it is empty, a web page, or a zip file without its end.
    """
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        raise ValueError(f"{path} is empty; download or save it again")
    if head[:1] == b"<":
        raise ValueError(
            f"{path} is a web page, no weights file: the link is dead or wants a confirmation in "
            "a browser; download or save it again"
        )
    if head.startswith(b"PK\x03\x04"):
        _check_zip(path)


def _check_zip(path: Path) -> None:
    """Compare the directory with the size: torch.save compresses nothing.

    A zip file of a few kilobytes can stand for terabytes: compressed, or by entries that share
    their bytes.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # of a damaged directory zipfile raises nearly anything
        raise ValueError(
            f"{path} is truncated: its directory, which comes last, is not within the "
            f"{size} bytes here; download or save it again"
        ) from error
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > size:
        what = "compressed data" if packed else "more data than it has bytes"
        raise ValueError(
            f"{path} holds {what}, which torch.save never writes; download or save it again"
        )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    _check_safetensors_size(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no readable safetensors file ({error}); download or save it again"
        ) from error


def _check_safetensors_size(path: Path) -> None:
    """Compare the size with the header: 8 bytes with its length, JSON with ranges, then data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        head = file.read(min(length, MAX_SAFETENSORS_HEADER))
    if not head.startswith(b"{"):
        return  # no safetensors file at all: the library says so
    if length > MAX_SAFETENSORS_HEADER:
        raise ValueError(
            f"{path} announces a header of {length} bytes, at most {MAX_SAFETENSORS_HEADER} are "
            "read; download or save it again"
        )
    if len(head) < length:
        raise ValueError(
            f"{path} is truncated: its header has {length} bytes, {len(head)} are here; download "
            "or save it again"
        )
    try:
        header = json.loads(head)
        ends = {k: v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"}
        cut = [name for name, end in ends.items() if 8 + length + end > size]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return
    if cut:
        more = f" and {len(cut) - 1} more tensors" if len(cut) > 1 else ""
        raise ValueError(
            f"{path} is truncated: {8 + length + max(ends.values())} bytes are announced, {size} "
            f"are here, so that the data of {cut[0]}{more} is cut; download or save it again"
        )


def _read_torch(path: Path) -> tuple[Any, list[str]]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True), []
    except Exception as error:  # a damaged file makes the unpickler raise nearly anything
        reason: Exception = error
    if isinstance(reason, pickle.UnpicklingError):  # perhaps the weights alone can be read
        try:
            content, replaced = read_inertly(path)
        except ValueError as error:
            reason = error.__cause__ if isinstance(error.__cause__, Exception) else error
        else:
            names = ", ".join(ascii(name)[1:-1] for name in replaced[:MAX_LISTED])
            more = f" and {len(replaced) - MAX_LISTED} more" if len(replaced) > MAX_LISTED else ""
            return content, [f"other content not read, and not run: {names}{more}"]
    raise ValueError(
        f"{path} is truncated or no weights file ({type(reason).__name__} while reading it); "
        "expected what torch.save or safetensors writes: download or save it again"
    ) from reason


def _state_dict_of(content: Any, path: Path) -> Mapping[str, Tensor]:  # noqa: ANN401 - as read
    state = content
    if isinstance(content, Mapping):
        inside = [content[key] for key in CONTAINER_KEYS if key in content]
        # the official HRNet code stores the name of the network under "model"
        state = next((value for value in inside if isinstance(value, Mapping)), None)
        state = (inside[0] if inside else content) if state is None else state
    if not isinstance(state, Mapping):
        raise ValueError(
            f"{path} holds a {type(state).__name__}, expected names and tensors, at top level or "
            f"under {' or '.join(map(repr, CONTAINER_KEYS))}"
        )
    strange = [
        name
        for name, value in state.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if strange or not state:
        what = f"{strange[0]!r} is no name of a tensor" if strange else "there are no entries"
        raise ValueError(
            f"{path} holds no weights: {what}; expected names and tensors, at top level or under "
            f"{' or '.join(map(repr, CONTAINER_KEYS))}"
        )
    return state


def _config_in(content: Any, path: Path) -> dict[str, Any] | None:  # noqa: ANN401 - as read
    """Return the config of a checkpoint of ours, whose checksums hold; None for other files."""
    own = isinstance(content, Mapping) and str(content.get("format", "")).startswith(OWN_FORMAT)
    if not own or not isinstance(content.get("config"), dict):
        return None
    try:
        check_sums(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged: {error}; take another checkpoint") from None
    return dict(content["config"])


def check_sums(path: Path) -> None:
    """Compare the checksums of a file's parts, at which `torch.load` does not look.

    Raises:
        zipfile.BadZipFile: if one is wrong.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def _strip_prefixes(state: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], list[str]]:
    stripped: dict[str, Tensor] = {}
    notes = dict.fromkeys(STRAY_PREFIXES, 0)
    for name, tensor in state.items():
        bare = name
        while prefix := next((p for p in STRAY_PREFIXES if bare.startswith(p)), None):
            bare = bare.removeprefix(prefix)
            notes[prefix] += 1
        if bare in stripped:
            raise ValueError(f"{path} holds {bare!r} twice, with and without a stray prefix")
        stripped[bare] = tensor
    return stripped, [f"prefix {p!r} removed from {n} names" for p, n in notes.items() if n]
