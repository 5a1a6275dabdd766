"""Which network a file of weights fits, read from its names and shapes (our names)."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dcpose.weights.layouts.vit import PATCH, POSITIONS

Settings = dict[str, Any]
_Keys = tuple[tuple[str, int], ...]

# Setting: entries whose size tells it, and the axis; several, so that no single one decides.
_HRNET_SIZES: dict[str, _Keys] = {
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

_RESNET_SIZES: dict[str, _Keys] = {
    "backbone.deconv_channels": (
        ("backbone.deconv_layers.0.weight", 1),
        ("backbone.deconv_layers.3.weight", 0),
        ("backbone.deconv_layers.6.weight", 0),
    ),
}

_VIT_SIZES: dict[str, _Keys] = {
    "backbone.width": (
        ("backbone.blocks.0.norm1.weight", 0),
        ("backbone.last_norm.weight", 0),
        ("backbone.blocks.0.attn.proj.weight", 0),
    ),
    "backbone.decoder_channels": (
        ("backbone.deconv_layers.0.weight", 1),
        ("backbone.deconv_layers.3.weight", 0),
        ("backbone.deconv_layers.4.bias", 0),
    ),
}

_LITE_SIZES: dict[str, _Keys] = {
    "backbone.neck.channels": (
        ("backbone.final_layer.weight", 1),
        ("backbone.pyramid.last.2.weight", 0),
        ("backbone.pyramid.laterals.0.bias", 0),
    ),
}

_SIZES: dict[str, _Keys] = {
    "num_joints": (
        ("backbone.final_layer.weight", 0),
        ("backbone.final_layer.bias", 0),
        ("pcn.deform_convs.0.weight", 0),
        ("warper.deform_convs.0.weight", 0),
        ("jta.content", 0),
        ("output.weight", 0),
    ),
    "channels": (
        ("merge.0.conv1.weight", 0),
        ("combine.0.conv1.weight", 0),
        ("fuse.0.bn1.bias", 0),
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

NUM_JTA_LAYERS = "jta.layers"
"""Setting that every TAR has, and no other network."""

FAMI_CHANNELS = "channels"
"""Setting that every FAMI has, and no other network."""

_VIT_HEADS = {384: 12, 768: 12, 1024: 16, 1280: 16}
"""Of the published networks, by width; shapes do not tell them. Others have 64 channels a head."""

_COUNTS = {
    "prf.blocks": "prf.chain.",
    "ptm.blocks": "ptm.chain.",
    "fusion.blocks": "fusion.",
    NUM_DILATIONS: "pcn.deform_convs.",
    "warper.blocks": "warper.chain.",
    NUM_WARPER_DILATIONS: "warper.deform_convs.",
    NUM_JTA_LAYERS: "jta.layers.",
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
    settings, sizes_of_backbone = _backbone_settings(state)
    for setting, keys in (sizes_of_backbone | _SIZES).items():
        sizes = Counter(
            state[key].shape[axis] for key, axis in keys if key in state and state[key].ndim > axis
        )
        if sizes:
            settings[setting] = sizes.most_common(1)[0][0]
    if "backbone.image_wh" in settings:
        width = settings.get("backbone.width", 768)
        settings["backbone.heads"] = _VIT_HEADS.get(width, max(1, width // 64))
    settings.update({name: n for name, prefix in _COUNTS.items() if (n := _count(state, prefix))})
    if NUM_DILATIONS in settings:
        settings.update(_temporal_settings(state, settings.get("num_joints", 17)))
    if FAMI_CHANNELS in settings:
        settings.update(_fami_settings(state, settings[FAMI_CHANNELS]))
    return settings


def _backbone_settings(state: Mapping[str, Tensor]) -> tuple[Settings, dict[str, _Keys]]:
    """Return what is counted of the backbone, and the entries whose sizes tell the rest."""
    if any(name.startswith("backbone.layer4.") for name in state):
        depth = _resnet_depth(state)
        return {"backbone.name": "simple_baseline", "backbone.depth": depth}, _RESNET_SIZES
    if any(name.startswith("backbone.trunk.") for name in state):
        return {"backbone.name": "efficientnet_lite"}, _LITE_SIZES
    if any(name.startswith("backbone.blocks.") for name in state):
        classic = any(name.startswith("backbone.deconv_layers.") for name in state)
        depth = _count(state, "backbone.blocks.")
        settings: Settings = {
            "backbone.name": "vit",
            "backbone.depth": depth,
            "backbone.decoder": "classic" if classic else "simple",
            "backbone.image_wh": _image_wh(state),
        }
        return settings, _VIT_SIZES
    stages = tuple(_count(state, f"backbone.stage{stage}.") for stage in (2, 3, 4))
    blocks = _count(state, "backbone.stage2.0.branches.0.")
    sizes = {"backbone.modules": stages, "backbone.blocks": blocks}
    return {"backbone.name": "hrnet", **sizes}, _HRNET_SIZES


def _image_wh(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return the input that a table of positions belongs to.

    Our own tell it. Rows in a file do not; of all grids with so many cells the one nearest to three
    by four is taken, as that of people is.
    """
    table = state.get(POSITIONS)
    if table is not None and table.ndim == 4:
        return PATCH * table.shape[3], PATCH * table.shape[2]
    if table is None or table.ndim != 3 or not table.shape[1]:
        return 192, 256
    cells = table.shape[1]
    widths = [width for width in range(1, math.isqrt(cells) + 1) if cells % width == 0]
    grids = [(w, cells // w) for w in widths] + [(cells // w, w) for w in widths]
    width, height = min(grids, key=lambda grid: abs(math.log(grid[0] / grid[1] / 0.75)))
    return PATCH * width, PATCH * height


def _fami_settings(state: Mapping[str, Tensor], channels: int) -> Settings:
    """Read how many frames FAMI merges, and how its deformable convolutions are grouped."""
    settings: Settings = {}
    merged, masks = state.get("merge.0.conv1.weight"), state.get("calibrations.0.mask_conv.bias")
    if merged is not None and merged.ndim > 1:
        settings["frames"] = merged.shape[1] // channels + 1
    if masks is not None and masks.ndim:
        settings["offset_groups"] = masks.shape[0] // 9
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
    heads = {
        NUM_DILATIONS: "dcpose",
        "prf.blocks": "dcpose",
        NUM_WARPER_DILATIONS: "posewarper",
        NUM_JTA_LAYERS: "tar",
        FAMI_CHANNELS: "fami",
    }
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
    if "backbone.heads" in settings:
        notes.append(
            "shapes do not tell the heads of a ViT: model.backbone.heads is that of the published "
            "network of this width"
            + ("" if settings.get("backbone.width") in _VIT_HEADS else ", here a guess")
        )
    if NUM_JTA_LAYERS in settings:
        notes.append(
            "nor do they tell model.jta.heads, model.jta.threshold, model.token_order (release for "
            "the authors' files) and data.offsets"
        )
    if FAMI_CHANNELS in settings and settings.get("frames", 5) != 5:
        notes.append("the clip is not that of the release: set data.offsets")
    if NUM_DILATIONS in settings:
        notes.append(
            "nor do they tell model.prf.second_residual, model.pcn.masks, model.start and "
            "data.max_gap"
        )
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


def _resnet_depth(state: Mapping[str, Tensor]) -> int:
    bottlenecks = any(".layer1.0.conv3." in name for name in state)
    blocks = _count(state, "backbone.layer3.")
    nearest = min(
        _RESNET_DEPTHS, key=lambda known: (known[1] != bottlenecks, abs(known[0] - blocks))
    )
    return _RESNET_DEPTHS[nearest]


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})
