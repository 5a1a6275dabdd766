"""Fit files of weights to our models: names and shapes only, every entry accounted for.

Layouts, recognised by their names:

    dcpose            our own checkpoints, of any model (backbone.*, ptm.*, ...)
    released DCPose   rough_pose_estimation_net.*, diff_temporal_fuse.*, ...
    HRNet pose        official HRNet pose files: the backbone's names without a prefix
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from dcpose.models.weight_files import read_state_dict

MAX_LISTED = 20
"""Names of one kind that a message lists."""

COUNTER = "num_batches_tracked"
"""BatchNorm's step counter; old files lack it, and it does not influence any result."""

RELEASED_BACKBONE = "rough_pose_estimation_net."

_RELEASED_NAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^rough_pose_estimation_net\.", "backbone."),
    (r"^diff_temporal_fuse\.layers\.", "prf.chain."),
    (r"^support_temporal_fuse\.layers\.", "ptm.chain."),
    (r"^offset_mask_combine_conv\.layers\.", "fusion."),
    (r"^((?:prf\.chain|ptm\.chain|fusion)\.\d+)\.conv_bn_relu1\.", r"\1.split."),
    (
        r"^((?:prf\.chain|ptm\.chain|fusion)\.\d+)\.conv_bn_relu2_(\d)_(\d)\.",
        lambda match: f"{match[1]}.steps.{int(match[2]) - 1}.{int(match[3]) - 1}.",
    ),
    (r"^((?:prf\.chain|ptm\.chain|fusion)\.\d+)\.conv_bn_relu3\.", r"\1.merge."),
    (r"^((?:prf\.chain|ptm\.chain|fusion)\.\d+)\.downsample\.", r"\1.shortcut."),
    (r"^offsets_list\.(\d+)\.0\.", r"pcn.offset_convs.\1."),
    (r"^masks_list\.(\d+)\.0\.", r"pcn.mask_convs.\1."),
    (r"^modulated_deform_conv_list\.(\d+)\.deform_conv\.", r"pcn.deform_convs.\1."),
)


class WeightsMismatchError(ValueError):
    """A file does not fit a model.

    Attributes:
        missing: names that the model has and the file lacks.
        unexpected: names that the file has and the model lacks.
        misshapen: names with the shape found and the shape expected.
    """

    def __init__(
        self,
        message: str,
        missing: list[str],
        unexpected: list[str],
        misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]],
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.misshapen = misshapen


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


def load_weights(model: nn.Module, path: str | Path) -> LoadReport:
    """Load a file into a whole model (`DCPose` or `SingleFrame`), strictly.

    Args:
        model: changed in place, and only if everything fits.
        path: see `weight_files.read_state_dict`; an HRNet pose file fits a `SingleFrame`.

    Raises:
        FileNotFoundError: if there is no such file.
        WeightsMismatchError: if an entry is missing, unexpected or has another shape.
        ValueError: if the file cannot be read, or its layout is unknown.
    """
    state, layout, notes = _read_in_our_names(Path(path))
    complete = _check_fit(state, model.state_dict(), Path(path), notes)
    model.load_state_dict(complete)
    return LoadReport(Path(path), layout, len(state), tuple(notes))


def load_backbone_weights(backbone: nn.Module, path: str | Path) -> LoadReport:
    """Load the backbone in a file into a backbone; what else the file holds is left and reported.

    Takes our single-frame and DCPose checkpoints, HRNet pose files and released DCPose files.
    Raises as `load_weights` does.
    """
    state, layout, notes = _read_in_our_names(Path(path))
    own = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    if len(own) < len(state):
        notes.append(f"{len(state) - len(own)} entries of a head left out")
    expected = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    complete = _check_fit(own, expected, Path(path), notes)
    backbone.load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in complete.items()}
    )
    return LoadReport(Path(path), layout, len(own), tuple(notes))


