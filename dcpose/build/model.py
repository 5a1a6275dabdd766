"""A config becomes a network."""

import logging
from pathlib import Path

import torch
from torch import nn

from dcpose.config.models import ModelConfig
from dcpose.config.schema import Config
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
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
from dcpose.models.initialise import init_weights
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame
from dcpose.weights.loading import load_backbone_weights, load_weights

_log = logging.getLogger(__name__)

Model = DCPose | SingleFrame | PoseWarper


def build_model(cfg: Config, weights: str | Path | None = None) -> Model:
    """Build the network.

    Args:
        cfg: see `load_config`.
        weights: our own checkpoint, or a file in a released layout; every parameter must be in
            it. None initialises as the paper does, from the seed of the config.

    Returns:
        The model in eval mode on the CPU; call it with frames (B, F, 3, H, W), normalised RGB
        crops, prev, cur, next for DCPose, and gaps (B, 2); it returns heatmaps
        (B, J, H / 4, W / 4).

    Raises:
        ValueError: lists missing, unexpected and misshapen keys of the weights; or if the
            deformable convolution is mmcv's and mmcv is not there.
    """
    generator = torch.Generator().manual_seed(cfg.seed)
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation, replaced below, draws
        backbone = build_backbone(cfg)
        model = _on_backbone(cfg, backbone)
    init_weights(backbone, generator)
    if not isinstance(model, SingleFrame):
        model.init_head(generator)
    if weights is not None:
        _log.info("weights: %s", load_weights(model, weights))
    return model.eval()


def build_model_to_train(cfg: Config, weights: str | Path | None = None) -> Model:
    """Build the network as training starts with it.

    Args:
        cfg: `model.backbone.weights` fills the backbone.
        weights: fills the whole model instead, to continue from somebody's training.

    Raises:
        ValueError: if weights do not fit, or a frozen backbone would stay random.
    """
    if weights is not None:
        return build_model(cfg, weights)
    model = build_model(cfg)
    if cfg.model.backbone.weights is not None:
        report = load_backbone_weights(model.backbone, cfg.model.backbone.weights)
        _log.info("backbone weights: %s", report)
    elif cfg.model.backbone.frozen:
        raise ValueError(
            "the backbone is frozen and has no weights, so it would stay random: set "
            "model.backbone.weights=FILE (from a single_frame run, or released pose weights), "
            "give --weights, or train it too with model.backbone.frozen=false"
        )
    return model


def count_trainable(cfg: Config) -> int:
    """Return the number of parameters that training would move, without making any."""
    with torch.device("meta"):
        model = _on_backbone(cfg, build_backbone(cfg))
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def build_backbone(cfg: Config) -> nn.Module:
    """Build the network that maps images (N, 3, H, W) to heatmaps (N, J, H / 4, W / 4)."""
    backbone, num_joints = cfg.model.backbone, cfg.model.num_joints
    if backbone.name == "simple_baseline":
        return SimpleBaseline(backbone.depth, num_joints, backbone.deconv_channels)
    return HRNet(
        width=backbone.width,
        num_joints=num_joints,
        modules=backbone.modules,
        blocks=backbone.blocks,
        stem_channels=backbone.stem_channels,
    )


def _on_backbone(cfg: Config, backbone: nn.Module) -> Model:
    model = cfg.model
    if model.name == "single_frame":
        return SingleFrame(backbone)
    if model.name == "posewarper":
        sizes = model.warper
        warper = HeatmapWarper(model.num_joints, sizes.blocks, sizes.channels, sizes.dilations)
        return PoseWarper(backbone, warper, model.backbone.frozen, model.backbone.frozen_bn)
    if model.pcn.deform_conv == "mmcv":
        _require_mmcv()
    ptm, merged_channels = _merger(model)
    prf, residual_channels = _residual_fusion(model)
    return DCPose(
        backbone=backbone,
        ptm=ptm,
        prf=prf,
        fusion=residual_chain(
            residual_channels + merged_channels, model.fusion.channels, model.fusion.blocks
        ),
        pcn=PoseCorrectionNetwork(
            feature_channels=model.fusion.channels,
            merged_channels=merged_channels,
            num_joints=model.num_joints,
            dilations=model.pcn.dilations,
            implementation=model.pcn.deform_conv,
            masks=model.pcn.masks,
        ),
        frozen=model.backbone.frozen,
        frozen_bn=model.backbone.frozen_bn,
        neighbors=model.neighbors,
    )


def _merger(model: ModelConfig) -> tuple[nn.Module, int]:
    """Return the PTM, or what replaces it, and the number of its output channels."""
    ptm, groups, joints = model.ptm, _groups(model), model.num_joints
    if ptm.replaced_by == "current":
        return CurrentHeatmaps(model.neighbors), joints
    if ptm.blocks is None or ptm.channels is None:  # the config makes sure that it is replaced
        return SummedHeatmaps(joints, groups), joints
    merger = PoseTemporalMerger(joints, ptm.blocks, ptm.channels, model.neighbors, groups)
    return merger, ptm.channels


def _residual_fusion(model: ModelConfig) -> tuple[nn.Module, int]:
    """Return the PRF, or what replaces it, and the number of its output channels."""
    prf, groups, joints = model.prf, _groups(model), model.num_joints
    if prf.blocks is None or prf.channels is None:  # the config makes sure that it is replaced
        return SummedResiduals(joints, model.neighbors, groups, prf.second_residual), joints
    fusion = PoseResidualFusion(
        joints, prf.blocks, prf.channels, model.neighbors, groups, prf.second_residual
    )
    return fusion, prf.channels


def _groups(model: ModelConfig) -> int:
    return model.num_joints if model.grouping == "joint" else 1


def _require_mmcv() -> None:
    try:
        import mmcv.ops  # noqa: F401 - optional
    except ImportError as error:
        raise ValueError(
            f"model.pcn.deform_conv: found 'mmcv', but its operators cannot be imported ({error}); "
            f"install mmcv, or set model.pcn.deform_conv=auto"
        ) from error
