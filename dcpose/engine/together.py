"""Training several models on one frozen backbone, whose encoding of a frame feeds all of them.

Every model has its own optimizer, gradients, logs and checkpoints, and computes what it would
compute alone, operation by operation: on a CPU in float32 it ends with the same bits. On CUDA a
crop's encoding may depend on the batch that it is in, because convolutions round differently at
other batch sizes.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from dcpose.engine.distributed import world_size
from dcpose.engine.encodings import FrozenEncoder, shared_batches
from dcpose.engine.faults.interruption import Interrupted
from dcpose.engine.run.progress import with_progress
from dcpose.engine.trainer import Trainer


def fit_together(groups: Sequence[Sequence[Trainer]], encoder: FrozenEncoder) -> None:
    """Train all up to their last epochs; trainers that are behind catch up first.

    Args:
        groups: trainers of models with equal constant backbones (`backbone_is_constant`), on one
            device. Those of one group have the same training batches; the batches of another
            group hold the same people in the same order.
        encoder: of one of these backbones.

    Raises:
        ValueError: if backbones, settings or numbers of batches differ, backbones are trained, or
            there are several processes.
        NonFiniteLossError, Interrupted: as `Trainer.fit`.
    """
    trainers = [trainer for group in groups for trainer in group]
    _check_that_they_can_share(trainers)
    for trainer in trainers:
        if trainer.state.batches_done:  # stopped inside an epoch, maybe each somewhere else
            trainer.run_epoch()
    epochs = trainers[0].settings.epochs
    while (epoch := min(trainer.state.epoch for trainer in trainers)) < epochs:
        at_work = [[t for t in group if t.state.epoch == epoch] for group in groups]
        at_work = [group for group in at_work if group]
        steps, number = steps_together(at_work, encoder)
        members = list(itertools.chain.from_iterable(at_work))
        for _ in with_progress(
            steps, f"epoch {epoch + 1}/{epochs} of {len(members)} models", number
        ):
            pass
        for trainer in members:
            trainer.end_epoch()
    for trainer in trainers:
        trainer.run.close()


def steps_together(
    groups: Sequence[Sequence[Trainer]], encoder: FrozenEncoder
) -> tuple[Iterator[int], int]:
    """Return an iterator over the steps of an epoch, which all make, and their number.

    All trainers are at the beginning of the epoch; nobody ends it.
    """
    epoch, accumulate = groups[0][0].state.epoch, groups[0][0].settings.accumulate
    shared = shared_batches(
        [(group[0].source.batches(epoch, 0), [_used(one) for one in group]) for group in groups],
        encoder,
    )
    trainers = itertools.chain.from_iterable(groups)
    walks = [one.steps(own, own.load) for one, own in zip(trainers, shared, strict=True)]
    return _in_step(walks), math.ceil(len(shared[0]) / accumulate)


def _in_step(walks: Sequence[Iterator[int]]) -> Iterator[int]:
    """Let all make a step, again and again; all save before one of them ends the training."""
    while True:
        interrupted: Interrupted | None = None
        done = []
        for walk in walks:
            try:
                done.append(next(walk, None))
            except Interrupted as interruption:
                interrupted = interruption
        if interrupted is not None:
            raise interrupted
        if done[0] is None:
            return
        yield done[0]


def _used(trainer: Trainer) -> slice:
    model: Any = trainer.state.model
    return model.used


def _check_that_they_can_share(trainers: Sequence[Trainer]) -> None:
    if world_size() > 1:
        raise ValueError("heads that share a backbone train in one process; do not use torchrun")
    first = trainers[0]
    model: Any = first.state.model
    backbone, encodes = model.backbone.state_dict(), model.encodes
    for trainer in trainers:
        model = trainer.state.model
        if not model.backbone_is_constant:
            raise ValueError("a backbone that changes in training cannot be shared: freeze it")
        other = model.backbone.state_dict()
        if (
            model.encodes != encodes
            or other.keys() != backbone.keys()
            or not all(torch.equal(backbone[name], other[name]) for name in backbone)
        ):
            raise ValueError("the backbones differ; give all models the same backbone weights")
        for name in ("epochs", "accumulate", "dtype"):
            if getattr(trainer.settings, name) != getattr(first.settings, name):
                key = "precision" if name == "dtype" else name
                raise ValueError(f"train.{key} differs; models that train together share it")
