"""Training several heads on one frozen backbone: one backbone pass per batch feeds all of them.

Shape legend: B clips, F frames seen, J joints, H x W crop pixels, h x w heatmap pixels.

Every head has its own optimizer, gradients, logs and checkpoints, and computes what it would
compute alone, operation by operation: on a CPU in float32 it ends with the same bits. Heads that
look at the same frames share their pass; one that does not look at a neighbour has a pass of its
own over the frames it sees, because a batch of another size may round differently.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dcpose.engine.distributed import world_size
from dcpose.engine.logging import with_progress
from dcpose.engine.meter import EpochMeter
from dcpose.engine.precision import autocast
from dcpose.engine.supervised import SupervisedModel
from dcpose.engine.trainer import Trainer, groups_of
from dcpose.structures import ClipBatch


class _Head(nn.Module):
    """What a model does after its backbone, for `SupervisedModel`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a DCPose, which engine does not know
        super().__init__()
        self.model = model

    def training_outputs(self, initial: Tensor, gaps: Tensor) -> list[Tensor]:
        """Return [(B, J, h, w)] of heatmaps (B, F, J, h, w) of the frames seen."""
        return [self.model.head(initial, gaps)]


class _Member:
    """A trainer and its head as they take part in an epoch."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        model: Any = trainer.model
        self.model = model
        self.seen: slice = model.seen
        alone: Any = trainer.supervised  # not wrapped, there is one process
        self.dtype: torch.dtype = alone.dtype
        self.head = SupervisedModel(_Head(model), alone.loss, self.dtype)
        self.meter = EpochMeter()

    def begin_epoch(self) -> None:
        self.head.train()
        self.meter = EpochMeter()


def fit_together(trainers: Sequence[Trainer]) -> None:
    """Train all up to their last epochs; trainers that are behind catch up first.

    Args:
        trainers: of models with equal frozen backbones in eval mode (`frozen` and `frozen_bn` of
            a `DCPose`), on one device, whose training batches are the same.

    Raises:
        ValueError: if backbones or settings differ, or are trained, or there are several
            processes.
        NonFiniteLossError: as `Trainer.fit`.
    """
    _check_that_they_can_share(trainers)
    members = [_Member(trainer) for trainer in trainers]
    while unfinished := [m for m in members if m.trainer.epoch < m.trainer.settings.epochs]:
        epoch = min(member.trainer.epoch for member in unfinished)
        behind = [member for member in unfinished if member.trainer.epoch == epoch]
        start = time.monotonic()
        _train_one_epoch(behind)
        seconds = time.monotonic() - start
        for member in behind:
            member.trainer.end_epoch(member.meter.epoch_loss, seconds)
    for trainer in trainers:
        trainer.run.close()


def _train_one_epoch(members: Sequence[_Member]) -> None:
    first = members[0].trainer
    for member in members:
        member.begin_epoch()
    batches = first.train_batches(first.epoch)
    steps = -(-len(batches) // first.settings.accumulate)
    title = f"epoch {first.epoch + 1}/{first.settings.epochs} of {len(members)} models"
    groups = members[0].meter.time_waiting(groups_of(batches, first.settings.accumulate))
    for done, group in enumerate(with_progress(groups, title, steps), start=1):
        for member in members:
            member.trainer.step += 1
        clips = sum(len(batch) for batch in group)
        for batch in group:
            _add_gradients(members, batch.to(first.device), len(batch) / clips)
        for member in members:
            member.trainer.move_weights()
            member.trainer.log_step(member.meter, done, steps)


def _add_gradients(members: Sequence[_Member], batch: ClipBatch, share: float) -> None:
    """Add the gradients of one batch, on the device, to all members."""
    frames = batch.network_input()
    targets, weights = members[0].trainer.encode_targets(batch)
    passes: dict[tuple[int, int], Tensor] = {}
    for member in members:
        seen = (member.seen.start, member.seen.stop)
        if seen not in passes:
            with autocast(frames.device, member.dtype):
                passes[seen] = member.model.initial_heatmaps(frames)
        loss = member.head(passes[seen], batch.gaps, targets, weights)
        member.trainer.add_gradient(loss, batch, share, member.meter)


def _check_that_they_can_share(trainers: Sequence[Trainer]) -> None:
    if world_size() > 1:
        raise ValueError("heads that share a backbone train in one process; do not use torchrun")
    first: Any = trainers[0]
    backbone = first.model.backbone.state_dict()
    for trainer in trainers:
        model: Any = trainer.model
        if not (model.frozen and model.frozen_bn):
            raise ValueError("a backbone that changes in training cannot be shared: freeze it")
        other = model.backbone.state_dict()
        if other.keys() != backbone.keys() or not all(
            torch.equal(backbone[name], other[name]) for name in backbone
        ):
            raise ValueError("the backbones differ; give all models the same backbone weights")
        for name in ("epochs", "accumulate", "precision"):
            if getattr(trainer.settings, name) != getattr(first.settings, name):
                raise ValueError(f"train.{name} differs; models that train together share it")
