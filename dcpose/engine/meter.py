"""Mean loss and speed of an epoch, and the clips behind a loss that is not finite."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from dcpose.engine.faults.finite import FiniteGuard
from dcpose.iteration import timed
from dcpose.structures import PersonRecord

T = TypeVar("T")


@dataclass(frozen=True)
class _Reading:
    """A () loss or gradient norm, and whose it is."""

    value: Tensor
    people: list[PersonRecord]
    step: int
    what: str


@dataclass(frozen=True)
class Interval:
    """What happened since the last reading, in this process.

    Attributes:
        loss: mean per clip.
        clips_per_s: speed, waiting included.
        waiting: share of the time, 0 to 1, in which the loader was behind.
    """

    loss: float
    clips_per_s: float
    waiting: float


class EpochMeter:
    """Collects losses on their device, and copies them to the host in one go when read.

    Reading a CUDA value makes the host wait for the device, so it happens once per log interval;
    the people of each batch are kept until then, and an error still names the exact batch.

    Args:
        guard: hears of losses and gradients that are not finite; None allows none.
    """

    def __init__(self, guard: FiniteGuard | None = None) -> None:
        self._guard = FiniteGuard() if guard is None else guard
        self._unread: list[_Reading] = []
        self._sum = self._epoch_sum = 0.0
        self._clips = self._epoch_clips = 0
        self._waited = 0.0
        self._start = self._epoch_start = time.monotonic()

    def state(self) -> dict[str, float]:
        """Return sums and times, for a meter that goes on in another process.

        Raises:
            NonFiniteLossError: as `read`.
        """
        self._collect()
        now = time.monotonic()
        return {
            "sum": self._sum,
            "clips": self._clips,
            "epoch_sum": self._epoch_sum,
            "epoch_clips": self._epoch_clips,
            "waited_s": self._waited,
            "interval_s": now - self._start,
            "epoch_s": now - self._epoch_start,
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, float], guard: FiniteGuard | None = None
    ) -> "EpochMeter":
        """Return a meter that goes on from what `state` returned."""
        meter = cls(guard)
        meter._sum, meter._clips = state["sum"], int(state["clips"])
        meter._epoch_sum, meter._epoch_clips = state["epoch_sum"], int(state["epoch_clips"])
        meter._waited = state["waited_s"]
        meter._start -= state["interval_s"]
        meter._epoch_start -= state["epoch_s"]
        return meter

    def add(self, value: Tensor, people: list[PersonRecord], step: int, what: str = "loss") -> None:
        """Take a value of step `step`, which has to be finite.

        Args:
            value: () the mean loss of a batch, which counts; or anything else.
            people: of the batch or step.
            step: counted from 1.
            what: the value is: "loss", or what messages call it.

        Raises:
            NonFiniteLossError: at once on a CPU, where looking costs nothing.
        """
        self._unread.append(_Reading(value.detach(), people, step, what))
        if value.device.type == "cpu":
            self._collect()

    def time_waiting(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on, and count the time that each takes to arrive."""
        for item, seconds in timed(items, time.monotonic):
            self._waited += seconds
            yield item

    def read(self) -> Interval:
        """Return what happened since the last reading, and start anew.

        Raises:
            NonFiniteLossError: if a loss since the last reading is not finite.
        """
        self._collect()
        now = time.monotonic()
        seconds = max(now - self._start, 1e-9)
        interval = Interval(
            loss=self._sum / self._clips if self._clips else math.nan,  # all were skipped
            clips_per_s=self._clips / seconds,
            waiting=min(self._waited / seconds, 1.0),
        )
        self._epoch_sum += self._sum
        self._epoch_clips += self._clips
        self._sum, self._clips, self._waited, self._start = 0.0, 0, 0.0, now
        return interval

    @property
    def epoch_loss(self) -> float:
        """Mean loss per clip over all readings."""
        return self._epoch_sum / self._epoch_clips if self._epoch_clips else math.nan

    @property
    def epoch_seconds(self) -> float:
        """Time since the epoch began, without what lies between two processes."""
        return time.monotonic() - self._epoch_start

    def _collect(self) -> None:
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        values = torch.stack([reading.value for reading in unread]).tolist()
        for value, reading in zip(values, unread, strict=True):
            if not math.isfinite(value):
                self._guard.note(reading.step, f"{reading.what} is {value}", reading.people)
            elif reading.what == "loss":
                self._sum += value * len(reading.people)
                self._clips += len(reading.people)
