"""Suite share_backbone: ablations trained one by one against heads that share the backbone."""

from __future__ import annotations

import contextlib
import itertools
import logging
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import clock
from benchmarks.measure import Options, Table, side_by_side
from dcpose.build import (
    build_model,
    build_optimizer,
    build_target_encoder,
    build_train_settings,
)
from dcpose.config import Config, load_config
from dcpose.engine.logging import LOGGER_NAME, Run
from dcpose.engine.optim import make_scheduler
from dcpose.engine.shared_backbone import Member, train_one_epoch
from dcpose.engine.trainer import Trainer
from dcpose.losses import JointsMSELoss
from dcpose.structures import ClipBatch, PersonRecord

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMOKE_OVERRIDES = [
    "data.crop_wh=[64,64]", "model.backbone.width=4", "model.backbone.modules=[1,1,1]",
    "model.backbone.blocks=1", "model.backbone.stem_channels=4",
]  # fmt: skip
CLIPS = {"cuda": 32, "cpu": 1}
"""Clips in a step, by device."""


def measure_share_backbone(options: Options) -> list[Table]:
    """Compare the rows of Table 5; see `compare_variants`."""
    paths = sorted((CONFIGS / "ablations").glob("*.yaml"))
    if options.smoke:
        paths = paths[:2]
    overrides = SMOKE_OVERRIDES if options.smoke else []
    return [compare_variants([load_config(path, overrides) for path in paths], options)]


def compare_variants(variants: Sequence[Config], options: Options) -> Table:
    """Measure a training step of all variants, one by one and on a shared backbone.

    Both are the steps of real training, on random crops that are there already: with one clip on
    a CPU, with 32 on CUDA. A pass is a call of the backbone on one frame of all clips.

    Args:
        variants: their configs.
        options: device, and number of steps of each way.
    """
    timer = _PassTimer(options.device)
    with _trainers(variants, options.device, timer) as groups:
        trainers = [trainer for group in groups for trainer in group]
        members = [[Member(trainer) for trainer in group] for group in groups]
        parts: dict[str, list[tuple[int, float]]] = {"one by one": [], "--share-backbone": []}
        ways: dict[str, Callable[[], object]] = {
            "one by one": lambda: [trainer.train_one_epoch() for trainer in trainers],
            "--share-backbone": lambda: train_one_epoch(members),
        }
        recorded = {
            name: lambda name=name, way=way: parts[name].append(timer.read(way))
            for name, way in ways.items()
        }
        warm_up = 1 if options.device.type == "cuda" else 0  # a step on a CPU takes minutes
        timings = side_by_side(recorded, options, warm_up)
    rows = []
    for name, timing in timings.items():
        passes, seconds = zip(*parts[name][warm_up:], strict=True)
        backbone = statistics.median(seconds)
        rows.append(
            {"what": name, "backbone_passes": passes[0], "seconds_backbone": backbone,
             "seconds_rest": timing.seconds - backbone, "seconds_step": timing.seconds,
             "cpu_seconds_step": timing.cpu_seconds,
             "part_of_one_by_one": timing.seconds / timings["one by one"].seconds}
        )  # fmt: skip
    clips = CLIPS[options.device.type]
    title = f"{len(variants)} variants, {clips} clips a step, {options.device}, {options.runs} runs"
    return Table(title, rows)


class _PassTimer:
    """Counts and times the backbone's passes of models."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._passes, self._seconds = 0, 0.0

    def watch(self, model: Any) -> None:  # noqa: ANN401 - its method is replaced
        """Look at the passes of a model from now on."""
        image_heatmaps = model.image_heatmaps

        def timed(images: Tensor) -> Tensor:
            start = clock(self._device)
            heatmaps = image_heatmaps(images)
            self._seconds += clock(self._device) - start
            self._passes += 1
            return heatmaps

        model.image_heatmaps = timed

    def read(self, run: Callable[[], object]) -> tuple[int, float]:
        """Run something; return the number of passes in it, and their seconds."""
        self._passes, self._seconds = 0, 0.0
        run()
        return self._passes, self._seconds


@contextlib.contextmanager
def _trainers(
    variants: Sequence[Config], device: torch.device, timer: _PassTimer
) -> Iterator[list[list[Trainer]]]:
    """Yield trainers of the variants with one batch an epoch, in groups that see the same clips."""
    logger = logging.getLogger(LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.WARNING)
    groups: dict[int, list[Trainer]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, cfg in enumerate(variants):
            trainer = _trainer(cfg, device, Path(folder) / str(number))
            timer.watch(trainer.model)
            groups.setdefault(cfg.data.max_gap, []).append(trainer)
        try:
            yield list(groups.values())
        finally:
            for trainer in itertools.chain.from_iterable(groups.values()):
                trainer.run.close()
            logger.setLevel(level)


def _trainer(cfg: Config, device: torch.device, run_dir: Path) -> Trainer:
    model = build_model(cfg).to(device)
    optimizer = build_optimizer(cfg, model)
    batch = _random_batch(cfg, CLIPS[device.type])

    def one_batch(epoch: int, skip: int = 0) -> list[ClipBatch]:
        return [batch]

    return Trainer(
        model=model,
        loss=JointsMSELoss(),
        encode_targets=build_target_encoder(cfg),
        train_batches=one_batch,
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer, cfg.optim.milestones, cfg.optim.gamma),
        validate=lambda model: {},
        run=Run(run_dir, {}),
        settings=build_train_settings(cfg),
    )


def _random_batch(cfg: Config, clips: int) -> ClipBatch:
    """Return clips whose current crops are the same for every window T, and no others."""
    width, height = cfg.data.crop_wh
    joints = cfg.model.num_joints
    shape = (clips, height, width, 3)
    seeds = (2 * cfg.data.max_gap + 1, 0, 2 * cfg.data.max_gap + 2)
    crops = [np.random.default_rng(seed).integers(0, 256, shape, np.uint8) for seed in seeds]
    rng = np.random.default_rng(0)
    points = rng.uniform((0, 0), (width, height), (clips, joints, 2)).astype(np.float32)
    return ClipBatch(
        people=[PersonRecord("random", 0, 0, np.array([0.0, 0.0, width, height]))] * clips,
        frames=torch.from_numpy(np.stack(crops, axis=1)),
        gaps=torch.ones(clips, 2),
        crop_to_image=torch.eye(2, 3, dtype=torch.float64).repeat(clips, 1, 1),
        joints=torch.from_numpy(points),
        joint_weights=torch.ones(clips, joints),
    )
