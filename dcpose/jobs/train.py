"""Train a model: from a config to a run folder."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from dcpose.build.data import read_people
from dcpose.build.inference import build_stream, resolve_test_precision
from dcpose.build.model import build_model, build_model_to_train
from dcpose.build.training import (
    build_source,
    build_target_encoder,
    build_train_loader,
    build_train_settings,
    build_training_state,
)
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.dataset import PoseTrackClips
from dcpose.engine.distributed import broadcast_object, is_main
from dcpose.engine.faults.interruption import StopRequest
from dcpose.engine.faults.lost import explained_faults
from dcpose.engine.pictures import clip_pictures
from dcpose.engine.run.folder import Run, describe_environment, find_latest_run, new_run_dir
from dcpose.engine.run.progress import set_up_logging
from dcpose.engine.run.randomness import seed_everything
from dcpose.engine.trainer import Trainer
from dcpose.jobs.predict import VideosAndPeople
from dcpose.jobs.validate import measure
from dcpose.losses import JointsMSELoss
from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipBatch

_log = logging.getLogger(__name__)

PICTURED_CLIPS = 6


def train(
    cfg: Config,
    device: torch.device,
    run_dir: Path | None = None,
    resume: bool = False,
    weights: str | None = None,
) -> Path:
    """Train a model; return its run folder.

    Args:
        cfg: what to train.
        device: where.
        run_dir: folder to write to; None makes `runs/<experiment>/<time>`, or with `resume`
            takes the latest run of the experiment.
        resume: continue from `checkpoints/last.pt`; a `run_dir` without one starts from nothing.
        weights: whole-model weights to start from.

    Raises:
        ValueError: for anything in config, data or weights that cannot be used.
        LostWorkerError, LostProcessError: see `explained_faults`.
        Interrupted: after SIGTERM or Ctrl-C; `checkpoints/last.pt` holds all work.
    """
    experiment_dir = Path("runs") / cfg.experiment
    if run_dir is None:
        run_dir = find_latest_run(experiment_dir) if resume else new_run_dir(experiment_dir)
        run_dir = broadcast_object(run_dir)  # clocks of machines differ
    trainer = make_trainer(cfg, device, run_dir, resume, weights)
    with StopRequest() as trainer.stop, explained_faults(cfg.train.timeout_s):
        trainer.fit()
    return run_dir


def make_trainer(
    cfg: Config,
    device: torch.device,
    run_dir: Path,
    resume: bool = False,
    weights: str | None = None,
) -> Trainer:
    """Return what trains a model; see `train`. Log lines go to its run folder from now on."""
    last = run_dir / "checkpoints" / "last.pt"
    if last.exists() and not resume:
        raise ValueError(
            f"{run_dir}: holds a run already; continue it with --resume or choose another --run-dir"
        )
    run = Run(run_dir, config_to_dict(cfg), cfg.train.loggers)
    set_up_logging(run.train_log)
    seed_everything(cfg.seed)

    resuming = resume and last.exists()
    model = build_model(cfg) if resuming else build_model_to_train(cfg, weights)
    model = model.to(device)
    val_people = _check_validation(cfg, device)
    crops = build_train_loader(cfg, device)

    def validate_epoch(model: nn.Module) -> Mapping[str, float]:
        result, _ = measure(cfg, cast(TemporalModel, model), device, run_dir, val_people)
        if result is None:
            return {}
        return {result.headline: result.total, **result.details}

    shown = is_main() and cfg.train.loggers
    trainer = Trainer(
        state=build_training_state(cfg, model),
        loss=JointsMSELoss(),
        encode_targets=build_target_encoder(cfg, model.stride),
        source=build_source(cfg, model, crops, device),
        validate=validate_epoch,
        run=run,
        settings=build_train_settings(cfg, device),
        draw=_picture_maker(cast(PoseTrackClips, crops.dataset), device) if shown else None,
    )
    if resuming:
        trainer.resume(last)
    else:
        run.rewind(0)
        run.describe(describe_environment(device))
    _log.info("run folder: %s", run_dir)
    return trainer


def _check_validation(cfg: Config, device: torch.device) -> VideosAndPeople:
    """Raise now what validation would raise after an epoch of training; return whom it needs."""
    resolve_test_precision(cfg, device)
    videos, people = read_people(cfg, "val")
    build_stream(cfg, videos, people)
    return videos, people


def _picture_maker(
    dataset: PoseTrackClips, device: torch.device
) -> Callable[[nn.Module], Mapping[str, np.ndarray]]:
    """Return what draws the same few training clips after every validation."""
    step = max(1, len(dataset) // PICTURED_CLIPS)
    samples = [dataset[index] for index in range(0, len(dataset), step)[:PICTURED_CLIPS]]
    clips = ClipBatch.stack(samples)
    skeleton, affine = dataset.skeleton, dataset.options.affine
    return lambda model: clip_pictures(cast(Any, model), clips, device, skeleton, affine)
