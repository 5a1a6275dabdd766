"""What may change between a run and its continuation.

A continued run gives what it would have given uninterrupted. So the network, the training data,
the batches and the optimizer stay. A setting may change if it only says where files lie, how fast
or how often something is done, or how validation measures.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from dcpose.engine.run.checkpoint import CheckpointError

MAY_CHANGE = (
    "experiment",
    "data.root",
    "data.train_images",
    "data.val_*",
    "data.test_*",
    "data.min_box_score",
    "data.workers",
    "model.backbone.weights",  # in the checkpoint by now
    "model.pcn.deform_conv",
    "train.epochs",
    "train.precision",  # after a loss that is not finite, or on another device
    "train.validate_every",
    "train.log_every",
    "train.loggers",
    "train.save_every",
    "train.timeout_s",
    "train.nonfinite_limit",
    "test.*",
)
"""Dotted config keys, `*` for any rest."""


def check_changes(saved: Mapping[str, Any], current: Mapping[str, Any], origin: str) -> list[str]:
    """Return a line `key: saved -> current` for each value that changed.

    A key that one of the two lacks is reported, not refused: another version of the program wrote
    the file.

    Args:
        saved: config of the checkpoint, as a plain dict.
        current: config of the run.
        origin: file that messages name.

    Raises:
        CheckpointError: if a key changed that may not.
    """
    lines = config_differences(saved, current)
    both = flat_config(saved).keys() & flat_config(current).keys()
    changeable = [key for key in lines if any(fnmatchcase(key, may) for may in MAY_CHANGE)]
    refused = [lines[key] for key in lines if key in both and key not in changeable]
    if refused:
        raise CheckpointError(
            f"{origin}: with another {'; '.join(refused)} it would be another run; continue with "
            f"the values that it began with, or start a new one from its weights with --weights"
        )
    return list(lines.values())


def flat_config(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= flat_config(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def config_differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Return `key: saved -> current` for each dotted key whose value differs, in order of keys."""
    before, now, absent = flat_config(saved), flat_config(current), "(absent)"
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return {key: f"{key}: {before.get(key, absent)} -> {now.get(key, absent)}" for key in keys}
