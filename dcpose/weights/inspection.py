"""Say what a file of weights is, which config fits it and what in it would not load."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dcpose.weights.layouts import Layout
from dcpose.weights.loading import COUNTER, WeightsMismatchError, check_fit, read_named_weights
from dcpose.weights.recognise import (
    HOW_MANY_DILATIONS,
    NUM_DILATIONS,
    NUM_WARPER_DILATIONS,
    Settings,
    model_of,
    settings_of,
    some_dilations,
)


@dataclass(frozen=True)
class Inspection:
    """A file of weights, compared with the network that its names and shapes tell.

    Attributes:
        path: the file.
        layout: how it names its entries.
        state: entries under our names.
        left_out: names in the file of entries that are no part of our networks.
        without: beginnings of our names that files like this cannot have.
        config: config keys and values of the network.
        notes: remarks, in words.
        problem: what would not load, in one line; None if everything is as it should be.
    """

    path: Path
    layout: Layout
    state: dict[str, Tensor]
    left_out: tuple[str, ...]
    without: tuple[str, ...]
    config: dict[str, Any]
    notes: tuple[str, ...]
    problem: str | None

    @property
    def num_parameters(self) -> int:
        """Numbers that training changes: without BatchNorm's statistics and counters."""
        statistics = ("running_mean", "running_var", COUNTER)
        return sum(t.numel() for name, t in self.state.items() if not name.endswith(statistics))


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
    try:
        expected = model_of(settings).state_dict()
    except (RuntimeError, ValueError) as error:  # sizes beyond 64 bits, channels that do not divide
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: its shapes are those of no network ({reason})") from error
    wanted = {name: t for name, t in expected.items() if not name.startswith(weights.without)}
    problem, notes = None, weights.notes
    try:
        notes += tuple(check_fit(named, wanted, path)[1])
    except WeightsMismatchError as error:
        problem = str(error)
    for key in HOW_MANY_DILATIONS.keys() & settings.keys():
        dilations = ", ".join(map(str, HOW_MANY_DILATIONS[key]))
        notes += (f"shapes do not tell the dilations, only how many; the release has {dilations}",)
    if NUM_DILATIONS in settings:
        notes += _unknown_of_dcpose(settings)
    return Inspection(
        path=path,
        layout=named.layout,
        state=named.state,
        left_out=named.left_out,
        without=weights.without,
        config=_config_of(settings),
        notes=notes,
        problem=problem,
    )


def _unknown_of_dcpose(settings: Settings) -> tuple[str, ...]:
    notes = ["nor do they tell model.prf.second_residual, model.pcn.masks and data.max_gap"]
    neighbors = settings.get("neighbors")
    if neighbors is None:
        notes.append("nor model.neighbors: without PTM and PRF none of them leaves a trace")
    elif len(neighbors) == 1:
        notes.append("one neighbour is fed, shapes do not tell which: model.neighbors is a guess")
    return tuple(notes)


def _config_of(settings: Settings) -> dict[str, Any]:
    heads = {NUM_DILATIONS: "dcpose", NUM_WARPER_DILATIONS: "posewarper"}
    name = next((heads[key] for key in heads if key in settings), "single_frame")
    config: dict[str, Any] = {
        "model.name": name,
        "model.backbone.name": "simple_baseline" if "backbone.depth" in settings else "hrnet",
    }
    if name == "single_frame":
        config["model.backbone.frozen"] = False  # else nothing would be trained
    for setting, value in settings.items():
        if setting in HOW_MANY_DILATIONS:
            key = setting.removesuffix(" (how many)")
            config[f"model.{key}"] = list(some_dilations(settings, setting))
        else:
            config[f"model.{setting}"] = list(value) if isinstance(value, tuple) else value
        if setting.endswith(".replaced_by"):  # what is not there has no size
            section = setting.removesuffix(".replaced_by")
            config |= {f"model.{section}.blocks": None, f"model.{section}.channels": None}
    return config
