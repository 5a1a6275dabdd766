"""Suite train: a training step on clips that lie on the device, backbone frozen."""

from __future__ import annotations

import copy
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.queues import SimpleQueue
from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import get_all_start_methods, get_context
from torch.multiprocessing.spawn import start_processes

from benchmarks.machine import clock
from benchmarks.measure import Options, Row, Table, Timing, side_by_side, speed_columns
from benchmarks.network import (
    CONFIG,
    SMOKE,
    as_loaded,
    compile_frozen,
    count_work,
    lively_model,
)
from dcpose.config.loading import load_config
from dcpose.deploy.fast import prepare_for_inference
from dcpose.deploy.fuse import fuse
from dcpose.engine.distributed import process_group, wrap_model
from dcpose.engine.encodings import FrozenEncoder
from dcpose.engine.optim import make_optimizer
from dcpose.engine.precision import resolve_precision
from dcpose.engine.supervised import SupervisedModel
from dcpose.losses import JointsMSELoss
from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipBatch

LEARNING_RATE = 1e-4
Step = Callable[[], object]

REFERENCE = "reference: eager, fp32, channels first, loss read"
TRAIN = "as tools/train.py"
KEPT = "as tools/train.py, train.cache_encodings"

START = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
"""How processes start: a server that loads torch once forks both, where the system can fork."""


@dataclass(frozen=True)
class Case:
    """A network and its clips.

    Attributes:
        name: for the title.
        config: of a DCPose.
        overrides: of the config.
        clips: per step.
    """

    name: str
    config: str
    overrides: tuple[str, ...]
    clips: int


def measure_train(options: Options) -> list[Table]:
    """Compare steps of DCPose with HRNet-W48 on 288 x 384 crops, and on a CPU of the quick start's.

    On a CPU two threads and two processes of half the clips each are beside one thread, and bf16
    where the processor multiplies it faster.
    """
    on_cpu, smoke = options.device.type == "cpu", tuple(SMOKE) if options.smoke else ()
    large = Case("HRNet-W48", CONFIG, smoke, 1 if on_cpu or options.smoke else 32)
    if not on_cpu:
        return [_compare(large, options)]
    small = Case("the quick start's HRNet", "configs/synthetic/dcpose.yaml", smoke, 8)
    return [_compare(large, options), _compare(small, options)]


def _compare(case: Case, options: Options) -> Table:
    device = options.device
    dtype = resolve_precision("auto", device)
    model, (width, height), given = _network_and_clips(case, device)
    with torch.no_grad():
        frames, gaps = given.frames[:1], given.gaps[:1]
        operations, _ = count_work(model, frames, gaps)
        head_operations, _ = count_work(HeadCall(model), cast(Tensor, given.encoded)[:1], gaps)
    steps: dict[str, Step] = {
        REFERENCE: _step(model, given.of_frames(), torch.float32, read=True),
        TRAIN: _step(model, given.channels_last(), dtype, _prepared(model, frames, dtype)),
        KEPT: _step(model, given.of_encodings(), dtype),
    }
    # the head's backward pass computes gradients of inputs and of weights
    work = dict.fromkeys(steps, operations + 2 * head_operations) | {KEPT: 3 * head_operations}
    if device.type == "cpu":
        more: dict[str, Step] = {
            f"{TRAIN}, backbone compiled with freezing": _step(
                model, given.channels_last(), dtype, _compiled(model, options.smoke)
            ),
            f"{KEPT}, two threads": partial(_with_threads, 2, steps[KEPT]),
        }
        half, rates = torch.bfloat16, options.roofline.matmul
        if rates["bf16"] > rates["fp32"]:  # else minutes a step
            more |= {
                f"{TRAIN}, in bf16": _step(
                    model, given.channels_last(), half, _prepared(model, frames, half)
                ),
                f"{KEPT}, in bf16": _step(model, given.of_encodings(), half),
            }
        work |= {name: work[KEPT if name.startswith(KEPT) else TRAIN] for name in more}
        steps |= more
    timings = side_by_side(steps, options)
    if device.type == "cpu" and case.clips % 2 == 0:
        name = f"{KEPT}, two processes"
        timings[name], work[name] = _in_two_processes(case, options.runs), work[KEPT]
    kind = "fp32" if dtype == torch.float32 else "bf16"
    formats = {name: "bf16" if name.endswith("bf16") else kind for name in timings}
    formats[REFERENCE] = "fp32"
    rows: list[Row] = [
        {
            "what": name,
            **speed_columns(timing, timings[REFERENCE], case.clips),
            "seconds_floor": options.roofline.floor(0, work[name] * case.clips, formats[name]),
        }
        for name, timing in timings.items()
    ]
    title = f"DCPose, {case.name}, {width} x {height}, steps of {case.clips} clips, frozen backbone"
    return Table(title, rows)


