"""Checkpoint files: the whole state of a training run in one file.

Content (a dict that `torch.load(weights_only=True)` reads):
    format      `FORMAT`, which tells our files from others
    model       weights to use: the moving average where one is kept, else the trained weights
    ema         None, or {"trained": the weights the optimizer works on, "updates": steps averaged}
    optimizer   {"kind": class name, "state": state dict}
    scheduler, scaler   state dicts
    epoch, step         finished epochs and optimizer steps
    position    None between epochs, else {"batches": how many of the epoch each process has seen,
                "meters": the `EpochMeter.state` of each}
    best_ap     best validation so far (AP, AUC, PCK) in percent, None before the first
    skipped_steps       how many were skipped because a loss or gradient was not finite
    rng         one `randomness.capture_rng` state per process
    config      the resolved config as a plain dict
    versions    of python, torch and numpy
"""

import logging
import os
import pickle
import platform
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dcpose.files.writing import replacing
from dcpose.weights.reading import check_sums
from dcpose.weights.strict import differences

FORMAT = "dcpose-checkpoint-1"
MAX_LISTED = 5
"""Names of one kind that a message lists."""

_log = logging.getLogger(__name__)

_KEYS = (
    "model", "ema", "optimizer", "scheduler", "scaler", "epoch", "step", "position", "best_ap",
    "skipped_steps", "rng", "config", "versions",
)  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file, the finding and the way out."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is cut short, or its content is not what was written."""


def save_checkpoint(path: Path, state: Mapping[str, Any], previous: Path | None = None) -> None:
    """Write a checkpoint so that `path` always holds a whole file, the old one or the new one.

    Args:
        path: file to create or replace; its folder exists.
        state: content as in the head of this file; `format` and `versions` are added.
        previous: name that the replaced file keeps, in the same folder; None drops that file.

    Raises:
        WriteError: if the disk is full or the like; the old file is as it was.
    """
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
    content = {"format": FORMAT, "versions": versions, **state}
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch closes its archive after an error, and complains that it is incomplete
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.close()
        if previous is not None and path.exists():
            _link(path, previous)


def load_newest_checkpoint(path: Path, previous: Path) -> tuple[dict[str, Any], Path]:
    """Read the checkpoint `path`; if it is damaged, log that and read the one before.

    Returns:
        the content and the file that it is from.

    Raises:
        CheckpointError: as `load_checkpoint`, if neither can be used.
    """
    try:
        return load_checkpoint(path), path
    except DamagedCheckpointError as error:
        if not previous.exists():
            raise
        content = load_checkpoint(previous)
        _log.warning("%s; continuing from the one before, %s", error, previous)
        return content, previous


def restore_previous(path: Path, previous: Path) -> None:
    """Put the checkpoint before in the place of a damaged one."""
    _link(previous, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of ours onto the CPU; no code from the file is run.

    Raises:
        DamagedCheckpointError: if the file is cut short or damaged.
        CheckpointError: if the file is missing or of another kind.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; a run writes checkpoints/last.pt")
    try:
        check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it is empty"
        raise DamagedCheckpointError(
            f"{path}: not a readable checkpoint ({reason}); it is damaged or another kind of "
            f"file, take another one"
        ) from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: format is {found!r}, expected {FORMAT!r}: not a checkpoint of a training "
            f"run of this project; to start from its weights, pass it as --weights"
        )
    # what older checkpoints, made between epochs alone, do not have
    content.setdefault("position", None)
    content.setdefault("skipped_steps", 0)
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise CheckpointError(f"{path}: checkpoint lacks {', '.join(missing)}; take another one")
    return content


def load_model_state(model: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load weights strictly; the model is unchanged if anything does not fit.

    Args:
        model: the bare network, not wrapped in DistributedDataParallel.
        state: its state dict.
        origin: file that messages name.

    Raises:
        CheckpointError: lists missing, unexpected and misshapen keys.
    """
    found = differences(state, model.state_dict())
    if any(found):
        raise CheckpointError(
            f"{origin}: weights of another architecture: {found.describe(MAX_LISTED)}; use the "
            f"config that the checkpoint was made with"
        )
    model.load_state_dict(dict(state))


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer and its kind, which torch does not record."""
    return {"kind": type(optimizer).__name__, "state": optimizer.state_dict()}


def load_optimizer_state(optimizer: Optimizer, saved: Mapping[str, Any], origin: str) -> None:
    """Load what `optimizer_state` returned.

    Raises:
        CheckpointError: if the optimizer is of another kind or over other parameters.
    """
    kind = type(optimizer).__name__
    if saved["kind"] != kind:
        raise CheckpointError(
            f"{origin}: optimizer is {saved['kind']}, expected {kind}; use the config that the "
            f"checkpoint was made with"
        )
    try:
        optimizer.load_state_dict(saved["state"])
    except ValueError as error:
        raise CheckpointError(
            f"{origin}: optimizer state is for other parameters ({error}); use the config that "
            f"the checkpoint was made with"
        ) from error


def _link(existing: Path, name: Path) -> None:
    """Give a file a further name in its folder, in place of the file that has it."""
    with replacing(name) as temporary:
        try:
            temporary.unlink(missing_ok=True)
            os.link(existing, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(existing, temporary)
