"""A config becomes what a training needs besides the network."""

import functools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dcpose import heatmap
from dcpose.build.data import (
    build_augmentation,
    build_clip_options,
    build_skeleton,
    read_train_sets,
    read_videos,
)
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.kept_encodings import KeptEncodings, hash_clips, hash_weights
from dcpose.data.loader import EpochBatches, make_train_loader
from dcpose.data.mixed import MixedClips, Part
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.engine.distributed import barrier, rank, world_size
from dcpose.engine.encodings import FrozenEncoder, TrainingSource
from dcpose.engine.optim import make_optimizer, make_scheduler, parameter_groups
from dcpose.engine.precision import resolve_precision
from dcpose.engine.run.progress import with_progress
from dcpose.engine.state import TrainingState
from dcpose.engine.train_settings import TrainSettings
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipBatch


def build_train_loader(cfg: Config, device: torch.device | None = None) -> DataLoader[ClipBatch]:
    """Build the loader of this process's share of the augmented training clips.

    Args:
        cfg: see `load_config`.
        device: where batches go; memory is page-locked for CUDA.
    """
    return _loader(cfg, _training_clips(cfg), device, cfg.data.workers)


def _loader(
    cfg: Config, clips: PoseTrackClips | MixedClips, device: torch.device | None, workers: int
) -> DataLoader[ClipBatch]:
    return make_train_loader(
        clips,
        batch_size=cfg.train.batch_size,
        workers=workers,
        seed=cfg.seed,
        rank=rank(),
        world_size=world_size(),
        pin_memory=device is not None and device.type == "cuda",
        group_frames=cfg.data.group_frames,
        timeout_s=cfg.train.timeout_s,
    )


def _training_clips(cfg: Config) -> PoseTrackClips | MixedClips:
    def clips(videos: list[VideoAnnotation]) -> PoseTrackClips:
        return PoseTrackClips(
            videos,
            build_clip_options(cfg, training=True),
            build_augmentation(cfg),
            seed=cfg.seed,
            skeleton=build_skeleton(cfg),
            draws=cfg.data.draws,
        )

    if cfg.data.sets is None:
        return clips(read_videos(cfg, "train"))
    parts = [Part(clips(videos), one.share, one.weight) for one, videos in read_train_sets(cfg)]
    return MixedClips(parts, cfg.seed)


def build_source(
    cfg: Config, model: TemporalModel, crops: DataLoader[ClipBatch], device: torch.device
) -> TrainingSource:
    """Build where a training has its batches from.

    A constant backbone encodes crops outside the training step, through a prepared copy; with
    `train.cache_encodings` its encodings come from the disk. The model may move and get other
    weights until the first batch is asked for.

    Args:
        cfg: see `load_config`.
        model: whose backbone encodes.
        crops: from `build_train_loader`.
        device: where to compute.
    """
    encoder = build_encoder(cfg, model, device) if model.backbone_is_constant else None

    @functools.cache  # not before the first epoch, when weights to resume with are in place
    def loader() -> DataLoader[ClipBatch]:
        if cfg.train.cache_encodings is None or encoder is None:
            return crops
        return _loader_of_kept(cfg, model, cast(PoseTrackClips, crops.dataset), encoder, device)

    return TrainingSource(lambda epoch, skip: EpochBatches(loader(), epoch, skip), encoder)


def build_encoder(cfg: Config, model: TemporalModel, device: torch.device) -> FrozenEncoder:
    """Build what encodes crops with a model's constant backbone, as it is at the first crop."""
    dtype = resolve_precision(cfg.train.precision, device)

    @functools.cache
    def make_network() -> nn.Module:
        images = example_clips(1, model.example_wh, device=device)[0].flatten(0, 1)
        return prepare_for_inference(model.image_encoder(), [images], dtype)

    return FrozenEncoder(make_network, dtype, model.used)


