"""A config becomes a network."""

import logging
from functools import cache
from pathlib import Path
from typing import cast

import torch

from dcpose.build.tables import BACKBONES, METHODS
from dcpose.config.models import TimmConfig
from dcpose.config.schema import Config
from dcpose.models.backbones.timm_features import TimmBackbone
from dcpose.models.interface import TemporalModel
from dcpose.weights.hub import local_weights
from dcpose.weights.loading import ReadWeights, load_backbone_weights, load_weights

_log = logging.getLogger(__name__)


def build_model(cfg: Config, weights: str | Path | ReadWeights | None = None) -> TemporalModel:
    """Build the network.

    Args:
        cfg: see `load_config`.
        weights: our own checkpoint, or a file in a released layout, or where to fetch one (see
            `local_weights`); every parameter must be in it. None initialises as the paper does,
            from the seed of the config.

    Returns:
        The model in eval mode on the CPU; call it with frames (B, F, 3, H, W), normalised RGB
        crops in time order as `model.clip` asks for them, and gaps (B, F - 1), the distances of
        consecutive frames; it returns heatmaps (B, J, H / stride, W / stride).

    Raises:
        ValueError: lists missing, unexpected and misshapen keys of the weights; or if the
            deformable convolution is mmcv's and mmcv is not there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)  # of layers that `init` does not know
        model = _network(cfg)
    if weights is None:
        generator = torch.Generator().manual_seed(cfg.seed)
        model.backbone.init(generator)
        model.init_head(generator)
    else:
        found = weights if isinstance(weights, ReadWeights) else local_weights(weights)
        _log.info("weights: %s", load_weights(model, found))
    return model.eval()


def build_model_to_train(cfg: Config, weights: str | Path | None = None) -> TemporalModel:
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
        report = load_backbone_weights(model.backbone, local_weights(cfg.model.backbone.weights))
        _log.info("backbone weights: %s", report)
    elif isinstance(cfg.model.backbone, TimmConfig) and cfg.model.backbone.pretrained:
        cast(TimmBackbone, model.backbone).load_pretrained()
        _log.info("backbone weights: those of timm's %s", cfg.model.backbone.model)
    elif cfg.model.backbone.frozen:
        raise ValueError(
            "the backbone is frozen and has no weights, so it would stay random: set "
            "model.backbone.weights=FILE (from a single_frame run, or released pose weights), "
            "give --weights, or train it too with model.backbone.frozen=false"
        )
    return model


def build_without_memory(cfg: Config) -> TemporalModel:
    """Build the network for its names, shapes and frames alone: its tensors hold no values."""
    with torch.device("meta"):
        return _network(cfg)


@cache  # a sweep asks again after every run
def count_trainable(cfg: Config) -> int:
    """Return the number of parameters that training would move, without making any."""
    parameters = build_without_memory(cfg).parameters()
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)


def _network(cfg: Config) -> TemporalModel:
    section = cfg.model
    backbone = BACKBONES[section.backbone.name](section.backbone, section.num_joints)
    model = METHODS[section.name].build(section, backbone)
    if section.backbone.frozen:
        model.freeze_backbone(keep_statistics=section.backbone.frozen_bn)
    return model
