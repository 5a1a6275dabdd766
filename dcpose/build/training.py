"""A config becomes what a training needs besides the network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dcpose import heatmap
from dcpose.build.data import build_augmentation, build_clip_options, build_skeleton, read_videos
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.heatmap_cache import HeatmapCache, hash_clips, hash_weights
from dcpose.data.loader import make_train_loader
from dcpose.engine.distributed import barrier
from dcpose.engine.inference import HEATMAP_STRIDE
from dcpose.engine.optim import make_optimizer
from dcpose.engine.precision import autocast, resolve_precision
from dcpose.engine.run.progress import with_progress
from dcpose.engine.train_settings import TrainSettings
from dcpose.models.dcpose.network import DCPose
from dcpose.structures import ClipBatch


def build_train_loader(
    cfg: Config, rank: int = 0, world_size: int = 1, pin_memory: bool = False
) -> DataLoader[ClipBatch]:
    """Build the loader of augmented training clips; see `make_train_loader`."""
    dataset = PoseTrackClips(
        read_videos(cfg, "train"),
        build_clip_options(cfg, training=True),
        build_augmentation(cfg),
        seed=cfg.seed,
        skeleton=build_skeleton(cfg),
        draws=cfg.data.draws,
    )
    return make_train_loader(
        dataset,
        batch_size=cfg.train.batch_size,
        workers=cfg.data.workers,
        seed=cfg.seed,
        rank=rank,
        world_size=world_size,
        pin_memory=pin_memory,
        group_frames=cfg.data.group_frames,
        timeout_s=cfg.train.timeout_s,
    )


def build_cached_train_loader(
    cfg: Config, model: DCPose, dataset: PoseTrackClips, rank: int, world_size: int
) -> DataLoader[ClipBatch]:
    """Build the loader of the same clips with heatmaps of the frozen backbone instead of crops.

    Heatmaps that are not in the folder yet are computed first, by the main process.

    Args:
        cfg: its `train.cache_heatmaps` names the folder.
        model: in training mode, on its device.
        dataset: the clips.
        rank: this process.
        world_size: number of processes.

    Raises:
        ValueError: if the folder holds heatmaps of other weights, data or config.
        WriteError: if they cannot be written.
    """
    device = next(model.parameters()).device
    dtype = resolve_precision(cfg.train.precision, device)

    @torch.no_grad()
    def heatmaps_of(batch: ClipBatch) -> Tensor:
        frames = batch.to(device).network_input()
        with autocast(device, dtype):
            return model.image_heatmaps(frames.flatten(0, 1)).unflatten(0, tuple(frames.shape[:2]))

    folder = Path(cfg.train.cache_heatmaps or "")
    cache = HeatmapCache(folder, _cache_key(cfg, model, dataset, dtype), cfg.data.draws or 1)
    if rank == 0:
        cache.fill(dataset, heatmaps_of, cfg.train.batch_size, cfg.data.workers, with_progress)
    barrier()
    return make_train_loader(
        cache.clips(dataset.people, model.seen),  # type: ignore[arg-type]  # same length and keys
        batch_size=cfg.train.batch_size,
        workers=0,  # rows of a memory map: nothing to decode
        seed=cfg.seed,
        rank=rank,
        world_size=world_size,
        pin_memory=device.type == "cuda",
        group_frames=cfg.data.group_frames,
    )


def _cache_key(
    cfg: Config, model: DCPose, dataset: PoseTrackClips, dtype: torch.dtype
) -> dict[str, Any]:
    """Return all that the heatmaps of the training clips depend on."""
    values = config_to_dict(cfg)
    data = ("crop_wh", "box_enlarge", "max_gap", "missing_neighbors", "augment", "draws")
    backbone = values["model"]["backbone"]
    return {
        "weights": hash_weights(model.backbone),
        "clips": hash_clips(dataset),
        "seed": cfg.seed,
        "precision": str(dtype),
        "data": {name: values["data"][name] for name in data},
        "backbone": {name: value for name, value in backbone.items() if name != "weights"},
    }


def build_target_encoder(cfg: Config) -> Callable[[ClipBatch], tuple[Tensor, Tensor]]:
    """Build the map from a batch to target heatmaps (B, J, h, w) and weights (B, J)."""
    crop_wh = cfg.data.crop_wh
    heatmap_wh = (crop_wh[0] // HEATMAP_STRIDE, crop_wh[1] // HEATMAP_STRIDE)

    def encode(batch: ClipBatch) -> tuple[Tensor, Tensor]:
        if batch.joints is None or batch.joint_weights is None:
            raise ValueError("the batch carries no joints: it was made for inference")
        return heatmap.encode(
            batch.joints, batch.joint_weights, crop_wh, heatmap_wh, cfg.data.sigma
        )

    return encode


def build_optimizer(cfg: Config, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer of the parameters that are trained."""
    return make_optimizer(
        model.parameters(), cfg.optim.name, cfg.optim.lr, weight_decay=cfg.optim.weight_decay
    )


def build_train_settings(cfg: Config) -> TrainSettings:
    """Collect the knobs of the training loop."""
    return TrainSettings(
        epochs=cfg.train.epochs,
        precision=cfg.train.precision,
        accumulate=cfg.train.accumulate,
        clip_grad_norm=cfg.train.clip_grad_norm,
        ema_decay=cfg.train.ema_decay,
        validate_every=cfg.train.validate_every,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        nonfinite_limit=cfg.train.nonfinite_limit,
    )
