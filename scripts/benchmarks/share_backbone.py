"""Suite share_backbone: ablations trained one by one against heads that share the backbone."""

from __future__ import annotations

import contextlib
import itertools
import logging
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.machine import clock
from benchmarks.measure import Options, Table, side_by_side
from benchmarks.network import SMALL_HRNET, enliven
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.build.model import build_model
from dcpose.build.training import (
    build_encoder,
    build_target_encoder,
    build_train_loader,
    build_train_settings,
    build_training_state,
)
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.data.loader import EpochBatches
from dcpose.engine.encodings import FrozenEncoder, TrainingSource
from dcpose.engine.run.folder import Run
from dcpose.engine.run.progress import LOGGER_NAME
from dcpose.engine.together import steps_together
from dcpose.engine.trainer import Trainer
from dcpose.losses import JointsMSELoss
from dcpose.structures import ClipBatch

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CLIPS = {"cuda": 32, "cpu": 4}
"""Clips in a step, by device."""
STEPS = {"cuda": 4, "cpu": 1}
"""Steps in a run, by device."""
DATA_OVERRIDES = [
    "data.layout=posetrack18", "data.train_annotations=annotations/val",
    "data.val_detections=null", "data.workers=0",
]  # fmt: skip


def measure_share_backbone(options: Options) -> list[Table]:
    """Compare the rows of Table 5; see `compare_variants`."""
    paths = sorted((CONFIGS / "ablations").glob("*.yaml"))
    size = VideoSize(3, 40, people=2)
    if options.smoke:
        paths, size = paths[:2], VideoSize(2, 6, people=2, image_wh=(160, 120))
    overrides = [*DATA_OVERRIDES, *(SMALL_HRNET if options.smoke else [])]
    with tempfile.TemporaryDirectory() as root:
        write_video_set(Path(root), size)
        overrides += [f"data.root={root}", f"train.batch_size={CLIPS[options.device.type]}"]
        return [compare_variants([load_config(path, overrides) for path in paths], options)]


def compare_variants(variants: Sequence[Config], options: Options) -> Table:
    """Measure some steps of training all variants, one by one and on a shared backbone.

    Both are real training, loading included: every run has its loader, and with a shared backbone
    every window T has one. Backbones have random weights that keep the scale of the signal.

    Args:
        variants: their configs.
        options: device, and number of runs of each way.
    """
    timer = _Timer(options.device)
    steps = STEPS[options.device.type]
    with _trainers(variants, options.device, timer, steps) as (groups, encoders):
        trainers = [trainer for group in groups for trainer in group]
        parts: dict[str, list[tuple[int, float, float]]] = {
            "one by one": [],
            "--share-backbone": [],
        }
        ways: dict[str, Callable[[], object]] = {
            "one by one": lambda: _one_by_one(trainers),
            "--share-backbone": lambda: _together(groups, encoders[0]),
        }
        recorded = {
            name: lambda name=name, way=way: parts[name].append(timer.read(way))
            for name, way in ways.items()
        }
        warm_up = 1 if options.device.type == "cuda" else 0  # a step on a CPU takes minutes
        timings = side_by_side(recorded, options, warm_up)
    clips = variants[0].train.batch_size
    rows = []
    for name, timing in timings.items():
        crops, *seconds = zip(*parts[name][warm_up:], strict=True)
        backbone, loading = (statistics.median(part) / steps for part in seconds)
        step = timing.seconds / steps
        rows.append(
            {"what": name, "crops_through_backbone_per_clip": crops[0] / steps / clips,
             "seconds_loading": loading, "seconds_backbone": backbone,
             "seconds_heads": step - backbone - loading, "seconds_step": step,
             "cpu_seconds_step": timing.cpu_seconds / steps,
             "part_of_one_by_one": timing.seconds / timings["one by one"].seconds,
             "part_by_cpu_time": timing.cpu_seconds / timings["one by one"].cpu_seconds}
        )  # fmt: skip
    title = (
        f"{len(variants)} variants, {clips} clips a step, {steps} steps, {options.device}, "
        f"{options.runs} runs"
    )
    return Table(title, rows)


