"""Fit files of weights to our models: names and shapes only, every entry accounted for.

See `weights.layouts` for the layouts that are recognised.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dcpose.weights.layouts.naming import NamedWeights, name_weights
from dcpose.weights.layouts.vit import fit_positions
from dcpose.weights.reading import read_weights
from dcpose.weights.recognise import (
    FAMI_CHANNELS,
    NUM_DILATIONS,
    NUM_JTA_LAYERS,
    NUM_WARPER_DILATIONS,
    settings_of,
)
from dcpose.weights.strict import WeightsMismatchError, differences

COUNTER = "num_batches_tracked"
"""BatchNorm's step counter; old files lack it, and it does not influence any result."""

_BACKBONES = {
    "hrnet": "HRNet",
    "simple_baseline": "a ResNet-{}",
    "vit": "a ViT of {} blocks",
    "efficientnet_lite": "EfficientNet-Lite0",
}
"""What messages call them; with the depth."""

WITHOUT = "dcpose.without"
"""Metadata of converted files: beginnings of names that the source could not have, by commas."""


@dataclass(frozen=True)
class LoadReport:
    """What was loaded.

    Attributes:
        path: the file.
        layout: how its names were recognised.
        num_tensors: entries taken over.
        notes: what else was done, such as prefixes removed or entries left out.
    """

    path: Path
    layout: str
    num_tensors: int
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a log."""
        details = "".join(f"; {note}" for note in self.notes)
        return f"{self.path}: {self.num_tensors} tensors, {self.layout} layout{details}"


def load_weights(model: nn.Module, weights: "str | Path | ReadWeights") -> LoadReport:
    """Load a file into a whole model, strictly.

    Args:
        model: changed in place, and only if everything fits.
        weights: a file, see `weights.reading.read_weights`, or what was read from one; a pose
            backbone's file fits a `SingleFrame`.

    Raises:
        FileNotFoundError: if there is no such file.
        WeightsMismatchError: if an entry is missing, unexpected or has another shape.
        ValueError: if the file cannot be read, or its layout is unknown.
    """
    if not isinstance(weights, ReadWeights):
        weights = read_named_weights(weights)
    named = weights.named
    complete, notes = check_fit(named, model.state_dict(), weights.path)
    model.load_state_dict(complete)
    return LoadReport(weights.path, named.layout.title, len(named.state), (*weights.notes, *notes))


def load_backbone_weights(backbone: nn.Module, path: str | Path) -> LoadReport:
    """Load the backbone in a file into a backbone; what else the file holds is left and reported.

    Of ImageNet files, which have no pose output, the output layer keeps the values that it has.

    Args:
        backbone: changed in place, and only if everything fits.
        path: any file with a backbone of this kind.

    Raises:
        ValueError: as `load_weights` does; or if a layer that the file cannot fill is frozen.
    """
    weights = read_named_weights(path)
    named, notes = weights.named, list(weights.notes)
    own = {name: tensor for name, tensor in named.state.items() if name.startswith("backbone.")}
    if len(own) < len(named.state):
        notes.append(f"{len(named.state) - len(own)} entries of a head left out")
    expected = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    anew = [name for name in expected if name.startswith(weights.without) and name not in own]
    wanted = {name: tensor for name, tensor in expected.items() if name not in anew}
    complete, more = check_fit(NamedWeights(named.layout, own, ()), wanted, Path(path))
    if anew:
        _check_trainable(backbone, anew, Path(path))
        parts = ", ".join(f"{beginning}*" for beginning in weights.without)
        notes.append(f"{parts} not in such files, {len(anew)} entries initialised anew")
    backbone.load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in complete.items()},
        strict=not anew,  # everything else was checked above
    )
    return LoadReport(Path(path), named.layout.title, len(own), (*notes, *more))


@dataclass(frozen=True)
class ReadWeights:
    """A file of weights under our names.

    Attributes:
        path: the file.
        named: layout, names and tensors.
        without: beginnings of our names that its source cannot have.
        notes: what was removed or left out, in words.
        config: of the training that wrote it, where it is a checkpoint of ours.
    """

    path: Path
    named: NamedWeights
    without: tuple[str, ...]
    notes: tuple[str, ...]
    config: dict[str, Any] | None


def read_named_weights(path: str | Path) -> ReadWeights:
    """Read a file of any layout; raises as `load_weights` does for files that cannot be read."""
    file = read_weights(path)
    named = name_weights(file.state, Path(path))
    notes = list(file.notes)
    if named.left_out:
        notes.append(f"{len(named.left_out)} entries left out that pose networks do not have")
    if named.layout.colours == "BGR":
        notes.append("trained on BGR images, here they are RGB: a start for training")
    marked = file.metadata.get(WITHOUT)
    without = tuple(marked.split(",")) if marked else named.layout.without
    return ReadWeights(Path(path), named, without, tuple(notes), file.config)


def check_fit(
    named: NamedWeights, expected: Mapping[str, Tensor], path: Path
) -> tuple[dict[str, Tensor], list[str]]:
    """Compare names and shapes with those of a model.

    Returns:
        The entries, completed from `expected` with counters that old files lack; and notes.

    Raises:
        WeightsMismatchError: lists what is missing, unexpected or has another shape, under our
            names and those of the file's layout.
    """
    state = fit_positions(named.state, expected, named.layout.resamples_positions)
    counters = [name for name in expected if name not in state and name.endswith(COUNTER)]
    complete = {**state, **{name: expected[name] for name in counters}}
    found = differences(complete, expected)
    if any(found):
        listed = found.describe(title=_both_names(named.layout.to_theirs))
        message = f"{path} does not fit the model: {listed}{_hint(named, expected)}"
        raise WeightsMismatchError(message, found)
    notes = [f"{len(counters)} BatchNorm counters not in the file, left as they are"]
    return complete, notes if counters else []


def _both_names(to_theirs: Callable[[str], str]) -> Callable[[str], str]:
    def both(name: str) -> str:
        theirs = to_theirs(name)
        return name if theirs == name else f"{name} (in this layout {theirs})"

    return both


def _check_trainable(backbone: nn.Module, names: list[str], path: Path) -> None:
    parameters = {f"backbone.{name}": p for name, p in backbone.named_parameters()}
    frozen = [name for name in names if name in parameters and not parameters[name].requires_grad]
    if frozen:
        raise ValueError(
            f"{path} has no pose output ({', '.join(frozen)}), and the backbone is frozen, so it "
            "would stay random: train a single_frame model from this file first, or set "
            "model.backbone.frozen=false"
        )


def _hint(named: NamedWeights, expected: Mapping[str, Tensor]) -> str:
    """Say which settings of the model would fit, as far as shapes tell."""
    in_file, in_model = settings_of(named.state), settings_of(expected)
    kinds = [
        _BACKBONES[settings["backbone.name"]].format(settings.get("backbone.depth"))
        for settings in (in_file, in_model)
    ]
    if in_file["backbone.name"] != in_model["backbone.name"]:
        return f". The file holds {kinds[0]}, the model's backbone is {kinds[1]}"
    if named.layout.without and any(name.startswith(named.layout.without) for name in expected):
        return ". The file has no pose output: give it as model.backbone.weights"
    wholes = {
        NUM_DILATIONS: "DCPose",
        NUM_WARPER_DILATIONS: "PoseWarper",
        NUM_JTA_LAYERS: "TAR",
        FAMI_CHANNELS: "FAMI",
    }
    for part, title in wholes.items():
        if part in in_file and part not in in_model:
            return f". The file holds a whole {title}: load it with model.name {title.lower()}"
    if wholes.keys() & in_model.keys() - in_file.keys():
        return ". The file holds a single-frame network: give it as model.backbone.weights"
    wrong = [
        f"model.{setting} {value} (here {in_model[setting]})"
        for setting, value in in_file.items()
        if setting in in_model and value != in_model[setting]
    ]
    return f". The file would fit {', '.join(wrong)}" if wrong else ""
