"""The training loop.

Shape legend: B clips, F frames, J joints, H x W crop pixels, h x w heatmap pixels.
"""

import contextlib
import itertools
import logging
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dcpose.engine.distributed import (
    Agreement,
    barrier,
    gather_objects,
    is_main,
    rank,
    world_size,
    wrap_model,
)
from dcpose.engine.encodings import SizedBatches, TrainingSource
from dcpose.engine.faults.finite import FiniteGuard, NonFiniteLossError
from dcpose.engine.faults.interruption import Interrupted, StopRequest
from dcpose.engine.meter import EpochMeter
from dcpose.engine.run.checkpoint import (
    CheckpointError,
    load_newest_checkpoint,
    restore_previous,
    save_checkpoint,
)
from dcpose.engine.run.folder import Run
from dcpose.engine.run.progress import LOGGER_NAME, with_progress
from dcpose.engine.run.randomness import capture_rng, restore_rng
from dcpose.engine.run.replay import save_step
from dcpose.engine.run.resume_rules import check_changes
from dcpose.engine.run.training_log import TrainingPlace, log_epoch, log_interval
from dcpose.engine.state import TrainingState
from dcpose.engine.supervised import SupervisedModel
from dcpose.engine.train_settings import TrainSettings
from dcpose.iteration import groups_of
from dcpose.structures import ClipBatch

MOST_PICTURES = 20
"""Validations of a run whose pictures are kept, about a megabyte each; one more if it is resumed
with other epochs."""


Load = Callable[[ClipBatch, torch.device], ClipBatch]
"""See `TrainingSource.load`."""


