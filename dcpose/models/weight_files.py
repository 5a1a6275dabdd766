"""Read files of weights without running what they contain."""

import hashlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

CONTAINER_KEYS = ("model", "state_dict")
"""Where checkpoints keep their weights: ours, the official training code's. Else at top level."""

STRAY_PREFIXES = ("module.", "_orig_mod.")
"""Left in names by DataParallel and by torch.compile."""

HASH_DIGITS = 12


def read_state_dict(path: str | Path) -> tuple[dict[str, Tensor], list[str]]:
    """Read names and tensors of a PyTorch or safetensors file, onto the CPU.

    Only tensors and plain containers are unpickled; code in a file is refused, not run.

    Args:
        path: a `.safetensors` file, or what `torch.save` wrote: a state dict, or a dict that
            holds one under "model" or "state_dict".

    Returns:
        The state dict without stray prefixes of the names, and notes of what was removed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read, holds anything but weights, or two of its names
            differ in a stray prefix alone.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; download or save it again")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return _strip_prefixes(_state_dict_of(content, path), path)


def weights_hash(path: str | Path) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:HASH_DIGITS]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no readable safetensors file ({error}); download or save it again"
        ) from error


def _read_torch(path: Path) -> Any:  # noqa: ANN401 - whatever somebody saved
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler raise nearly anything
        unsafe = re.search(r"Unsupported (?:global: GLOBAL|class) (\S+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and unsafe:
            raise ValueError(
                f"{path} holds more than weights ({unsafe[1]}), refused because reading it could "
                "run code; where it was made, save model.state_dict() alone with torch.save"
            ) from error
        raise ValueError(
            f"{path} is truncated or no weights file ({type(error).__name__} while reading it); "
            "expected what torch.save or safetensors writes: download or save it again"
        ) from error


def _state_dict_of(content: Any, path: Path) -> Mapping[str, Tensor]:  # noqa: ANN401 - as read
    state = content
    if isinstance(content, Mapping):
        state = next((content[key] for key in CONTAINER_KEYS if key in content), content)
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
