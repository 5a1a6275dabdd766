"""Reading config layers: YAML files with `base:` and command-line overrides."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpose.config.messages import ConfigError
from dcpose.config.section import Choice
from dcpose.files.yaml_text import parse_yaml, read_yaml

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Layer:
    """Values of one file or of the command line, nested like the schema."""

    origin: str
    values: dict[str, Any]


def read_layers(path: Path) -> list[Layer]:
    """Read a config file and its parents, the oldest ancestor first.

    Raises:
        ConfigError: missing or unreadable file, bad YAML, or a cycle of `base:`.
    """
    layers: list[Layer] = []
    chain: list[Path] = []
    current: Path | None = path
    while current is not None:
        if _same_file(current, chain):
            names = " -> ".join(str(visited) for visited in [*chain, current])
            raise ConfigError(f"{path}: base: goes in a circle: {names}; remove one of them")
        values = _read_yaml(current, named_by=chain[-1] if chain else None)
        chain.append(current)
        base = values.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise ConfigError(
                f"{current}: base: found {base!r}, expected the path of one YAML file"
            )
        layers.insert(0, Layer(origin=str(current), values=values))
        current = None if base is None else current.parent / base
    return layers


def _same_file(path: Path, others: Sequence[Path]) -> bool:
    try:
        return os.path.realpath(path) in map(os.path.realpath, others)
    except ValueError:  # a zero byte: no file, as reading it will say
        return False


def _read_yaml(path: Path, named_by: Path | None) -> dict[str, Any]:
    named = f" (named by base: in {named_by})" if named_by else ""
    try:
        values = read_yaml(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path}: no such config file{named}; check the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read{named}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: bad YAML{named}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: found {type(values).__name__}, expected `key: value` lines")
    return values


def read_overrides(tokens: Sequence[str]) -> Layer:
    """Turn `key=value` and `key value` tokens into a layer; values are YAML.

    Raises:
        ConfigError: a key without a value, or a token that is no key.
    """
    values: dict[str, Any] = {}
    remaining = iter(tokens)
    for token in remaining:
        key, equals, text = token.partition("=")
        if not equals:
            try:
                text = next(remaining)
            except StopIteration:
                raise ConfigError(
                    f"{COMMAND_LINE}: {token} has no value; write {token}=VALUE"
                ) from None
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", key):
            raise ConfigError(f"{COMMAND_LINE}: {token!r} is no key; write key=value or key value")
        section = values
        *parents, leaf = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise ConfigError(
                    f"{COMMAND_LINE}: {key} is set inside {parent}, which has a value"
                )
        try:
            section[leaf] = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"{COMMAND_LINE}, {key}: bad YAML: {error}") from None
    return Layer(origin=COMMAND_LINE, values=values)


def merge_layers(
    layers: Sequence[Layer], families: Mapping[str, type[Choice]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Merge nested values, later layers over earlier ones.

    Args:
        layers: the oldest first.
        families: by dotted key of a section. A layer that gives such a section another name drops
            what earlier layers set in it, but for the keys that all members have.

    Returns:
        The merged values, and for each dotted key the origin that set it last; the empty key
        stands for the config as a whole and names its file.
    """
    merged: dict[str, Any] = {}
    origins = {"": next((x.origin for x in reversed(layers) if x.origin != COMMAND_LINE), "config")}
    for layer in layers:
        for section, family in families.items():
            _drop_former(merged, layer.values, section.split("."), family)
        _merge_into(merged, layer.values, layer.origin, origins, prefix="")
    return merged, origins


def _drop_former(
    merged: dict[str, Any], values: dict[str, Any], section: list[str], family: type[Choice]
) -> None:
    for key in section:
        before, after = merged.get(key), values.get(key)
        if not isinstance(before, dict) or not isinstance(after, dict):
            return
        merged, values = before, after
    if family.decided_by in values and family.name_in(values) != family.name_in(merged):
        for key in merged.keys() - family.model_fields.keys():
            del merged[key]


def _merge_into(
    target: dict[str, Any],
    values: dict[str, Any],
    origin: str,
    origins: dict[str, str],
    prefix: str,
) -> None:
    for key, value in values.items():
        dotted = f"{prefix}{key}"
        origins[dotted] = origin
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _merge_into(target[key], value, origin, origins, prefix=f"{dotted}.")
        else:
            target[key] = value
