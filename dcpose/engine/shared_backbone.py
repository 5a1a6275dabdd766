"""Training several heads on one frozen backbone: its heatmaps of a frame feed all of them.

Shape legend: B clips, F frames seen, J joints, H x W crop pixels, h x w heatmap pixels.

Every head has its own optimizer, gradients, logs and checkpoints, and computes what it would
compute alone, operation by operation: on a CPU in float32 it ends with the same bits. The backbone
sees every crop once, whichever heads look at it (`OnBackbone.image_heatmaps`). Heads whose clips
differ, because neighbours lie farther away, share the crops that are the same: all current ones,
and the neighbours where the draws agree. On CUDA a crop's heatmaps may depend on the batch that it
is in, by what convolutions of another size round.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dcpose.engine.distributed import world_size
from dcpose.engine.faults.interruption import Interrupted
from dcpose.engine.precision import autocast
from dcpose.engine.run.progress import with_progress
from dcpose.engine.supervised import HeadOnly, SupervisedModel
from dcpose.engine.trainer import Trainer
from dcpose.iteration import groups_of
from dcpose.structures import ClipBatch, normalise


class Member:
    """A trainer, of a `DCPose`, and its head as they take part in an epoch."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        model: Any = trainer.model
        self.model = model
        self.seen: slice = model.seen
        alone: Any = trainer.supervised  # not wrapped, there is one process
        self.dtype: torch.dtype = alone.dtype
        self.head = SupervisedModel(HeadOnly(model), alone.loss, self.dtype)
        self.meter = trainer.meter

    def begin_epoch(self) -> None:
        """Make the head ready for training, and count losses anew."""
        self.head.train()
        self.meter = self.trainer.meter = self.trainer.new_meter()


def fit_together(groups: Sequence[Sequence[Trainer]]) -> None:
    """Train all up to their last epochs; trainers that are behind catch up first.

    Args:
        groups: trainers of models with equal frozen backbones in eval mode (`frozen` and
            `frozen_bn` of a `DCPose`), on one device. Those of one group have the same training
            batches; the batches of another group hold the same people in the same order.

    Raises:
        ValueError: if backbones, settings or numbers of batches differ, backbones are trained, or
            there are several processes.
        NonFiniteLossError, Interrupted: as `Trainer.fit`.
    """
    trainers = [trainer for group in groups for trainer in group]
    _check_that_they_can_share(trainers)
    for trainer in trainers:
        if trainer.batches_done:  # stopped inside an epoch, maybe each somewhere else
            trainer.run_epoch()
    groups_of_members = [[Member(trainer) for trainer in group] for group in groups]
    while True:
        unfinished = [trainer for trainer in trainers if trainer.epoch < trainer.settings.epochs]
        if not unfinished:
            break
        epoch = min(trainer.epoch for trainer in unfinished)
        behind = [
            [member for member in members if member.trainer.epoch == epoch]
            for members in groups_of_members
        ]
        start = time.monotonic()
        train_one_epoch([members for members in behind if members])
        seconds = time.monotonic() - start
        for member in itertools.chain.from_iterable(behind):
            member.trainer.end_epoch(member.meter.epoch_loss, seconds)
    for trainer in trainers:
        trainer.run.close()


