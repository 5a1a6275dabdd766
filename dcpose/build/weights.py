"""The config that goes with a file of weights, and what in the file would not load."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpose.build.model import build_without_memory
from dcpose.config.layers import Layer, read_overrides
from dcpose.config.loading import load_config, parse_config
from dcpose.config.schema import Config
from dcpose.models.interface import TemporalModel
from dcpose.weights.hub import local_weights, zoo_entry
from dcpose.weights.loading import COUNTER, ReadWeights, check_fit, read_named_weights
from dcpose.weights.recognise import config_of, settings_of, unknown_of
from dcpose.weights.strict import WeightsMismatchError


@dataclass(frozen=True)
class Inspection:
    """A file of weights, compared with the network that its names and shapes tell.

    Attributes:
        weights: what was read.
        config: config keys and values of the network.
        notes: remarks, in words, those of the reading among them.
        problem: what would not load, in one line; None if everything is as it should be.
    """

    weights: ReadWeights
    config: dict[str, Any]
    notes: tuple[str, ...]
    problem: str | None

    @property
    def num_parameters(self) -> int:
        """Numbers that training changes: without BatchNorm's statistics and counters."""
        statistics = ("running_mean", "running_var", COUNTER)
        state = self.weights.named.state
        return sum(t.numel() for name, t in state.items() if not name.endswith(statistics))


def inspect_weights(path: str | Path) -> Inspection:
    """Read a file of any layout and account for each of its entries.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read, or its layout is unknown.
    """
    path = Path(path)
    weights = read_named_weights(path)
    named = weights.named
    settings = settings_of(named.state)
    config = config_of(settings)
    try:
        expected = network_of(config).state_dict()
    except (RuntimeError, ValueError) as error:  # sizes beyond 64 bits, channels that do not divide
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: its shapes are those of no network ({reason})") from error
    wanted = {name: t for name, t in expected.items() if not name.startswith(weights.without)}
    problem, notes = None, weights.notes
    try:
        notes += tuple(check_fit(named, wanted, path)[1])
    except WeightsMismatchError as error:
        problem = str(error)
    return Inspection(weights, config, notes + unknown_of(settings), problem)


def network_of(config: dict[str, Any]) -> TemporalModel:
    """Build the network of dotted config keys and values without memory for its weights.

    Raises:
        ValueError: if there is no such network.
    """
    return build_without_memory(parse_config([Layer("weights", _sections(config))]))


def config_of_weights(
    weights: str | Path, overrides: Sequence[str] = ()
) -> tuple[Config, ReadWeights]:
    """Return the config of our own checkpoint, or what the names and shapes of other weights tell.

    Of weights that are neither a checkpoint nor in the zoo only the network is known; crop size
    and all else are those of the paper unless overridden.

    Args:
        weights: a file, or where to fetch one, see `local_weights`.
        overrides: see `load_config`.

    Returns:
        the config, and what was read, for `build_model`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be had or read, or its layout is unknown.
    """
    entry, path = zoo_entry(weights), local_weights(weights)
    found = read_named_weights(path)
    if entry is not None and entry.config_name is not None:
        return load_config(entry.config_name, [*entry.overrides, *overrides]), found
    values = found.config or _sections(config_of(settings_of(found.named.state)))
    return parse_config([Layer(str(path), values), read_overrides(overrides)]), found


def config_of_card(
    path: Path, overrides: Sequence[str] = ()
) -> tuple[Config, Path, dict[str, Any]]:
    """Return config, weights file and content of a card that `scripts/convert_weights.py` wrote.

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
    layer = Layer(str(path), _sections(network))
    return parse_config([layer, read_overrides(overrides)]), weights, card


def _sections(network: dict[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into the sections of a config."""
    values: dict[str, Any] = {"experiment": "inference", "data": {"root": "."}}
    for key, value in network.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return values
