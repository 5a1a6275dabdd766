"""What a training has reached: weights, optimizer, schedule, averages and counters.

Epochs and steps are counted from 1 in everything that is written; a step is one update of the
optimizer.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dcpose.engine.distributed import synchronise_buffers
from dcpose.engine.faults.finite import gradient_norm
from dcpose.engine.optim import warmup_factor
from dcpose.engine.run.checkpoint import (
    CheckpointError,
    load_model_state,
    load_optimizer_state,
    optimizer_state,
)


class TrainingState:
    """All that a training moves, and all but randomness that a checkpoint holds.

    Args:
        model: on its device; only parameters that require gradients move.
        optimizer: over these.
        scheduler: of this optimizer; stepped once per epoch.
        dtype: number format of the forward pass; float16 scales the loss.
        ema_decay: decay of a moving average of the weights, between 0 and 1; None keeps none.
            Where it is kept, validation and saved weights are the average.
        warmup_steps: the learning rate rises linearly over so many first steps.

    Attributes:
        epoch: finished epochs.
        step: finished steps.
        batches_done: of the epoch at work, in this process.
        best_ap: best validation so far (AP, AUC, PCK) in percent, None before the first.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        dtype: torch.dtype = torch.float32,
        ema_decay: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.warmup_steps = warmup_steps
        self.device = next(model.parameters()).device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.average: AveragedModel | None = None
        if ema_decay is not None:
            average_of = get_ema_multi_avg_fn(ema_decay)
            self.average = AveragedModel(model, multi_avg_fn=average_of, use_buffers=True)
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.epoch = 0
        self.step = 0
        self.batches_done = 0
        self.best_ap: float | None = None

    @property
    def model_to_use(self) -> nn.Module:
        """The moving average where one is kept, else the model."""
        return self.model if self.average is None else self.average.module

    @property
    def lr(self) -> float:
        """Learning rate at work, the highest of all parameters'."""
        factor = warmup_factor(self.step, self.warmup_steps)
        return factor * max(group["lr"] for group in self.optimizer.param_groups)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a () loss."""
        self.scaler.scale(loss).backward()

    def move_weights(self, clip_grad_norm: float | None, allows: Callable[[Tensor], bool]) -> None:
        """Move the weights along the gradients that were added since the last time.

        Args:
            clip_grad_norm: largest gradient norm; None does not clip.
            allows: told the () norm, says whether the step may be taken. With float16 it is not
                asked: the scaler skips steps by itself.
        """
        self.scaler.unscale_(self.optimizer)
        if clip_grad_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.trainable, clip_grad_norm)
        else:
            norm = gradient_norm(self.trainable)
        if self.scaler.is_enabled() or allows(norm):
            with self._warmed_up():
                self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.average is not None:
                self.average.update_parameters(self.model)
        self.optimizer.zero_grad(set_to_none=True)

    @contextlib.contextmanager
    def _warmed_up(self) -> Iterator[None]:
        """Lower the rates for a step of the warm-up; the schedule does not see it."""
        factor = warmup_factor(self.step, self.warmup_steps)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = factor * rate
        try:
            yield
        finally:
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

    def finish_epoch(self) -> None:
        """Move the schedule on, and let all processes have the same BatchNorm statistics."""
        self.scheduler.step()
        self.epoch += 1
        synchronise_buffers(self.model)
        if self.average is not None:
            synchronise_buffers(self.average.module)

    def is_best(self, measured: float | None) -> bool:
        """Take what a validation measured, None if there was none; return whether it is the best.

        NaN, where nobody is annotated, counts as worse than all, but as a validation: a run never
        ends without best weights.
        """
        if measured is None:
            return False
        score = measured if measured == measured else -1.0
        best = self.best_ap is None or score > self.best_ap
        self.best_ap = score if best else self.best_ap
        return best

    def state_dict(self) -> dict[str, Any]:
        """Return the part of a checkpoint that this is; see `run.checkpoint`."""
        trained = self.model.state_dict()
        ema = None
        if self.average is not None:
            ema = {"trained": trained, "updates": self.average.n_averaged}
        return {
            "model": self.model_to_use.state_dict(),
            "ema": ema,
            "optimizer": optimizer_state(self.optimizer),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "best_ap": self.best_ap,
        }

    def load_state_dict(self, state: dict[str, Any], origin: str) -> None:
        """Take over what a checkpoint holds, named `origin` in messages.

        Raises:
            CheckpointError: if it does not fit model or optimizer.
        """
        if (state["ema"] is None) != (self.average is None):
            raise CheckpointError(
                f"{origin}: made {'without' if state['ema'] is None else 'with'} a moving average; "
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