def from_released_name(name: str) -> str:
    """Return our name of an entry of the released DCPose layout; unknown names stay as they are."""
    for pattern, ours in _RELEASED_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def _read_in_our_names(path: Path) -> tuple[dict[str, Tensor], str, list[str]]:
    state, notes = read_state_dict(path)
    if any(name.startswith(RELEASED_BACKBONE) for name in state):
        renamed = {from_released_name(name): tensor for name, tensor in state.items()}
        return renamed, "released DCPose", notes
    if any(name.startswith("backbone.") for name in state):
        return state, "dcpose", notes
    if any(name.startswith("stage2.") for name in state):
        return {f"backbone.{name}": tensor for name, tensor in state.items()}, "HRNet pose", notes
    raise ValueError(
        f"{path} has an unknown layout, its names begin {', '.join(list(state)[:3])}; expected a "
        "checkpoint of dcpose, a released DCPose file or an official HRNet pose file"
    )


def _check_fit(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, notes: list[str]
) -> dict[str, Tensor]:
    """Return `state`, completed with counters that old files lack, or raise."""
    missing = [name for name in expected if name not in state]
    counters = [name for name in missing if name.endswith(COUNTER)]
    missing = [name for name in missing if not name.endswith(COUNTER)]
    unexpected = [name for name in state if name not in expected]
    misshapen = [
        (name, tuple(tensor.shape), tuple(expected[name].shape))
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if missing or unexpected or misshapen:
        changed = [f"{name} {found}, expected {right}" for name, found, right in misshapen]
        kinds = {"misshapen": changed, "missing": missing, "unexpected": unexpected}
        listed = [_listed(kind, names) for kind, names in kinds.items() if names]
        message = f"{path} does not fit the model: {'; '.join(listed)}{_hint(state, expected)}"
        raise WeightsMismatchError(message, missing, unexpected, misshapen)
    if counters:
        notes.append(f"{len(counters)} BatchNorm counters not in the file, left as they are")
    return {**state, **{name: expected[name] for name in counters}}


def _listed(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"{len(names)} {kind}: {', '.join(names[:MAX_LISTED])}{more}"


def _hint(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Say which settings of the model would fit, as far as shapes tell."""
    in_file, in_model = _settings_of(state), _settings_of(expected)
    if not in_model.keys() & {"prf.blocks"} and in_file.keys() & {"prf.blocks"}:
        return ". The file holds a whole DCPose: load it with model.name dcpose"
    if in_model.keys() & {"prf.blocks"} and not in_file.keys() & {"prf.blocks"}:
        return ". The file holds a single-frame network: give it as model.backbone.weights"
    wrong = [
        f"model.{setting} {value} (here {in_model[setting]})"
        for setting, value in in_file.items()
        if setting in in_model and value != in_model[setting]
    ]
    return f". The file would fit {', '.join(wrong)}" if wrong else ""


def _settings_of(state: Mapping[str, Tensor]) -> dict[str, int | tuple[int, ...]]:
    """Read the settings of a model from the names and shapes of its weights (our names)."""

    def count(prefix: str) -> int:
        return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})

    sizes = {
        "backbone.width": "backbone.stage2.0.branches.0.0.conv1.weight",
        "backbone.stem_channels": "backbone.conv1.weight",
        "num_joints": "backbone.final_layer.weight",
        "prf.channels": "prf.chain.0.merge.conv.weight",
        "ptm.channels": "ptm.chain.0.merge.conv.weight",
        "fusion.channels": "fusion.0.merge.conv.weight",
    }
    counts = {
        "backbone.blocks": "backbone.stage2.0.branches.0.",
        "prf.blocks": "prf.chain.",
        "ptm.blocks": "ptm.chain.",
        "fusion.blocks": "fusion.",
        "pcn.dilations (how many)": "pcn.deform_convs.",
    }
    settings: dict[str, int | tuple[int, ...]] = {
        name: state[key].shape[0] for name, key in sizes.items() if key in state
    }
    settings["backbone.modules"] = tuple(count(f"backbone.stage{stage}.") for stage in (2, 3, 4))
    settings.update({name: count(prefix) for name, prefix in counts.items() if count(prefix)})
    return settings
