"""What the figures were measured on: names, versions, and what the device can do at best."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return device, cores, threads and versions."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "torch": torch.__version__,
        "torchvision": metadata.version("torchvision"),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Roofline:
    """What the device reached on the two simplest jobs, in this run.

    Attributes:
        copy: bytes per second of a copy, read and written bytes both counted.
        matmul: operations per second of a large matrix product, by number format; a
            multiplication with its addition counts as two.
    """

    copy: float
    matmul: dict[str, float]

    def floor(self, moved_bytes: float, operations: float = 0, dtype: str = "fp32") -> float:
        """Return the seconds below which no program can move and compute that much."""
        return max(moved_bytes / self.copy, operations / self.matmul[dtype])


def measure_roofline(device: torch.device, smoke: bool = False) -> Roofline:
    """Measure copying and matrix products, on the threads that torch has.

    Args:
        device: where.
        smoke: tiny sizes; the rates mean nothing.
    """
    large = device.type == "cuda"
    num_bytes = 2**16 if smoke else 2**30 if large else 2**27
    source = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = 2 * num_bytes / _best_seconds(lambda: target.copy_(source), device)
    side = 64 if smoke else 8192 if large else 1024
    matmul = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.rand(side, side, device=device).to(dtype)
        matmul[name] = 2 * side**3 / _best_seconds(partial(torch.mm, matrix, matrix), device)
    return Roofline(copy, matmul)


def _best_seconds(run: Callable[[], object], device: torch.device, runs: int = 10) -> float:
    """Return the shortest run: a bound is about what the device can do, not what it did."""
    best = float("inf")
    for _ in range(runs):
        start = clock(device)
        run()
        best = min(best, clock(device) - start)
    return best


def clock(device: torch.device) -> float:
    """Return seconds, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def describe_roofline(roofline: Roofline) -> dict[str, float]:
    """Return the rates in GB/s and TFLOP/s."""
    rates = {f"matmul_{name}_tflop_s": rate / 1e12 for name, rate in roofline.matmul.items()}
    return {"copy_gb_s": roofline.copy / 1e9, **rates}