def _loader_of_kept(
    cfg: Config,
    model: TemporalModel,
    dataset: PoseTrackClips,
    encoder: FrozenEncoder,
    device: torch.device,
) -> DataLoader[ClipBatch]:
    """Build the loader of the same clips with encodings from the disk in place of crops.

    Those that are not in the folder yet are computed first, by the main process.

    Raises:
        ValueError: if the folder holds encodings of other weights, data or config.
        WriteError: if they cannot be written.
    """
    folder = Path(cfg.train.cache_encodings or "")
    all_frames = replace(encoder, used=slice(None))

    def encode(batch: ClipBatch) -> Tensor:
        return cast(Tensor, all_frames.clips(batch.to(device)).encoded)

    kept = KeptEncodings(folder, _key(cfg, model, dataset, encoder.dtype), cfg.data.draws or 1)
    if rank() == 0:
        kept.fill(dataset, encode, cfg.train.batch_size, cfg.data.workers, with_progress)
    barrier()
    clips: Any = kept.clips(dataset.people, model.used)  # of the same length and keys
    return _loader(cfg, clips, device, workers=0)  # rows of a memory map: nothing to decode


def _key(
    cfg: Config, model: TemporalModel, dataset: PoseTrackClips, dtype: torch.dtype
) -> dict[str, Any]:
    """Return all that the encodings of the training clips depend on."""
    values = config_to_dict(cfg)
    data = ("crop_wh", "box_enlarge", "affine", "max_gap", "missing_neighbors", "augment", "draws")
    backbone = values["model"]["backbone"]
    return {
        "weights": hash_weights(model.backbone),
        "encodes": model.encodes,
        "clips": hash_clips(dataset),
        "seed": cfg.seed,
        "precision": str(dtype),
        "frames": dataset.options.frames,
        "data": {name: values["data"][name] for name in data},
        "backbone": {name: value for name, value in backbone.items() if name != "weights"},
    }


def build_target_encoder(cfg: Config, stride: int) -> Callable[[ClipBatch], tuple[Tensor, Tensor]]:
    """Build the map from a batch to target heatmaps (B, J, h, w) and weights (B, J)."""
    crop_wh = cfg.data.crop_wh
    heatmap_wh = (crop_wh[0] // stride, crop_wh[1] // stride)
    factors = cfg.train.joint_weights

    def encode(batch: ClipBatch) -> tuple[Tensor, Tensor]:
        if batch.joints is None or batch.joint_weights is None:
            raise ValueError("the batch carries no joints: it was made for inference")
        weights = batch.joint_weights
        if factors is not None:
            weights = weights * weights.new_tensor(factors)
        return heatmap.encode(
            batch.joints,
            weights,
            crop_wh,
            heatmap_wh,
            cfg.data.sigma,
            unbiased=cfg.data.affine == "udp",
        )

    return encode


def build_training_state(cfg: Config, model: TemporalModel) -> TrainingState:
    """Build optimizer, schedule and averages of a model that is on its device."""
    optim = cfg.optim
    groups = parameter_groups(
        model,
        optim.lr,
        optim.weight_decay,
        layers=model.backbone.layers(),
        layer_decay=optim.layer_decay,
        decayed=optim.decayed,
    )
    optimizer = make_optimizer(groups, optim.name, optim.lr)
    scheduler = make_scheduler(optimizer, optim.milestones, optim.gamma)
    dtype = resolve_precision(cfg.train.precision, next(model.parameters()).device)
    return TrainingState(
        model, optimizer, scheduler, dtype, cfg.train.ema_decay, optim.warmup_steps
    )


def build_train_settings(cfg: Config, device: torch.device) -> TrainSettings:
    """Collect the knobs of the training loop."""
    names = {field.name for field in fields(TrainSettings)} - {"dtype"}
    return TrainSettings(
        dtype=resolve_precision(cfg.train.precision, device),
        **{name: getattr(cfg.train, name) for name in names},
    )
