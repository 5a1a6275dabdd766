"""What can be chosen by name: networks that see one frame, and methods that work on them.

A row is a function that builds the network from its own section of the config. The section's class
(`config.models`) says the name and the keys; docs/adding.md shows how to add one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from dcpose.config.models import (
    BackboneSection,
    DCPoseConfig,
    EfficientNetLiteConfig,
    FamiConfig,
    PoseWarperConfig,
    TarConfig,
)
from dcpose.models.backbones.efficientnet_lite import EfficientNetLite
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.models.backbones.timm_features import TimmBackbone
from dcpose.models.backbones.vit import ViT
from dcpose.models.blocks import residual_chain
from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.dcpose.network import DCPose
from dcpose.models.dcpose.temporal import (
    CurrentHeatmaps,
    PoseResidualFusion,
    PoseTemporalMerger,
    SummedHeatmaps,
    SummedResiduals,
)
from dcpose.models.fami import FAMI
from dcpose.models.interface import Backbone, TemporalModel
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame
from dcpose.models.tar import TAR


def _own_keys(section: BackboneSection) -> dict[str, Any]:
    """Return the keys that this backbone alone has, which its class takes by the same names."""
    names = type(section).model_fields.keys() - BackboneSection.model_fields.keys()
    return {name: getattr(section, name) for name in names}


def _efficientnet_lite(section: EfficientNetLiteConfig, num_joints: int) -> EfficientNetLite:
    return EfficientNetLite(
        num_joints,
        channels=section.neck.channels,
        frozen_blocks=section.frozen_blocks,
        keep_statistics=section.trunk_bn == "keep",
    )


def _posewarper(section: PoseWarperConfig, backbone: Backbone) -> PoseWarper:
    sizes = section.warper
    warper = HeatmapWarper(section.num_joints, sizes.blocks, sizes.channels, sizes.dilations)
    return PoseWarper(backbone, warper)


def _tar(section: TarConfig, backbone: Backbone) -> TAR:
    return TAR(
        backbone,
        num_joints=section.num_joints,
        layers=section.jta.layers,
        heads=section.jta.heads,
        threshold=section.jta.threshold,
        token_order=section.token_order,
    )


def _fami(section: FamiConfig, backbone: Backbone) -> FAMI:
    return FAMI(
        backbone,
        num_joints=section.num_joints,
        num_frames=section.frames,
        channels=section.channels,
        offset_groups=section.offset_groups,
        mutual_information=section.mutual_information,
    )


def _dcpose(section: DCPoseConfig, backbone: Backbone) -> DCPose:
    if section.pcn.deform_conv == "mmcv":
        _require_mmcv()
    ptm, merged_channels = _merger(section)
    prf, residual_channels = _residual_fusion(section)
    return DCPose(
        backbone=backbone,
        ptm=ptm,
        prf=prf,
        fusion=residual_chain(
            residual_channels + merged_channels, section.fusion.channels, section.fusion.blocks
        ),
        pcn=PoseCorrectionNetwork(
            feature_channels=section.fusion.channels,
            merged_channels=merged_channels,
            num_joints=section.num_joints,
            dilations=section.pcn.dilations,
            implementation=section.pcn.deform_conv,
            masks=section.pcn.masks,
        ),
        neighbors=section.neighbors,
        start=section.start,
    )


def _merger(section: DCPoseConfig) -> tuple[nn.Module, int]:
    """Return the PTM, or what replaces it, and the number of its output channels."""
    ptm, groups, joints = section.ptm, _groups(section), section.num_joints
    if ptm.replaced_by == "current":
        return CurrentHeatmaps(section.neighbors), joints
    if ptm.blocks is None or ptm.channels is None:  # the config makes sure that it is replaced
        return SummedHeatmaps(joints, groups), joints
    merger = PoseTemporalMerger(joints, ptm.blocks, ptm.channels, section.neighbors, groups)
    return merger, ptm.channels


def _residual_fusion(section: DCPoseConfig) -> tuple[nn.Module, int]:
    """Return the PRF, or what replaces it, and the number of its output channels."""
    prf, groups, joints = section.prf, _groups(section), section.num_joints
    if prf.blocks is None or prf.channels is None:  # the config makes sure that it is replaced
        return SummedResiduals(joints, section.neighbors, groups, prf.second_residual), joints
    fusion = PoseResidualFusion(
        joints, prf.blocks, prf.channels, section.neighbors, groups, prf.second_residual
    )
    return fusion, prf.channels


def _groups(section: DCPoseConfig) -> int:
    return section.num_joints if section.grouping == "joint" else 1


def _require_mmcv() -> None:
    try:
        import mmcv.ops  # noqa: F401 - optional
    except ImportError as error:
        raise ValueError(
            f"model.pcn.deform_conv: found 'mmcv', but its operators cannot be imported ({error}); "
            f"install mmcv, or set model.pcn.deform_conv=auto"
        ) from error


BACKBONES: dict[str, Callable[[Any, int], Backbone]] = {
    "hrnet": lambda section, joints: HRNet(num_joints=joints, **_own_keys(section)),
    "simple_baseline": lambda section, joints: SimpleBaseline(
        num_joints=joints, **_own_keys(section)
    ),
    "vit": lambda section, joints: ViT(num_joints=joints, **_own_keys(section)),
    "efficientnet_lite": _efficientnet_lite,
    "timm": lambda section, joints: TimmBackbone(
        section.model, joints, section.neck.channels, section.image_wh
    ),
}
"""By `model.backbone.name`: section and number of joints to backbone."""


class Method(NamedTuple):
    """A way to find poses in clips.

    Attributes:
        network: its class, which says what frames it wants (`clip`).
        build: section of the config and backbone to network.
    """

    network: type[TemporalModel]
    build: Callable[[Any, Backbone], TemporalModel]


METHODS: dict[str, Method] = {
    "dcpose": Method(DCPose, _dcpose),
    "single_frame": Method(SingleFrame, lambda section, backbone: SingleFrame(backbone)),
    "posewarper": Method(PoseWarper, _posewarper),
    "tar": Method(TAR, _tar),
    "fami": Method(FAMI, _fami),
}
"""By `model.name`."""