def _one_by_one(trainers: Sequence[Trainer]) -> None:
    for trainer in trainers:
        trainer.state.batches_done = 0
        for _ in trainer.steps(trainer.source.batches(0, 0)):
            pass


def _together(groups: Sequence[Sequence[Trainer]], encoder: FrozenEncoder) -> None:
    for trainer in itertools.chain.from_iterable(groups):
        trainer.state.batches_done = 0
    for _ in steps_together(groups, encoder)[0]:
        pass


class _Timer:
    """Counts crops that pass the backbones of models, and times the passes and the loading."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._crops, self._passing, self._loading = 0, 0.0, 0.0

    def watched(self, encoder: FrozenEncoder) -> FrozenEncoder:
        """Return an encoder whose passes are looked at."""
        network = encoder.network()  # made once in a training, not in every few steps

        def images(x: Tensor) -> Tensor:
            start = clock(self._device)
            encodings = encoder.images(x)
            self._passing += clock(self._device) - start
            self._crops += len(x)
            return encodings

        watched = replace(encoder, network=lambda: network)
        object.__setattr__(watched, "images", images)
        return watched

    def watch_loading(self, batches: Iterable[ClipBatch]) -> Iterator[ClipBatch]:
        """Pass batches on."""
        iterator = iter(batches)
        while True:
            start = clock(self._device)
            batch = next(iterator, None)
            self._loading += clock(self._device) - start
            if batch is None:
                return
            yield batch

    def read(self, run: Callable[[], object]) -> tuple[int, float, float]:
        """Run something; return the crops that passed, seconds of their passes and of loading."""
        self._crops, self._passing, self._loading = 0, 0.0, 0.0
        run()
        return self._crops, self._passing, self._loading


class _FewBatches:
    """The first batches of an epoch."""

    def __init__(self, batches: EpochBatches, count: int, timer: _Timer) -> None:
        self._batches = batches
        self._count = count
        self._timer = timer

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ClipBatch]:
        return self._timer.watch_loading(itertools.islice(self._batches, self._count))


@contextlib.contextmanager
def _trainers(
    variants: Sequence[Config], device: torch.device, timer: _Timer, steps: int
) -> Iterator[tuple[list[list[Trainer]], list[FrozenEncoder]]]:
    """Yield trainers of the variants, of some steps an epoch, in groups that see the same clips."""
    logger = logging.getLogger(LOGGER_NAME)
    level = logger.level
    logger.setLevel(logging.WARNING)
    groups: dict[int, list[Trainer]] = {}
    encoders = []
    with tempfile.TemporaryDirectory() as folder:
        for number, cfg in enumerate(variants):
            trainer, encoder = _trainer(cfg, device, Path(folder) / str(number), timer, steps)
            encoders.append(encoder)
            groups.setdefault(cfg.data.max_gap, []).append(trainer)
        try:
            yield list(groups.values()), encoders
        finally:
            for trainer in itertools.chain.from_iterable(groups.values()):
                trainer.run.close()
            logger.setLevel(level)


def _trainer(
    cfg: Config, device: torch.device, run_dir: Path, timer: _Timer, steps: int
) -> tuple[Trainer, FrozenEncoder]:
    model = build_model(cfg).to(device)
    enliven(model.backbone)
    encoder = timer.watched(build_encoder(cfg, model, device))
    loader = build_train_loader(cfg, device)

    def few_batches(epoch: int, skip: int = 0) -> _FewBatches:
        return _FewBatches(EpochBatches(loader, epoch, skip), steps, timer)

    trainer = Trainer(
        state=build_training_state(cfg, model),
        loss=JointsMSELoss(),
        encode_targets=build_target_encoder(cfg, model.stride),
        source=TrainingSource(few_batches, encoder),
        validate=lambda model: {},
        run=Run(run_dir, {}),
        settings=build_train_settings(cfg, device),
    )
    return trainer, encoder
