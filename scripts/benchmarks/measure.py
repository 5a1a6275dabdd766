"""What all suites measure with: clocks, side by side runs, tables.

A suite is a function from `Options` to tables. Variants that are compared run side by side in one
process, in turn, so that whatever else the machine does hits all of them alike; the figure is the
median of the runs after one that warms up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import Roofline, clock

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How a suite runs.

    Attributes:
        device: where networks compute.
        roofline: what that device can do at best.
        smoke: tiny sizes, to see that everything works; the figures mean nothing.
        runs: measured runs of each variant.
        run: folder of a finished training, for suites about trained weights.
    """

    device: torch.device
    roofline: Roofline
    smoke: bool = False
    runs: int = 5
    run: Path | None = None


@dataclass(frozen=True)
class Table:
    """One table of results.

    Attributes:
        title: what was measured, with the sizes.
        rows: the first key is the name of the row; all rows have the same keys.
    """

    title: str
    rows: list[Row]


Suite = Callable[[Options], list[Table]]


@dataclass(frozen=True)
class Timing:
    """Seconds of all runs of one variant.

    Attributes:
        wall: by the clock.
        cpu: spent by this process on all its threads, less sensitive to other programs.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Median by the clock."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """Median of what this process spent."""
        return statistics.median(self.cpu)


def speed_columns(timing: Timing, reference: Timing, clips: int) -> Row:
    """Return the columns of a table that say how fast a variant handles clips."""
    return {
        "seconds": timing.seconds,
        "cpu_seconds": timing.cpu_seconds,
        "clips_per_s": clips / timing.seconds,
        "times_reference": reference.seconds / timing.seconds,
        "times_reference_by_cpu_time": reference.cpu_seconds / timing.cpu_seconds,
    }


def side_by_side(
    variants: Mapping[str, Callable[[], object]], options: Options, warm_up: int = 1
) -> dict[str, Timing]:
    """Run variants in turn, and time them.

    Args:
        variants: what to run, by name; what a function returns is dropped.
        options: device to wait for, and number of rounds.
        warm_up: rounds that are not counted.
    """
    wall: dict[str, list[float]] = {name: [] for name in variants}
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(warm_up + options.runs):
        for name, run in variants.items():
            start, cpu_start = clock(options.device), time.process_time()
            run()
            wall[name].append(clock(options.device) - start)
            cpu[name].append(time.process_time() - cpu_start)
    return {
        name: Timing(tuple(wall[name][warm_up:]), tuple(cpu[name][warm_up:])) for name in variants
    }
