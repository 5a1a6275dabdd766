"""Losses and gradients that are NaN or infinite: steps with them do not move the weights."""

import logging
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dcpose.engine.run.progress import LOGGER_NAME
from dcpose.structures import PersonRecord


class NonFiniteLossError(ValueError):
    """Training met a loss or gradient that is NaN or infinite; the message names the clips.

    Attributes:
        step: the step, counted from 1.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class FiniteGuard:
    """Skips steps whose gradient is not finite, and counts them up to a limit.

    A GPU decides by itself whether a step moves the weights, so that the host need not wait for
    it. After more bad steps than the limit no step moves the weights, so they are unchanged when
    the host learns of the first bad step beyond the limit.

    Args:
        limit: how many steps of a run may be skipped.

    Attributes:
        count: how many steps were skipped.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.count = 0
        self._last_step = 0
        self._bad_on_device: Tensor | None = None

    def allows(self, norm: Tensor, optimizer: Optimizer) -> bool:
        """Return whether to take a step with a gradient of this norm.

        On a GPU this is always true: the optimizer's kernel checks the gradient itself.

        Args:
            norm: (), on the device of the gradients.
            optimizer: about to take the step; fused where it is on a GPU.
        """
        bad = ~torch.isfinite(norm)
        fused = bool(optimizer.defaults.get("fused"))
        if not fused:
            return not bool(bad)
        if self._bad_on_device is None:
            self._bad_on_device = torch.zeros_like(norm)
        self._bad_on_device += bad
        over = self._bad_on_device > self.limit
        # torch.amp.GradScaler tells fused optimizers by the same attribute
        optimizer.found_inf = (bad | over).to(norm.dtype)  # type: ignore[attr-defined]
        return True

    def note(self, step: int, what: str, people: Sequence[PersonRecord]) -> None:
        """Count a step with a value that is not finite.

        Args:
            step: counted from 1; a step counts once.
            what: the finding, such as `loss is nan`.
            people: of the batch or step.

        Raises:
            NonFiniteLossError: if the step is one too many.
        """
        self.count += step != self._last_step
        self._last_step = step
        names = "; ".join(person.person_id for person in people)
        if self.count > self.limit:
            counted = f" ({self.limit} such steps were skipped before)" if self.limit else ""
            raise NonFiniteLossError(
                f"{what} at step {step}{counted}; look at the clips of that batch, lower "
                f"optim.lr or set train.precision=fp32: {names}",
                step,
            )
        logging.getLogger(LOGGER_NAME).warning(
            "%s at step %d, which is skipped (%d of at most %d): %s",
            what,
            step,
            self.count,
            self.limit,
            names,
        )


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the () norm of all gradients together, without waiting for their device."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return nn.utils.get_total_norm(gradients)