class Given(ClipBatch):
    """Clips whose frames are normalised already, and what their backbone might encode."""

    def network_input(self) -> Tensor:
        """Return the frames as they are."""
        return self.frames

    def of_frames(self) -> Given:
        """Leave the encodings out."""
        return replace(self, encoded=None)

    def of_encodings(self) -> Given:
        """Leave the frames out."""
        return replace(self, frames=self.frames[:, :0])

    def channels_last(self) -> Given:
        """Lay frames out as a batch comes out of the loader, without encodings."""
        return replace(self, frames=as_loaded(self.frames), encoded=None)


class HeadCall(nn.Module):
    """The head of a DCPose as a module that is called with (initial, gaps)."""

    def __init__(self, model: TemporalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, initial: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps."""
        return self.model.decode(initial, gaps)


def _network_and_clips(
    case: Case, device: torch.device
) -> tuple[TemporalModel, tuple[int, int], Given]:
    cfg = load_config(case.config, list(case.overrides))
    width, height = cfg.data.crop_wh
    generator = torch.Generator().manual_seed(1)
    frames = torch.randn(case.clips, 3, 3, height, width, generator=generator).to(device)
    initial = torch.rand(case.clips, 3, 17, height // 4, width // 4, generator=generator).to(device)
    gaps = torch.ones(case.clips, 2, device=device)
    clips = Given([], frames, gaps, torch.empty(0), encoded=initial)
    return lively_model(cfg, device), (width, height), clips


def _step(
    model: TemporalModel,
    clips: Given,
    dtype: torch.dtype,
    encoder: FrozenEncoder | None = None,
    *,
    read: bool = False,
) -> Step:
    """Return a step of a copy of the model; `read` waits for the loss."""
    device = clips.gaps.device
    supervised = SupervisedModel(copy.deepcopy(model), JointsMSELoss(), dtype).train()
    optimizer = make_optimizer(supervised.parameters(), "adam", LEARNING_RATE)
    wrapped = wrap_model(supervised, device)
    count, (height, width) = len(clips.gaps), clips.frames.shape[-2:]
    targets = torch.rand(count, 17, height // 4, width // 4, device=device)
    weights = torch.ones(count, 17, device=device)

    def step() -> None:
        batch = clips if encoder is None else encoder.clips(clips)
        loss = wrapped(batch, targets, weights)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if read:
            loss.item()

    return step


def _prepared(model: TemporalModel, frames: Tensor, dtype: torch.dtype) -> FrozenEncoder:
    network = prepare_for_inference(copy.deepcopy(model).image_encoder(), [frames[:, 0]], dtype)
    return FrozenEncoder(lambda: network, dtype)


def _compiled(model: TemporalModel, smoke: bool) -> FrozenEncoder:
    network = copy.deepcopy(model).image_encoder().eval().requires_grad_(False)
    fuse(network)
    compile_frozen(network, smoke)
    return FrozenEncoder(lambda: network)


def _with_threads(number: int, step: Step) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        step()
    finally:
        torch.set_num_threads(before)


def _in_two_processes(case: Case, runs: int) -> Timing:
    """Time steps on kept encodings in two processes of one thread, which share a step's clips."""
    context = get_context(START)
    results: SimpleQueue[Timing] = context.SimpleQueue()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    each = replace(case, clips=case.clips // 2)
    start_processes(_process, (each, runs, port, results), nprocs=2, start_method=START)
    timings: list[Timing] = [results.get(), results.get()]
    slower = zip(*(timing.wall for timing in timings), strict=True)
    together = zip(*(timing.cpu for timing in timings), strict=True)
    return Timing(tuple(map(max, slower)), tuple(map(sum, together)))


def _process(rank: int, case: Case, runs: int, port: int, results: SimpleQueue[Timing]) -> None:
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": f"{port}"}
    torch.set_num_threads(1)
    with process_group("cpu") as device:
        model, _, clips = _network_and_clips(case, device)
        step = _step(model, clips.of_encodings(), torch.float32)
        wall, cpu = [], []
        for _ in range(1 + runs):
            distributed.barrier()
            start, cpu_start = clock(device), time.process_time()
            step()
            wall.append(clock(device) - start)
            cpu.append(time.process_time() - cpu_start)
        results.put(Timing(tuple(wall[1:]), tuple(cpu[1:])))
