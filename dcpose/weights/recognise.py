"""Which network a file of weights fits, read from its names and shapes (our names)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Settings = dict[str, Any]

# Setting: entries whose size tells it, and the axis; several, so that no single one decides.
_HRNET_SIZES = {
    "backbone.width": (
        ("backbone.stage2.0.branches.0.0.conv1.weight", 0),
        ("backbone.transition1.0.0.weight", 0),
        ("backbone.final_layer.weight", 1),
    ),
    "backbone.stem_channels": (
        ("backbone.conv1.weight", 0),
        ("backbone.conv2.weight", 0),
        ("backbone.bn1.weight", 0),
    ),
}

_RESNET_SIZES = {
    "backbone.deconv_channels": (
        ("backbone.deconv_layers.0.weight", 1),
        ("backbone.deconv_layers.3.weight", 0),
        ("backbone.deconv_layers.6.weight", 0),
    ),
}

_LITE_SIZES = {
    "backbone.neck.channels": (
        ("backbone.final_layer.weight", 1),
        ("backbone.pyramid.last.2.weight", 0),
        ("backbone.pyramid.laterals.0.bias", 0),
    ),
}

_BACKBONE_SIZES = {
    "hrnet": _HRNET_SIZES,
    "simple_baseline": _RESNET_SIZES,
    "efficientnet_lite": _LITE_SIZES,
}

_SIZES = {
    "num_joints": (
        ("backbone.final_layer.weight", 0),
        ("backbone.final_layer.bias", 0),
        ("pcn.deform_convs.0.weight", 0),
        ("warper.deform_convs.0.weight", 0),
    ),
    "prf.channels": (("prf.chain.0.merge.conv.weight", 0), ("prf.chain.0.merge.conv.bias", 0)),
    "ptm.channels": (("ptm.chain.0.merge.conv.weight", 0), ("ptm.chain.0.merge.conv.bias", 0)),
    "fusion.channels": (("fusion.0.merge.conv.weight", 0), ("fusion.0.merge.conv.bias", 0)),
    "warper.channels": (("warper.chain.0.conv1.weight", 0), ("warper.chain.0.bn1.weight", 0)),
}

NUM_DILATIONS = "pcn.dilations (how many)"
"""Setting that every DCPose has, also one without PTM or PRF, and no other network."""

NUM_WARPER_DILATIONS = "warper.dilations (how many)"
"""Setting that every PoseWarper has, and no other network."""

_COUNTS = {
    "prf.blocks": "prf.chain.",
    "ptm.blocks": "ptm.chain.",
    "fusion.blocks": "fusion.",
    NUM_DILATIONS: "pcn.deform_convs.",
    "warper.blocks": "warper.chain.",
    NUM_WARPER_DILATIONS: "warper.deform_convs.",
}

HOW_MANY_DILATIONS = {
    NUM_DILATIONS: (3, 6, 9, 12, 15),
    NUM_WARPER_DILATIONS: (3, 6, 12, 18, 24),
}
"""Settings of which only the number is known, with what the releases have."""

# Blocks of the third stage and whether they are bottlenecks: depth
_RESNET_DEPTHS: dict[tuple[int, bool], int] = {
    (2, False): 18,
    (6, False): 34,
    (6, True): 50,
    (23, True): 101,
    (36, True): 152,
}


def settings_of(state: Mapping[str, Tensor]) -> Settings:
    """Read the settings of a model, named as in its config, from names and shapes alone.

    What no entry tells is left out. Dilations have no shape: only their number is there.
    """
    name = _backbone_name(state)
    settings: Settings = {"backbone.name": name}
    if name == "simple_baseline":
        settings["backbone.depth"] = _resnet_depth(state)
    for setting, keys in (_BACKBONE_SIZES[name] | _SIZES).items():
        sizes = Counter(
            state[key].shape[axis] for key, axis in keys if key in state and state[key].ndim > axis
        )
        if sizes:
            settings[setting] = sizes.most_common(1)[0][0]
    if name == "hrnet":
        stages = tuple(_count(state, f"backbone.stage{stage}.") for stage in (2, 3, 4))
        settings["backbone.modules"] = stages
        settings["backbone.blocks"] = _count(state, "backbone.stage2.0.branches.0.")
    settings.update({name: n for name, prefix in _COUNTS.items() if (n := _count(state, prefix))})
    if NUM_DILATIONS in settings:
        settings.update(_temporal_settings(state, settings.get("num_joints", 17)))
    return settings


def _temporal_settings(state: Mapping[str, Tensor], joints: int) -> Settings:
    """Read what takes the place of PTM and PRF, how they are grouped, and what they are fed."""
    settings: Settings = {}
    if "ptm.conv.weight" in state:
        settings["ptm.replaced_by"] = "sum_conv"
    elif not any(name.startswith("ptm.") for name in state):
        settings["ptm.replaced_by"] = "current"
    if "prf.conv.weight" in state:
        settings["prf.replaced_by"] = "sum_conv"
    # entry that takes in the heatmaps, and the maps per joint that it takes by neighbours fed
    inlets: dict[str, dict[int, int | None]] = {
        "ptm.chain.0.split.conv.weight": {2: 1, 3: 2},
        "prf.chain.0.split.conv.weight": {2: 1, 4: 2},
        "ptm.conv.weight": {1: None},
        "prf.conv.weight": {1: None},
    }
    for name, neighbors_of in inlets.items():
        if name not in state or state[name].ndim < 2:
            continue
        inputs = state[name].shape[1]
        grouped = inputs in neighbors_of
        if grouped:
            settings["grouping"] = "joint"
        if fed := neighbors_of.get(inputs if grouped else inputs // joints):
            settings["neighbors"] = ("prev", "next")[:fed]
    return settings


def config_of(settings: Settings) -> dict[str, Any]:
    """Return the dotted config keys and values of the network of some settings.

    What the settings leave out has the defaults of the config, those of the published networks.
    """
    heads = {NUM_DILATIONS: "dcpose", "prf.blocks": "dcpose", NUM_WARPER_DILATIONS: "posewarper"}
    name = next((heads[key] for key in heads if key in settings), "single_frame")
    config: dict[str, Any] = {"model.name": name}
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


def unknown_of(settings: Settings) -> tuple[str, ...]:
    """Say what names and shapes do not tell about the network of some settings."""
    notes = []
    for key in HOW_MANY_DILATIONS.keys() & settings.keys():
        dilations = ", ".join(map(str, HOW_MANY_DILATIONS[key]))
        notes.append(
            f"shapes do not tell the dilations, only how many; the release has {dilations}"
        )
    if NUM_DILATIONS in settings:
        notes.append("nor do they tell model.prf.second_residual, model.pcn.masks and data.max_gap")
        neighbors = settings.get("neighbors")
        if neighbors is None:
            notes.append("nor model.neighbors: without PTM and PRF none of them leaves a trace")
        elif len(neighbors) == 1:
            notes.append(
                "one neighbour is fed, shapes do not tell which: model.neighbors is a guess"
            )
    return tuple(notes)


def some_dilations(settings: Settings, key: str) -> tuple[int, ...]:
    """Return as many dilations as a key of `HOW_MANY_DILATIONS` says, those of the release."""
    published = HOW_MANY_DILATIONS[key]
    number: int = settings.get(key, len(published))
    further = range(published[-1] + 3, published[-1] + 3 * (number - len(published)) + 1, 3)
    return (*published[:number], *further)


def _backbone_name(state: Mapping[str, Tensor]) -> str:
    marks = {"backbone.layer4.": "simple_baseline", "backbone.trunk.": "efficientnet_lite"}
    found = (own for mark, own in marks.items() if any(name.startswith(mark) for name in state))
    return next(found, "hrnet")


def _resnet_depth(state: Mapping[str, Tensor]) -> int:
    bottlenecks = any(".layer1.0.conv3." in name for name in state)
    blocks = _count(state, "backbone.layer3.")
    nearest = min(
        _RESNET_DEPTHS, key=lambda known: (known[1] != bottlenecks, abs(known[0] - blocks))
    )
    return _RESNET_DEPTHS[nearest]


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})
