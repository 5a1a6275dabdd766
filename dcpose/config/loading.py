"""Config files to a checked `Config`, and back to plain values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    ValidationError,
)

from dcpose.config.layers import Layer, merge_layers, read_layers, read_overrides
from dcpose.config.messages import ConfigError, describe_problems
from dcpose.config.models import ALTERNATIVES
from dcpose.config.schema import Config
from dcpose.files.reading import named_path


def load_config(
    path: str | Path, overrides: Sequence[str] = (), on: str | Path | None = None
) -> Config:
    """Read a config file, its parents and overrides.

    Args:
        path: YAML file; `base:` inside it names its parent, relative to the file.
        overrides: `key=value` tokens, or `key`, `value` pairs of tokens, mixed freely.
        on: config that takes the place of the parents in other folders, so that what the files of
            one folder say, such as the rows of an ablation, is applied to it.

    Raises:
        ConfigError: (a ValueError) one line for each problem: missing file, bad YAML, cycle of
            `base:`, unknown key with the nearest valid names, wrong type or value.
    """
    layers = read_layers(named_path(path))
    if on is not None:
        folder = Path(path).parent.resolve()
        own = [layer for layer in layers if Path(layer.origin).parent.resolve() == folder]
        layers = [*read_layers(named_path(on)), *own]
    return parse_config([*layers, read_overrides(overrides)])


def parse_config(layers: Sequence[Layer]) -> Config:
    """Merge layers, later ones over earlier ones, and check the result; see `load_config`."""
    values, origins = merge_layers(layers, alternatives=ALTERNATIVES)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, values, origins, Config)) from None


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check a plain dict, such as the one a checkpoint carries; `origin` names it in errors."""
    return parse_config([Layer(origin=origin, values=values)])


def config_to_dict(cfg: Config) -> dict[str, Any]:
    """Return plain, YAML- and JSON-safe values of every key, defaults included."""
    return cfg.model_dump(mode="json")


def dump_config(cfg: Config) -> str:
    """Return the resolved config as YAML that `load_config` reads back."""
    return yaml.safe_dump(config_to_dict(cfg), sort_keys=False, default_flow_style=None)