@dataclass(eq=False, kw_only=True)
class Trainer:
    """Trains a model, validates it, and writes logs and checkpoints.

    Attributes:
        state: model, optimizer and schedule.
        loss: see `SupervisedModel`.
        encode_targets: makes targets (B, J, h, w) and weights (B, J) of a batch on its device.
        source: the same number of batches in every process.
        validate: called in every process with the model in eval mode; returns what the best is
            chosen by, then anything else to log by name, NaN for undefined. The main process's
            result counts.
        run: folder to write to.
        settings: knobs of the loop.
        draw: called in the main process after at most `MOST_PICTURES` validations, with the model
            in eval mode; returns named (H, W, 3) uint8 RGB pictures for the loggers.
    """

    state: TrainingState
    loss: nn.Module
    encode_targets: Callable[[ClipBatch], tuple[Tensor, Tensor]]
    source: TrainingSource
    validate: Callable[[nn.Module], Mapping[str, float]]
    run: Run
    settings: TrainSettings
    draw: Callable[[nn.Module], Mapping[str, np.ndarray]] | None = None

    def __post_init__(self) -> None:
        supervised = SupervisedModel(self.state.model, self.loss, self.settings.dtype)
        self.supervised = wrap_model(supervised, self.state.device)
        self.guard = FiniteGuard(self.settings.nonfinite_limit)
        self.meter = EpochMeter(self.guard)  # of the epoch at work
        self.stop = StopRequest()  # nobody's, until a job sets one that catches signals
        self.agreement = Agreement()
        self.logger = logging.getLogger(LOGGER_NAME)

    def fit(self) -> float | None:
        """Train up to the last epoch, and return the best validation in percent.

        Raises:
            NonFiniteLossError: if a loss or gradient is NaN or infinite; names the clips, and a
                file that scripts/replay_batch.py repeats the step from.
            ValueError: if processes have different numbers of batches.
            Interrupted: after a signal that `stop` caught; all work is saved.
        """
        if self.state.epoch >= self.settings.epochs:
            self.logger.info("nothing left to train: %d epochs are done", self.state.epoch)
        while self.state.epoch < self.settings.epochs:
            self.run_epoch()
        self.agreement.end()
        self.run.close()
        return self.state.best_ap

    def run_epoch(self) -> None:
        """Train an epoch, or what is left of it, and end it; see `fit`."""
        batches = self.source.batches(self.state.epoch, self.state.batches_done)
        title = f"epoch {self.state.epoch + 1}/{self.settings.epochs}"
        left = math.ceil(len(batches) / self.settings.accumulate)
        for _ in with_progress(self.steps(batches), title, left):
            pass
        self.end_epoch()

    def steps(self, batches: SizedBatches, load: Load | None = None) -> Iterator[int]:
        """Train for the rest of the epoch; every step is made when its number is asked for.

        Args:
            batches: what is left of the epoch.
            load: takes the place of the source's own, for models that train in step.
        """
        state, settings, load = self.state, self.settings, load or self.source.load
        done, steps, steps_before = self._begin_epoch(len(batches))
        for group in self.meter.time_waiting(groups_of(batches, settings.accumulate)):
            state.step += 1
            done += 1
            clips = sum(map(len, group))
            try:
                for number, host_batch in enumerate(group, start=1):
                    batch = load(host_batch, state.device)
                    targets, weights = self.encode_targets(batch)
                    with self._exchange_gradients(number == len(group)):
                        loss = self.supervised(batch, targets, weights)
                        self.meter.add(loss, batch.people, state.step)
                        state.backward(loss * (len(batch) / clips))
                state.move_weights(settings.clip_grad_norm, partial(self._allows, group))
            except NonFiniteLossError as error:
                path = self._dump(error.step, steps_before)
                message = f"{error}; python scripts/replay_batch.py {path} repeats it"
                raise NonFiniteLossError(message, error.step) from error
            self._log_step(done, steps)
            self._end_step(len(group), is_last=done == steps)
            yield done

    def end_epoch(self) -> None:
        """Move the schedule on, validate if it is time to, log, and save."""
        state = self.state
        values = {
            "lr": state.lr,
            "loss": float(np.mean(gather_objects(self.meter.epoch_loss))),
            "train_s": self.meter.epoch_seconds,
        }
        validation_is_due = self._validation_is_due(state.epoch + 1)
        if validation_is_due:
            self.save()  # it takes long enough to be interrupted
        state.finish_epoch()
        summary = {}
        if validation_is_due:
            with self.stop.nothing_to_finish():
                summary = self._validate()
        state.batches_done = 0
        self._save_epoch(values, summary)

    def save(self) -> None:
        """Write `last.pt`; what it was before becomes `previous.pt`. Every process calls this."""
        content = self.checkpoint()
        if is_main():
            save_checkpoint(self.run.last, content, previous=self.run.previous)
        barrier()

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint as if training had never stopped.

        If it is damaged, `previous.pt` of the run takes its place. Changes of the config that
        leave the run what it is are logged.

        Raises:
            CheckpointError: if the file is missing or damaged, does not fit model or optimizer,
                or was made with a config that made it another run.
        """
        content, used = load_newest_checkpoint(path, self.run.previous)
        origin = str(used)
        changes = check_changes(content["config"], self.run.config, origin)
        self.state.load_state_dict(content, origin)
        self.guard.count = content["skipped_steps"]
        self._restore_position(content["position"], origin)
        self._restore_rng(content["rng"])
        for change in changes:
            self.logger.info("config differs from the checkpoint's: %s", change)
        barrier()  # all have read it
        if used != path and is_main():
            restore_previous(path, used)
        self.run.rewind(self.state.step)
        self.logger.info(
            "resumed from %s after epoch %d, step %d", used, self.state.epoch, self.state.step
        )

    def checkpoint(self) -> dict[str, Any]:
        """Return the content of a checkpoint; every process has to call it."""
        position = None
        if self.state.batches_done:
            meters = gather_objects(self.meter.state())
            position = {"batches": self.state.batches_done, "meters": meters}
        return {
            **self.state.state_dict(),
            "position": position,
            "skipped_steps": self.guard.count,
            "rng": gather_objects(capture_rng()),
            "config": self.run.config,
        }

    def _begin_epoch(self, batches_left: int) -> tuple[int, int, int]:
        """Return how many steps of the epoch are done, how many it has, how many were before it."""
        state, accumulate = self.state, self.settings.accumulate
        self.supervised.train()
        if state.batches_done == 0:
            self.meter = EpochMeter(self.guard)
        total = state.batches_done + batches_left
        self._check_number_of_batches(total)
        done = math.ceil(state.batches_done / accumulate)
        return done, math.ceil(total / accumulate), state.step - done

    def _allows(self, group: list[ClipBatch], norm: Tensor) -> bool:
        """Return whether a step of a group of batches, with a () gradient norm, may be taken."""
        people = [person for batch in group for person in batch.people]
        self.meter.add(norm, people, self.state.step, "gradient norm")
        return self.guard.allows(norm, self.state.optimizer)

    def _log_step(self, done: int, steps: int) -> None:
        """Log the interval that ends with step `done` of the epoch's steps, if one does."""
        if done % self.settings.log_every == 0 or done == steps:
            place = TrainingPlace(self.state.epoch + 1, self.settings.epochs, self.state.step)
            log_interval(self.run, self.meter, place, steps=(done, steps), lr=self.state.lr)

    def _end_step(self, batches: int, is_last: bool) -> None:
        """Save if it is time to; end if a signal asked for it.

        Raises:
            Interrupted: in all processes, one step after one of them caught a signal.
        """
        state = self.state
        state.batches_done += batches
        if self.agreement.reached(self.stop.received is not None):
            self.save()
            self.run.close()
            self.logger.info(
                "stopped in epoch %d after step %d; %s holds everything, continue with --resume",
                state.epoch + 1,
                state.step,
                self.run.last,
            )
            # a process that was not told itself stops for another's signal
            raise Interrupted(self.stop.received or signal.SIGTERM)
        every = self.settings.save_every
        if every > 0 and state.step % every == 0 and not is_last:
            self.save()

    def _dump(self, step: int, steps_before: int) -> Path:
        """Write the batches of a step of this epoch, and the weights that met them."""
        accumulate = self.settings.accumulate
        first = (step - steps_before - 1) * accumulate
        rest = self.source.batches(self.state.epoch, first)
        folder = self.run.path / "nonfinite"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"step{step}_process{rank()}.pt"
        save_step(
            path,
            model=self.state.model,
            batches=list(itertools.islice(rest, accumulate)),
            epoch=self.state.epoch,
            step=step,
            config=self.run.config,
        )
        return path

    def _exchange_gradients(self, now: bool) -> contextlib.AbstractContextManager[None]:
        """Processes exchange gradients once per step, in its last batch."""
        if now or not isinstance(self.supervised, DistributedDataParallel):
            return contextlib.nullcontext()
        return self.supervised.no_sync()

    def _restore_position(self, position: dict[str, Any] | None, origin: str) -> None:
        if position is None:
            return
        meters = position["meters"]
        if len(meters) != world_size():
            raise CheckpointError(
                f"{origin}: made inside an epoch by {len(meters)} processes, this run has "
                f"{world_size()}; continue with {len(meters)}"
            )
        self.state.batches_done = position["batches"]
        self.meter = EpochMeter.from_state(meters[rank()], self.guard)

    def _check_number_of_batches(self, count: int) -> None:
        counts = gather_objects(count)
        if count == 0 or len(set(counts)) > 1:
            raise ValueError(
                f"training batches per process are {counts}, expected equal numbers of at least 1; "
                f"check the annotations, or how the loader shares them out"
            )

    def _validation_is_due(self, epoch: int) -> bool:
        every = self.settings.validate_every
        if every is None:
            return False
        return epoch == self.settings.epochs or (every > 0 and epoch % every == 0)

    def _pictures_are_due(self) -> bool:
        """Return whether a validation is one of the few that are pictured; the last one is."""
        every = self.settings.validate_every or self.settings.epochs
        last, number = (math.ceil(n / every) for n in (self.settings.epochs, self.state.epoch))
        return number == last or number % math.ceil(last / MOST_PICTURES) == 0

    def _validate(self) -> dict[str, float]:
        model = self.state.model_to_use.eval()
        summary = dict(self.validate(model))
        if not is_main():
            return {}
        if not summary:
            raise ValueError("validate returned nothing, expected what the best is chosen by first")
        if self.draw is not None and self._pictures_are_due():
            self.run.show(self.state.step, self.draw(model))
        return summary

    def _save_epoch(self, values: dict[str, float], summary: dict[str, float]) -> None:
        """Log the epoch and save; `best.pt` first, so that `last.pt` never knows a better one."""
        is_best = self.state.is_best(next(iter(summary.values()), None))
        content = self.checkpoint()
        if is_main():
            place = TrainingPlace(self.state.epoch, self.settings.epochs, self.state.step)
            log_epoch(self.run, place, values, summary, is_best)
            if is_best:
                save_checkpoint(self.run.checkpoints / "best.pt", content)
            save_checkpoint(self.run.last, content, previous=self.run.previous)
        barrier()

    def _restore_rng(self, states: list[dict[str, Any]]) -> None:
        if len(states) == world_size():
            restore_rng(states[rank()])
        else:
            self.logger.warning(
                "the checkpoint is of %d processes, this run has %d: random states start anew",
                len(states),
                world_size(),
            )
