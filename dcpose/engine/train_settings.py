"""Knobs of the training loop."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TrainSettings:
    """Knobs of the loop.

    Attributes:
        epochs: passes over the training set.
        dtype: number format of the network.
        accumulate: batches per step.
        clip_grad_norm: largest gradient norm; None does not clip.
        validate_every: epochs between validations; 0 validates after the last epoch alone, None
            never.
        log_every: steps between log lines.
        save_every: steps between checkpoints inside an epoch; 0 saves at its end alone.
        nonfinite_limit: steps of the run that may be skipped because a loss or gradient is NaN or
            infinite; one more ends it. With fp16 the scaler skips steps by itself.
    """

    epochs: int
    dtype: torch.dtype = torch.float32
    accumulate: int = 1
    clip_grad_norm: float | None = None
    validate_every: int | None = 1
    log_every: int = 50
    save_every: int = 0
    nonfinite_limit: int = 0
