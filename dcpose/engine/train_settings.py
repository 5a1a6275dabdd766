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

    Raises:
        ValueError: for a value out of range.
    """

    epochs: int
    dtype: torch.dtype = torch.float32
    accumulate: int = 1
    clip_grad_norm: float | None = None
    validate_every: int | None = 1
    log_every: int = 50
    save_every: int = 0
    nonfinite_limit: int = 0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "accumulate": 1, "validate_every": 0, "log_every": 1, "save_every": 0}
        least["nonfinite_limit"] = 0
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(f"{name} must be at least {smallest}, got {value}")
        if self.clip_grad_norm is not None and not self.clip_grad_norm > 0:
            raise ValueError(f"clip_grad_norm must be positive, got {self.clip_grad_norm}")
