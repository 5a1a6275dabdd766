"""The config that goes with a file of weights, where the user names none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcpose.config.layers import Layer, read_overrides
from dcpose.config.loading import parse_config
from dcpose.config.schema import Config
from dcpose.engine.run.checkpoint import CheckpointError, load_checkpoint
from dcpose.weights.inspection import inspect_weights


def config_of_weights(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the config of our own checkpoint, or what the names and shapes of other weights tell.

    Of weights that are no checkpoint only the network is known; crop size and all else are those
    of the paper unless overridden.

    Args:
        path: file of weights.
        overrides: see `load_config`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read, or its layout is unknown.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    try:
        values = load_checkpoint(path)["config"]
    except CheckpointError:
        values = _config_of_network(path, inspect_weights(path).config)
    return parse_config([Layer(str(path), values), read_overrides(overrides)])


def config_of_card(path: Path, overrides: Sequence[str] = ()) -> tuple[Config, Path]:
    """Return the config of a card that `scripts/convert_weights.py` wrote, and its weights file.

    Raises:
        ValueError: if the file is no card.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        network, weights = card["config"], path.with_name(card["file"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not a card of converted weights ({error}); give the file that "
            "scripts/convert_weights.py wrote beside them, or a config"
        ) from None
    layer = Layer(str(path), _config_of_network(path, network))
    return parse_config([layer, read_overrides(overrides)]), weights


def _config_of_network(path: Path, network: dict[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into the sections of a config."""
    values: dict[str, Any] = {"experiment": "inference", "data": {"root": "."}}
    for key, value in network.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return values