def train_one_epoch(groups: Sequence[Sequence[Member]]) -> None:
    """Pass once over the training set; all are at one epoch, groups are as for `fit_together`."""
    members = [member for group in groups for member in group]
    first = members[0].trainer
    for member in members:
        member.begin_epoch()
    batches = [group[0].trainer.train_batches(first.epoch) for group in groups]
    steps = -(-len(batches[0]) // first.settings.accumulate)
    title = f"epoch {first.epoch + 1}/{first.settings.epochs} of {len(members)} models"
    together = groups_of(zip(*batches, strict=True), first.settings.accumulate)
    step_groups = members[0].meter.time_waiting(together)
    for done, step in enumerate(with_progress(step_groups, title, steps), start=1):
        for member in members:
            member.trainer.step += 1
        clips = sum(len(of_groups[0]) for of_groups in step)
        for of_groups in step:
            _add_gradients(groups, of_groups, len(of_groups[0]) / clips)
        for member in members:
            member.trainer.move_weights()
            member.trainer.log_step(member.meter, done, steps)
        _end_step(members, len(step), is_last=done == steps)


def _end_step(members: Sequence[Member], batches: int, is_last: bool) -> None:
    """Let every trainer save, before one of them ends the training for a signal."""
    interrupted: Interrupted | None = None
    for member in members:
        try:
            member.trainer.end_step(batches, is_last)
        except Interrupted as interruption:
            interrupted = interruption
    if interrupted is not None:
        raise interrupted


def _add_gradients(
    groups: Sequence[Sequence[Member]], batches: Sequence[ClipBatch], share: float
) -> None:
    """Add the gradients of the same people's clips, one batch for each group, to all members."""
    first = groups[0][0]
    crops, places = distinct_crops(
        [batch.frames for batch in batches],
        [[any(_sees(member, frame) for member in group) for frame in range(3)] for group in groups],
    )
    heatmaps = _heatmaps(first, crops, at_once=3 * len(batches[0]))
    for members, host_batch, place in zip(groups, batches, places, strict=True):
        trainer = members[0].trainer
        # the crops are there already
        batch = replace(host_batch, frames=host_batch.frames[:, :0]).to(trainer.device)
        targets, weights = trainer.encode_targets(batch)
        of_clips = place.to(trainer.device)
        for member in members:
            initial = heatmaps[of_clips[:, member.seen]]
            loss = member.head(initial, batch.gaps, targets, weights)
            member.trainer.add_gradient(loss, batch, share, member.meter)


def _sees(member: Member, frame: int) -> bool:
    return member.seen.start <= frame < member.seen.stop


def _heatmaps(member: Member, crops: Tensor, at_once: int) -> Tensor:
    """Return the backbone's heatmaps (N, J, h, w) of crops (N, H, W, 3) in host memory."""
    heatmaps = []
    for some in crops.split(at_once):
        images = normalise(some.to(member.trainer.device, non_blocking=True))
        with autocast(images.device, member.dtype):
            heatmaps.append(member.model.image_heatmaps(images))
    return torch.cat(heatmaps)


def distinct_crops(
    frames: Sequence[Tensor], needed: Sequence[Sequence[bool]]
) -> tuple[Tensor, list[Tensor]]:
    """Find the crops that are the same in clips of the same people with other neighbours.

    Args:
        frames: of each group, (B, F, H, W, 3) uint8; rows are the same people.
        needed: of each group, (F,), which frames of its clips anybody looks at.

    Returns:
        the distinct crops (N, H, W, 3); and where among them those of each group are, (B, F), or
        0 for what is not needed.
    """
    crops: list[Tensor] = []
    places = [torch.zeros(group.shape[:2], dtype=torch.int64) for group in frames]
    for row, frame in itertools.product(*map(range, frames[0].shape[:2])):
        known: list[int] = []  # crops of this person at this place in the clip
        for group, wanted, place in zip(frames, needed, places, strict=True):
            if not wanted[frame]:
                continue
            crop = group[row, frame]
            same = [number for number in known if torch.equal(crops[number], crop)]
            if not same:
                same = [len(crops)]
                known.append(len(crops))
                crops.append(crop)
            place[row, frame] = same[0]
    return torch.stack(crops), places


def _check_that_they_can_share(trainers: Sequence[Trainer]) -> None:
    if world_size() > 1:
        raise ValueError("heads that share a backbone train in one process; do not use torchrun")
    first: Any = trainers[0]
    backbone = first.model.backbone.state_dict()
    for trainer in trainers:
        model: Any = trainer.model
        if not model.unchanging_backbone:
            raise ValueError("a backbone that changes in training cannot be shared: freeze it")
        other = model.backbone.state_dict()
        if other.keys() != backbone.keys() or not all(
            torch.equal(backbone[name], other[name]) for name in backbone
        ):
            raise ValueError("the backbones differ; give all models the same backbone weights")
        for name in ("epochs", "accumulate", "precision"):
            if getattr(trainer.settings, name) != getattr(first.settings, name):
                raise ValueError(f"train.{name} differs; models that train together share it")
