"""Where the time of a pipeline goes."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dcpose.iteration import timed

T = TypeVar("T")


class Stopwatch:
    """Adds up the seconds that named stages take, one after the other, from the first one on.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start: float | None = None
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time inside the block for a stage."""
        start = self._clock()
        if self._start is None:
            self._start = start
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self._clock() - start

    def measure_items(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Pass items on, and count the time until each is there for a stage."""
        for item, seconds in timed(items, self._clock):
            if self._start is None:
                self._start = self._clock() - seconds
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
            yield item

    @property
    def elapsed(self) -> float:
        """Seconds since the start; 0 before it."""
        return 0.0 if self._start is None else self._clock() - self._start

    def report(self) -> str:
        """Return `decode 12 %, network 80 %, ..., other 3 %` of the time since the start."""
        elapsed = self.elapsed
        shares = {**self.seconds, "other": max(elapsed - sum(self.seconds.values()), 0.0)}
        parts = [f"{name} {100 * s / max(elapsed, 1e-9):.1f} %" for name, s in shares.items()]
        return ", ".join(parts)
