"""Which network a file of weights fits, read from its names and shapes (our names)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.simple_baseline import Depth, SimpleBaseline
from dcpose.models.single_frame import SingleFrame
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger

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
    ),
    "prf.channels": (("prf.chain.0.merge.conv.weight", 0), ("prf.chain.0.merge.conv.bias", 0)),
    "ptm.channels": (("ptm.chain.0.merge.conv.weight", 0), ("ptm.chain.0.merge.conv.bias", 0)),
    "fusion.channels": (("fusion.0.merge.conv.weight", 0), ("fusion.0.merge.conv.bias", 0)),
}

NUM_DILATIONS = "pcn.dilations (how many)"
"""Setting that every DCPose has, also one without PTM or PRF, and no single-frame network."""

_COUNTS = {
    "prf.blocks": "prf.chain.",
    "ptm.blocks": "ptm.chain.",
    "fusion.blocks": "fusion.",
    NUM_DILATIONS: "pcn.deform_convs.",
}

# Blocks of the third stage and whether they are bottlenecks: depth
_RESNET_DEPTHS: dict[tuple[int, bool], Depth] = {
    (2, False): 18,
    (6, False): 34,
    (6, True): 50,
    (23, True): 101,
    (36, True): 152,
}

_WARPER_BLOCKS, _WARPER_CHANNELS, _WARPS = 20, 128, 5


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
    return settings


def model_of(settings: Settings) -> nn.Module:
    """Build the model of some settings without memory for its weights, for names and shapes.

    Args:
        settings: see `settings_of`; what is left out has the values of the published network.

    Returns:
        A `DCPose` where there are settings of its head, else a `SingleFrame`. Its backbone is
        HRNet, or SimpleBaseline's ResNet where the settings have a depth.
    """
    joints: int = settings.get("num_joints", 17)
    with torch.device("meta"):
        backbone = _backbone_of(settings, joints)
        if "prf.blocks" not in settings:
            return SingleFrame(backbone)
        prf_channels: int = settings.get("prf.channels", 2 * joints)
        ptm_channels: int = settings.get("ptm.channels", joints)
        features = settings.get("fusion.channels", 64)
        return DCPose(
            backbone,
            PoseTemporalMerger(joints, settings.get("ptm.blocks", 1), ptm_channels),
            PoseResidualFusion(joints, settings["prf.blocks"], prf_channels),
            residual_chain(prf_channels + ptm_channels, features, settings.get("fusion.blocks", 2)),
            PoseCorrectionNetwork(
                features,
                ptm_channels,
                joints,
                some_dilations(settings.get(NUM_DILATIONS, 5)),
            ),
        )


def some_dilations(number: int) -> tuple[int, ...]:
    """Return the first dilations of the paper's series 3, 6, 9, ..."""
    return tuple(range(3, 3 * number + 1, 3))


def warper_entries(num_joints: int) -> dict[str, Tensor]:
    """Return the 256 entries of PoseWarper's warper, as tensors that have shapes alone.

    Twenty residual blocks read differences of heatmaps, five convolutions make offsets from
    them, and five deformable convolutions of one group per joint use these.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        shapes.update({f"{name}.{part}": (_WARPER_CHANNELS,) for part in parts})
        shapes[f"{name}.num_batches_tracked"] = ()

    for block in range(_WARPER_BLOCKS):
        name, width = f"offset_feats.{block}", _WARPER_CHANNELS
        channels = num_joints if block == 0 else width
        shapes[f"{name}.conv1.weight"] = (width, channels, 3, 3)
        shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
        norm(f"{name}.bn1")
        norm(f"{name}.bn2")
        if block == 0:
            shapes[f"{name}.downsample.0.weight"] = (width, channels, 1, 1)
            norm(f"{name}.downsample.1")
    for i in range(1, _WARPS + 1):
        shapes[f"offsets{i}.weight"] = (num_joints * 9 * 2, _WARPER_CHANNELS, 3, 3)
        shapes[f"deform_conv{i}.weight"] = (num_joints, num_joints, 3, 3)
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


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
