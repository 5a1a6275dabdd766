"""Which network a file of weights fits, read from its names and shapes (our names)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import Depth, SimpleBaseline
from dcpose.models.blocks import residual_chain
from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.dcpose.network import DCPose
from dcpose.models.dcpose.temporal import (
    BOTH,
    CurrentHeatmaps,
    Neighbor,
    PoseResidualFusion,
    PoseTemporalMerger,
    SummedHeatmaps,
    SummedResiduals,
)
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame

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
_RESNET_DEPTHS: dict[tuple[int, bool], Depth] = {
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
    resnet = any(name.startswith("backbone.layer4.") for name in state)
    settings: Settings = {"backbone.depth": _resnet_depth(state)} if resnet else {}
    for setting, keys in ((_RESNET_SIZES if resnet else _HRNET_SIZES) | _SIZES).items():
        sizes = Counter(
            state[key].shape[axis] for key, axis in keys if key in state and state[key].ndim > axis
        )
        if sizes:
            settings[setting] = sizes.most_common(1)[0][0]
    if not resnet:
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
            settings["neighbors"] = BOTH[:fed]
    return settings


def model_of(settings: Settings) -> nn.Module:
    """Build the model of some settings without memory for its weights, for names and shapes.

    Args:
        settings: see `settings_of`; what is left out has the values of the published network.

    Returns:
        A `DCPose` or `PoseWarper` where there are settings of its head, else a `SingleFrame`. Its
        backbone is HRNet, or SimpleBaseline where the settings have a depth.
    """
    joints: int = settings.get("num_joints", 17)
    with torch.device("meta"):
        backbone = _backbone_of(settings, joints)
        if NUM_WARPER_DILATIONS in settings:
            warper = HeatmapWarper(
                joints,
                settings.get("warper.blocks", 20),
                settings.get("warper.channels", 128),
                some_dilations(settings, NUM_WARPER_DILATIONS),
            )
            return PoseWarper(backbone, warper)
        if not {NUM_DILATIONS, "prf.blocks"} & settings.keys():
            return SingleFrame(backbone)
        neighbors: tuple[Neighbor, ...] = settings.get("neighbors", BOTH)
        ptm, ptm_channels = _merger_of(settings, joints, neighbors)
        prf, prf_channels = _residual_fusion_of(settings, joints, neighbors)
        features = settings.get("fusion.channels", 64)
        return DCPose(
            backbone,
            ptm,
            prf,
            residual_chain(prf_channels + ptm_channels, features, settings.get("fusion.blocks", 2)),
            PoseCorrectionNetwork(
                features,
                ptm_channels,
                joints,
                some_dilations(settings, NUM_DILATIONS),
            ),
            neighbors=neighbors,
        )


def _merger_of(
    settings: Settings, joints: int, neighbors: tuple[Neighbor, ...]
) -> tuple[nn.Module, int]:
    """Return the PTM, or what replaces it, and the number of its output channels."""
    replaced_by, groups = settings.get("ptm.replaced_by"), _groups_of(settings, joints)
    if replaced_by == "current":
        return CurrentHeatmaps(neighbors), joints
    if replaced_by == "sum_conv":
        return SummedHeatmaps(joints, groups), joints
    channels: int = settings.get("ptm.channels", joints)
    blocks: int = settings.get("ptm.blocks", 1)
    return PoseTemporalMerger(joints, blocks, channels, neighbors, groups), channels


def _residual_fusion_of(
    settings: Settings, joints: int, neighbors: tuple[Neighbor, ...]
) -> tuple[nn.Module, int]:
    """Return the PRF, or what replaces it, and the number of its output channels."""
    groups = _groups_of(settings, joints)
    if settings.get("prf.replaced_by") == "sum_conv":
        return SummedResiduals(joints, neighbors, groups), joints
    channels: int = settings.get("prf.channels", 2 * joints)
    blocks: int = settings.get("prf.blocks", 2)
    return PoseResidualFusion(joints, blocks, channels, neighbors, groups), channels


def _groups_of(settings: Settings, joints: int) -> int:
    return joints if settings.get("grouping") == "joint" else 1


def some_dilations(settings: Settings, key: str) -> tuple[int, ...]:
    """Return as many dilations as a key of `HOW_MANY_DILATIONS` says, those of the release."""
    published = HOW_MANY_DILATIONS[key]
    number: int = settings.get(key, len(published))
    further = range(published[-1] + 3, published[-1] + 3 * (number - len(published)) + 1, 3)
    return (*published[:number], *further)


def _resnet_depth(state: Mapping[str, Tensor]) -> Depth:
    bottlenecks = any(".layer1.0.conv3." in name for name in state)
    blocks = _count(state, "backbone.layer3.")
    nearest = min(
        _RESNET_DEPTHS, key=lambda known: (known[1] != bottlenecks, abs(known[0] - blocks))
    )
    return _RESNET_DEPTHS[nearest]


def _backbone_of(settings: Settings, joints: int) -> nn.Module:
    if "backbone.depth" in settings:
        channels = settings.get("backbone.deconv_channels", 256)
        return SimpleBaseline(settings["backbone.depth"], joints, channels)
    return HRNet(
        width=settings.get("backbone.width", 48),
        num_joints=joints,
        modules=settings["backbone.modules"],
        blocks=settings["backbone.blocks"],
        stem_channels=settings.get("backbone.stem_channels", 64),
    )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})
