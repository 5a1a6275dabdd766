"""Seeding, and the state of the global random generators in a form that pickles safely."""

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every CUDA device included)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def capture_rng() -> dict[str, Any]:
    """Return the state of the global generators as tensors and plain values.

    NumPy arrays and nested tuples become int64 tensors, which `torch.load(weights_only=True)`
    accepts. The CUDA entry is the state of the current device, None without CUDA.
    """
    _, numpy_keys, numpy_position, has_gauss, cached_gaussian = np.random.get_state(legacy=True)
    version, python_keys, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": {
            "keys": torch.from_numpy(np.asarray(numpy_keys, dtype=np.int64)),
            "position": int(numpy_position),
            "has_gauss": int(has_gauss),
            "cached_gaussian": float(cached_gaussian),
        },
        "python": {
            "version": version,
            "keys": torch.tensor(python_keys, dtype=torch.int64),
            "gauss_next": gauss_next,
        },
    }


def restore_rng(state: dict[str, Any]) -> None:
    """Put the global generators into a state that `capture_rng` returned.

    The CUDA state is skipped where either side has no CUDA: a run may move to another machine.
    """
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    numpy_state, python_state = state["numpy"], state["python"]
    np.random.set_state(
        (
            "MT19937",
            numpy_state["keys"].numpy().astype(np.uint32),
            numpy_state["position"],
            numpy_state["has_gauss"],
            numpy_state["cached_gaussian"],
        )
    )
    keys = tuple(python_state["keys"].tolist())
    random.setstate((python_state["version"], keys, python_state["gauss_next"]))
