"""The training loop.

Shape legend: B clips, F frames, J joints, H x W crop pixels, h x w heatmap pixels.
Epochs and steps are counted from 1 in everything that is written; a step is one update of the
optimizer.
"""

import contextlib
import itertools
import logging
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dcpose.engine.distributed import (
    Agreement,
    barrier,
    gather_objects,
    is_main,
    rank,
    synchronise_buffers,
    world_size,
    wrap_model,
)
from dcpose.engine.faults.finite import FiniteGuard, NonFiniteLossError, gradient_norm
from dcpose.engine.faults.interruption import Interrupted, StopRequest
from dcpose.engine.meter import EpochMeter
from dcpose.engine.precision import resolve_precision
from dcpose.engine.run.checkpoint import (
    CheckpointError,
    load_model_state,
    load_newest_checkpoint,
    load_optimizer_state,
    optimizer_state,
    restore_previous,
    save_checkpoint,
)
from dcpose.engine.run.folder import Run
from dcpose.engine.run.progress import LOGGER_NAME, with_progress
from dcpose.engine.run.randomness import capture_rng, restore_rng
from dcpose.engine.run.replay import save_step
from dcpose.engine.run.resume_rules import check_changes
from dcpose.engine.run.training_log import TrainingPlace, log_epoch, log_interval
from dcpose.engine.supervised import HeadOnly, SupervisedModel
from dcpose.engine.train_settings import TrainSettings
from dcpose.iteration import groups_of
from dcpose.structures import ClipBatch, PersonRecord


class SizedBatches(Protocol):
    """Batches of an epoch, or of the rest of it."""

    def __iter__(self) -> Iterator[ClipBatch]: ...

    def __len__(self) -> int: ...


class EpochSource(Protocol):
    """Gives the batches of an epoch, counted from 0, without the first `skip` ones."""

    def __call__(self, epoch: int, skip: int = 0) -> SizedBatches:
        """Return the batches."""


