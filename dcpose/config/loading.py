"""Config files to a checked `Config`, and back to plain values."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dcpose.config.data import DataSection
from dcpose.config.layers import Layer, merge_layers, read_layers, read_overrides
from dcpose.config.messages import ConfigError, describe_problems, leaf_keys
from dcpose.config.models import BackboneSection, ModelSection
from dcpose.config.schema import Config
from dcpose.config.section import Choice
from dcpose.config.shipped import find_config

FAMILIES: dict[str, type[Choice]] = {
    "data": DataSection,
    "model": ModelSection,
    "model.backbone": BackboneSection,
}
"""Sections of which a name decides the keys, outer ones first."""

SECTIONS_OF_OLD_DUMPS = {
    "neighbors", "grouping", "prf", "ptm", "fusion", "pcn", "warper"
}  # fmt: skip


def load_config(
    path: str | Path, overrides: Sequence[str] = (), on: str | Path | None = None
) -> Config:
    """Read a config file, its parents and overrides.

    Args:
        path: YAML file, or the name of a shipped one, such as `posetrack18/dcpose_hrnet_w48`;
            `base:` inside it names its parent, relative to the file.
        overrides: `key=value` tokens, or `key`, `value` pairs of tokens, mixed freely; values are
            YAML, and come last.
        on: config that takes the place of the parents in other folders, so that what the files of
            one folder say, such as the rows of an ablation, is applied to it.

    Raises:
        ConfigError: (a ValueError) one line for each problem: missing file, bad YAML, cycle of
            `base:`, unknown key with the nearest valid names, wrong type or value.
    """
    path = find_config(path)
    layers = read_layers(path)
    if on is not None:
        folder = path.parent.resolve()
        own = [layer for layer in layers if Path(layer.origin).parent.resolve() == folder]
        layers = [*read_layers(find_config(on)), *own]
    return parse_config([*layers, read_overrides(overrides)])


def parse_config(layers: Sequence[Layer]) -> Config:
    """Merge layers, later ones over earlier ones, and check the result; see `load_config`."""
    layers = [replace(layer, values=upgraded(layer.values)) for layer in layers]
    values, origins = merge_layers(layers, FAMILIES)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        valid_keys = list(leaf_keys(Config, chosen=_chosen(values)))
        problems = describe_problems(error.errors(), values, origins, valid_keys)
        raise ConfigError(problems) from None


def _chosen(values: dict[str, Any]) -> dict[str, type[BaseModel]]:
    """Return the member that each family's section names, the default one if it is none."""
    chosen: dict[str, type[BaseModel]] = {}
    for key, family in FAMILIES.items():
        section: Any = values
        for part in key.split("."):
            section = section.get(part) if isinstance(section, dict) else None
        name, members = family.name_in(section), family.members()
        chosen[key] = members[name if isinstance(name, str) and name in members else family.default]
    return chosen


def upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a file as this version has them.

    Until 0.1 a dumped config, as a run folder or a checkpoint has it, held the sections of all
    models; those that its model does not have are left out.

    Raises:
        ConfigError: for a key that has another name now.
    """
    values = dict(values)
    if isinstance(values.get("train"), dict) and "cache_heatmaps" in values["train"]:
        train = dict(values["train"])
        if train.pop("cache_heatmaps") is not None:
            raise ConfigError(
                "train.cache_heatmaps: is called train.cache_encodings now; its folder has to be "
                "filled anew, name an empty one"
            )
        values["train"] = train
    model = values.get("model")
    if isinstance(model, dict) and model.keys() >= SECTIONS_OF_OLD_DUMPS:
        member = ModelSection.members().get(ModelSection.name_in(model), ModelSection)
        foreign = SECTIONS_OF_OLD_DUMPS - member.model_fields.keys()
        values["model"] = {key: value for key, value in model.items() if key not in foreign}
    return values


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check a plain dict, such as the one a checkpoint carries; `origin` names it in errors."""
    return parse_config([Layer(origin=origin, values=values)])


def config_to_dict(cfg: Config) -> dict[str, Any]:
    """Return plain, YAML- and JSON-safe values of every key, defaults included."""
    return cfg.model_dump(mode="json")
