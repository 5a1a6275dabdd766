"""What the suites measure with: turns, medians, processes, the device's limits."""

import subprocess
import sys

import pytest
import torch

from benchmarks.machine import Roofline, measure_roofline
from benchmarks.measure import Options, Timing, side_by_side
from benchmarks.process import measure_command

CPU = torch.device("cpu")
ROOFLINE = Roofline(copy=1e9, matmul={"fp32": 1e12, "bf16": 4e12})


def test_variants_take_turns():
    calls = []
    variants = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    timings = side_by_side(variants, Options(CPU, ROOFLINE, runs=3), warm_up=2)
    assert calls == ["a", "b"] * 5
    assert [len(timing.wall) for timing in timings.values()] == [3, 3]
    assert all(second >= 0 for timing in timings.values() for second in timing.wall)


def test_medians():
    timing = Timing(wall=(5.0, 1.0, 2.0), cpu=(0.5, 9.0, 0.75))
    assert (timing.seconds, timing.cpu_seconds) == (2.0, 0.75)


def test_the_floor_is_the_slower_of_moving_and_computing():
    assert ROOFLINE.floor(2e9, 1e12) == 2.0
    assert ROOFLINE.floor(1e8, 1e12) == 1.0
    assert ROOFLINE.floor(1e8, 1e12, "bf16") == 0.25


def test_the_roofline_is_measured():
    roofline = measure_roofline(CPU, smoke=True)
    assert roofline.copy > 0
    assert set(roofline.matmul) == {"fp32", "bf16"}
    assert min(roofline.matmul.values()) > 0


def test_measures_a_process():
    size = 50_000_000
    code = f"x = b'1' * {size}"
    seconds, cpu_seconds, megabytes = measure_command([sys.executable, "-c", code])
    assert seconds > 0
    assert cpu_seconds > 0
    # a bare interpreter is about 10 MB; this process with its test tools is far larger
    assert size / 1e6 < megabytes < size / 1e6 + 30
    with pytest.raises(subprocess.CalledProcessError):
        measure_command([sys.executable, "-c", "raise SystemExit(3)"])