class Trainer:
    """Trains a model, validates it, and writes logs and checkpoints.

    Args:
        model: on its device; see `SupervisedModel`. Only parameters that require gradients move.
        loss: see `SupervisedModel`.
        encode_targets: makes targets (B, J, h, w) and weights (B, J) of a batch on its device.
        train_batches: the same number of batches in every process.
        optimizer: over the model's trainable parameters.
        scheduler: of this optimizer; stepped once per epoch.
        validate: called in every process with the model in eval mode; returns `AP` and anything
            else to log by name, in percent, NaN for undefined. The main process's result counts.
        run: folder to write to.
        settings: knobs of the loop.
        draw: called in the main process after each validation with the model in eval mode;
            returns named (H, W, 3) uint8 RGB pictures for TensorBoard.
        heatmaps_given: training batches hold the backbone's heatmaps (`ClipBatch.initial`) instead
            of crops.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        loss: nn.Module,
        encode_targets: Callable[[ClipBatch], tuple[Tensor, Tensor]],
        train_batches: EpochSource,
        optimizer: Optimizer,
        scheduler: MultiStepLR,
        validate: Callable[[nn.Module], Mapping[str, float]],
        run: Run,
        settings: TrainSettings,
        draw: Callable[[nn.Module], Mapping[str, np.ndarray]] | None = None,
        heatmaps_given: bool = False,
    ) -> None:
        self.model = model
        self.encode_targets = encode_targets
        self.train_batches = train_batches
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.validate = validate
        self.run = run
        self.settings = settings
        self.draw = draw

        self.device = next(model.parameters()).device
        dtype = resolve_precision(settings.precision, self.device)
        trained = HeadOnly(model) if heatmaps_given else model
        self.supervised = wrap_model(SupervisedModel(trained, loss, dtype), self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.average: AveragedModel | None = None
        if settings.ema_decay is not None:
            average_of = get_ema_multi_avg_fn(settings.ema_decay)
            self.average = AveragedModel(model, multi_avg_fn=average_of, use_buffers=True)
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.epoch = 0  # finished epochs
        self.step = 0
        self.batches_done = 0  # of the epoch at work, in this process
        self.guard = FiniteGuard(settings.nonfinite_limit)
        self.meter = EpochMeter(self.guard)  # of the epoch at work
        self._people_of_step: list[PersonRecord] = []
        self._steps_before_epoch = 0
        self.best_ap: float | None = None
        self.stop = StopRequest()  # nobody's, until a job sets one that catches signals
        self.agreement = Agreement()
        self.logger = logging.getLogger(LOGGER_NAME)

    def fit(self) -> float | None:
        """Train up to the last epoch, and return the best AP in percent.

        Raises:
            NonFiniteLossError: if a loss or gradient is NaN or infinite; names the clips, and a
                file that scripts/replay_batch.py repeats the step from.
            ValueError: if processes have different numbers of batches.
            Interrupted: after a signal that `stop` caught; all work is saved.
        """
        if self.epoch >= self.settings.epochs:
            self.logger.info("nothing left to train: %d epochs are done", self.epoch)
        while self.epoch < self.settings.epochs:
            self.run_epoch()
        self.agreement.end()
        self.run.close()
        return self.best_ap

    def run_epoch(self) -> None:
        """Train an epoch, or what is left of it, and end it; see `fit`."""
        try:
            loss = self.train_one_epoch()
        except NonFiniteLossError as error:
            path = self._dump(error.step)
            message = f"{error}; python scripts/replay_batch.py {path} repeats it"
            raise NonFiniteLossError(message, error.step) from error
        self.end_epoch(loss, self.meter.epoch_seconds)

    def end_epoch(self, loss: float, seconds: float) -> None:
        """Move the schedule on, validate if it is time to, log, and save.

        Args:
            loss: mean loss per clip of the epoch.
            seconds: how long the epoch took to train.
        """
        values = {"lr": self.optimizer.param_groups[0]["lr"], "loss": loss, "train_s": seconds}
        validation_is_due = self._validation_is_due(self.epoch + 1)
        if validation_is_due:
            self.save()  # it takes long enough to be interrupted
        self.scheduler.step()
        self.epoch += 1
        synchronise_buffers(self.model)
        if self.average is not None:
            synchronise_buffers(self.average.module)
        summary = {}
        if validation_is_due:
            with self.stop.nothing_to_finish():
                summary = self._validate()
        self.batches_done = 0
        self._finish_epoch(values, summary)

    def train_one_epoch(self) -> float:
        """Pass over the training set, or what is left of it; return the epoch's loss per clip."""
        self.supervised.train()
        if self.batches_done == 0:
            self.meter = self.new_meter()
        batches = self.train_batches(self.epoch, self.batches_done)
        total = self.batches_done + len(batches)
        self._check_number_of_batches(total)
        accumulate = self.settings.accumulate
        steps, done_before = (
            math.ceil(total / accumulate),
            math.ceil(self.batches_done / accumulate),
        )
        self._steps_before_epoch = self.step - done_before
        title = f"epoch {self.epoch + 1}/{self.settings.epochs}"
        groups = self.meter.time_waiting(groups_of(batches, accumulate))
        progress = with_progress(groups, title, steps - done_before)
        for done, group in enumerate(progress, start=done_before + 1):
            self.step += 1
            self._update(group, self.meter)
            self.log_step(self.meter, done, steps)
            self.end_step(len(group), is_last=done == steps)
        return float(np.mean(gather_objects(self.meter.epoch_loss)))

    def new_meter(self) -> EpochMeter:
        """Return a meter for the next epoch."""
        return EpochMeter(self.guard)

    def log_step(self, meter: EpochMeter, done: int, steps: int) -> None:
        """Log the interval that ends with step `done` of the epoch's steps, if one does."""
        if done % self.settings.log_every == 0 or done == steps:
            log_interval(
                self.run,
                meter,
                TrainingPlace(self.epoch + 1, self.settings.epochs, self.step),
                steps=(done, steps),
                lr=self.optimizer.param_groups[0]["lr"],
            )

    def end_step(self, batches: int, is_last: bool) -> None:
        """Save if it is time to; end if a signal asked for it.

        Args:
            batches: how many the step had.
            is_last: whether the step is the epoch's last, after which `end_epoch` saves.

        Raises:
            Interrupted: in all processes, one step after one of them caught a signal.
        """
        self.batches_done += batches
        if self.agreement.reached(self.stop.received is not None):
            self.save()
            self.run.close()
            self.logger.info(
                "stopped in epoch %d after step %d; %s holds everything, continue with --resume",
                self.epoch + 1,
                self.step,
                self.run.last,
            )
            # a process that was not told itself stops for another's signal
            raise Interrupted(self.stop.received or signal.SIGTERM)
        every = self.settings.save_every
        if every > 0 and self.step % every == 0 and not is_last:
            self.save()

    def save(self) -> None:
        """Write `last.pt`; what it was before becomes `previous.pt`. Every process calls this."""
        state = self.state()
        if is_main():
            save_checkpoint(self.run.last, state, previous=self.run.previous)
        barrier()

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint as if training had never stopped.

        If it is damaged, `previous.pt` of the run takes its place. Changes of the config that
        leave the run what it is are logged.

        Raises:
            CheckpointError: if the file is missing or damaged, does not fit model or optimizer,
                or was made with a config that made it another run.
        """
        state, used = load_newest_checkpoint(path, self.run.previous)
        origin = str(used)
        changes = check_changes(state["config"], self.run.config, origin)
        if (state["ema"] is None) != (self.average is None):
            raise CheckpointError(
                f"{path}: made {'without' if state['ema'] is None else 'with'} a moving average; "
                f"set train.ema_decay as it was"
            )
        trained = state["model"] if state["ema"] is None else state["ema"]["trained"]
        load_model_state(self.model, trained, origin)
        if self.average is not None:
            load_model_state(self.average.module, state["model"], origin)
            self.average.n_averaged.copy_(state["ema"]["updates"])
        load_optimizer_state(self.optimizer, state["optimizer"], origin)
        self.scheduler.load_state_dict(state["scheduler"])
        if state["scaler"]:  # empty unless the precision was fp16
            self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step, self.best_ap = state["epoch"], state["step"], state["best_ap"]
        self.guard.count = state["skipped_steps"]
        self._restore_position(state["position"], origin)
        self._restore_rng(state["rng"])
        for change in changes:
            self.logger.info("config differs from the checkpoint's: %s", change)
        barrier()  # all have read it
        if used != path and is_main():
            restore_previous(path, used)
        self.run.rewind(self.step)
        self.logger.info("resumed from %s after epoch %d, step %d", used, self.epoch, self.step)

    def state(self) -> dict[str, Any]:
        """Return the content of a checkpoint; every process has to call it."""
        trained = self.model.state_dict()
        ema = None
        if self.average is not None:
            ema = {"trained": trained, "updates": self.average.n_averaged}
        return {
            "model": self._model_to_use().state_dict(),
            "ema": ema,
            "optimizer": optimizer_state(self.optimizer),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "position": self._position(),
            "best_ap": self.best_ap,
            "skipped_steps": self.guard.count,
            "rng": gather_objects(capture_rng()),
            "config": self.run.config,
        }

    def _update(self, group: list[ClipBatch], meter: EpochMeter) -> None:
        """Move the weights once, along the mean gradient over all clips of the group."""
        clips = sum(len(batch) for batch in group)
        for number, host_batch in enumerate(group, start=1):
            batch = host_batch.to(self.device)
            targets, weights = self.encode_targets(batch)
            given = batch.network_input() if batch.initial is None else batch.initial.float()
            with self._exchange_gradients(number == len(group)):
                loss = self.supervised(given, batch.gaps, targets, weights)
                self.add_gradient(loss, batch, len(batch) / clips, meter)
        self.move_weights()

    def add_gradient(self, loss: Tensor, batch: ClipBatch, share: float, meter: EpochMeter) -> None:
        """Add the gradient of a batch's mean loss, weighted by its share of the step's clips."""
        meter.add(loss, batch.people, self.step)
        self._people_of_step += batch.people
        self.scaler.scale(loss * share).backward()

    def move_weights(self) -> None:
        """Move the weights along the gradients that were added since the last time."""
        self.scaler.unscale_(self.optimizer)
        if self.settings.clip_grad_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.trainable, self.settings.clip_grad_norm)
        else:
            norm = gradient_norm(self.trainable)
        if self._allows_step(norm):
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.average is not None:
                self.average.update_parameters(self.model)
        self.optimizer.zero_grad(set_to_none=True)

    def _allows_step(self, norm: Tensor) -> bool:
        """Return whether the step may be taken; with fp16 the scaler decides, as it did before."""
        people, self._people_of_step = self._people_of_step, []
        if self.scaler.is_enabled():
            return True
        self.meter.add_norm(norm, people, self.step)
        return self.guard.allows(norm, self.optimizer)

    def _dump(self, step: int) -> Path:
        """Write the batches of a step of this epoch, and the weights that met them."""
        accumulate = self.settings.accumulate
        first = (step - self._steps_before_epoch - 1) * accumulate
        rest = self.train_batches(self.epoch, first)
        folder = self.run.path / "nonfinite"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"step{step}_process{rank()}.pt"
        save_step(
            path,
            model=self.model,
            batches=list(itertools.islice(rest, accumulate)),
            epoch=self.epoch,
            step=step,
            config=self.run.config,
        )
        return path

    def _exchange_gradients(self, now: bool) -> contextlib.AbstractContextManager[None]:
        """Processes exchange gradients once per step, in its last batch."""
        if now or not isinstance(self.supervised, DistributedDataParallel):
            return contextlib.nullcontext()
        return self.supervised.no_sync()

    def _position(self) -> dict[str, Any] | None:
        if self.batches_done == 0:
            return None
        return {"batches": self.batches_done, "meters": gather_objects(self.meter.state())}

    def _restore_position(self, position: dict[str, Any] | None, origin: str) -> None:
        if position is None:
            return
        meters = position["meters"]
        if len(meters) != world_size():
            raise CheckpointError(
                f"{origin}: made inside an epoch by {len(meters)} processes, this run has "
                f"{world_size()}; continue with {len(meters)}"
            )
        self.batches_done = position["batches"]
        self.meter = EpochMeter.from_state(meters[rank()], self.guard)

    def _check_number_of_batches(self, count: int) -> None:
        counts = gather_objects(count)
        if count == 0 or len(set(counts)) > 1:
            raise ValueError(
                f"training batches per process are {counts}, expected equal numbers of at least 1; "
                f"check the annotations, or how the loader shares them out"
            )

    def _model_to_use(self) -> nn.Module:
        return self.model if self.average is None else self.average.module

    def _validation_is_due(self, epoch: int) -> bool:
        every = self.settings.validate_every
        return epoch == self.settings.epochs or (every > 0 and epoch % every == 0)

    def _validate(self) -> dict[str, float]:
        model = self._model_to_use().eval()
        summary = dict(self.validate(model))
        if not is_main():
            return {}
        if "AP" not in summary:
            raise ValueError(f"validate returned {sorted(summary)}, expected AP among them")
        if self.draw is not None:
            self.run.show(self.step, self.draw(model))
        return summary

    def _finish_epoch(self, values: dict[str, float], summary: dict[str, float]) -> None:
        """Log the epoch and save; `best.pt` first, so that `last.pt` never knows a better one."""
        average_precision = summary.get("AP")
        is_best = False
        if average_precision is not None:
            # an undefined AP (nobody annotated) must not leave a run without best.pt
            score = -1.0 if math.isnan(average_precision) else average_precision
            is_best = self.best_ap is None or score > self.best_ap
            self.best_ap = score if is_best else self.best_ap
        state = self.state()
        if is_main():
            place = TrainingPlace(self.epoch, self.settings.epochs, self.step)
            log_epoch(self.run, place, values, summary, is_best)
            if is_best:
                save_checkpoint(self.run.checkpoints / "best.pt", state)
            save_checkpoint(self.run.last, state, previous=self.run.previous)
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
