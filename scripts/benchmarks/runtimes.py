"""Suite runtimes: what may run a network on a CPU, against the network as it is trained.

Every candidate is made of the same weights, here and now; packages that are not installed are named
above the tables. Clips go through one by one, as in val and infer, but for the reference, which
takes a batch in one call. With OMP_NUM_THREADS=1 all have one thread.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Options, Row, Table, Timing, side_by_side, speed_columns
from benchmarks.network import SMOKE, as_loaded, compile_frozen, lively_model
from dcpose.config.loading import load_config
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.deploy.fuse import fuse
from dcpose.deploy.runtimes import Run, load_onnx, load_openvino
from dcpose.deploy.save import DEFAULT_OPSET, HEATMAPS, save_onnx, save_openvino
from dcpose.deploy.trace import trace
from dcpose.deploy.winograd import use_winograd
from dcpose.files.packages import require
from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.models.interface import TemporalModel

W48 = "configs/posetrack18/dcpose_hrnet_w48.yaml"
NETWORKS: dict[str, tuple[str, list[str]]] = {
    "small DCPose, HRNet of width 24": ("configs/synthetic/dcpose.yaml", []),
    "DCPose, HRNet-W32": (W48, ["model.backbone.width=32", "data.crop_wh=[192,256]"]),
    "DCPose, HRNet-W48": (W48, []),
}
CLIPS = (1, 8)
SECONDS_OF_ROUNDS = 60
"""About how long the rounds of a table take at most; there is at least one."""

ONNX_FILE = "network.onnx"
"""In the folder of a comparison: written once, for both candidates that are made of it."""

REFERENCE = "reference: eager, as it is trained"
Heatmaps = Callable[[Tensor, Tensor], Tensor]
T = TypeVar("T")


def measure_runtimes(options: Options) -> list[Table]:
    """Compare runtimes at three sizes, with 1 and 8 clips.

    Raises:
        ValueError: if the device is not a CPU.
    """
    if options.device.type != "cpu":
        raise ValueError(f"--suite runtimes is about CPUs, found device {options.device.type}")
    networks = list(NETWORKS.items())[:1] if options.smoke else list(NETWORKS.items())
    tables = []
    for name, (path, overrides) in networks:
        cfg = load_config(path, [*overrides, *(SMOKE if options.smoke else [])])
        model = lively_model(cfg, options.device)
        tables += _compare(name, model.eval().requires_grad_(False), cfg.data.crop_wh, options)
    return tables


@torch.no_grad()
def _compare(
    name: str, model: TemporalModel, crop_wh: tuple[int, int], options: Options
) -> list[Table]:
    candidates, prepared_in, absent = _candidates(model, crop_wh, options.smoke)
    candidates = {REFERENCE: model, **candidates}
    tables, seconds_of_clip = [], _seconds_of_clip(model, crop_wh)
    for clips in (1, 2) if options.smoke else CLIPS:
        frames, gaps = example_clips(3, crop_wh, clips, seed=1)
        frames = as_loaded(frames)
        found: dict[str, Tensor] = {}
        calls = {
            what: partial(_keep, found, what, run, (frames, gaps))
            for what, run in candidates.items()
        }
        rounds = int(SECONDS_OF_ROUNDS / (seconds_of_clip * clips * len(calls)))
        runs = replace(options, runs=min(max(rounds, 1), options.runs))
        timings = side_by_side(calls, runs, warm_up=int(clips == 1))
        title = f"{name}, {crop_wh[0]} x {crop_wh[1]}, {clips} clips, {runs.runs} rounds"
        title += "; random weights" + "".join(f"; {line}" for line in absent)
        tables.append(Table(title, _rows(timings, found, prepared_in, clips)))
    return tables


def _seconds_of_clip(model: TemporalModel, crop_wh: tuple[int, int]) -> float:
    frames, gaps = example_clips(3, crop_wh, 1, seed=1)
    for _ in range(2):
        start = time.perf_counter()
        model(frames, gaps)
    return time.perf_counter() - start


def _keep(
    found: dict[str, Tensor], name: str, run: Heatmaps, inputs: tuple[Tensor, Tensor]
) -> None:
    found[name] = run(*inputs) if name == REFERENCE else _one_by_one(run, *inputs)


def _rows(
    timings: dict[str, Timing],
    found: dict[str, Tensor],
    prepared_in: dict[str, float],
    clips: int,
) -> list[Row]:
    reference, expected = timings[REFERENCE], found[REFERENCE]
    peak = float(expected.abs().max())
    return [
        {
            "what": name,
            **speed_columns(timing, reference, clips),
            "difference_of_peak": float((found[name] - expected).abs().max()) / peak,
            "s_to_prepare": prepared_in.get(name, 0.0),
        }
        for name, timing in timings.items()
    ]


def _candidates(
    model: TemporalModel, crop_wh: tuple[int, int], smoke: bool
) -> tuple[dict[str, Heatmaps], dict[str, float], list[str]]:
    """Return what computes heatmaps, how long each took to make, and what could not be made."""
    example = example_clips(3, crop_wh)
    made: dict[str, Heatmaps] = {}
    seconds: dict[str, float] = {}
    absent = []
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        program, traced_in = _timed(partial(trace, model, example))
        saved_in = 0.0
        with contextlib.suppress(ValueError):  # a package is missing: those who need it say so
            saved_in = _timed(partial(_save_onnx, program, folder))[1]
        makers: dict[str, tuple[Callable[[], Heatmaps], float]] = {
            "prepared (test.fast)": (partial(prepare_for_inference, model, example), 0),
            "torch.compile with freezing": (partial(_compiled, model, example, smoke), 0),
            "ONNX Runtime": (partial(_onnx, folder), traced_in + saved_in),
            "ONNX Runtime, Winograd": (partial(_onnx, folder, winograd=True), traced_in + saved_in),
            "OpenVINO": (partial(_openvino, program, folder), traced_in),
        }
        if importlib.util.find_spec("mmcv") is not None:
            name = "as it is trained, mmcv's deformable convolution"
            makers[name] = partial(_with_mmcv, model), 0
        for name, (make, before) in makers.items():
            try:
                made[name], took = _timed(make)
            except ValueError as error:  # a package is missing
                absent.append(str(error).partition(" (")[0])
                continue
            seconds[name] = took + before
    return made, seconds, absent


def _timed(make: Callable[[], T]) -> tuple[T, float]:
    """Return what it makes, and the CPU time that it takes, in seconds."""
    start = time.process_time()
    return make(), time.process_time() - start


def _with_mmcv(model: TemporalModel) -> Heatmaps:
    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, ModulatedDeformConv):
            module.implementation = "mmcv"
    return changed


def _compiled(model: TemporalModel, example: tuple[Tensor, Tensor], smoke: bool) -> Heatmaps:
    """Compile the backbone of a folded copy, which is nearly all of the work."""
    folded = copy.deepcopy(model)
    fuse(folded)
    compile_frozen(folded.backbone, smoke)
    for _ in range(2):
        folded(example[0][:1], example[1][:1])
    return folded


def _save_onnx(program: torch.export.ExportedProgram, folder: Path) -> None:
    require("onnxruntime")
    save_onnx(program, folder / ONNX_FILE, HEATMAPS, DEFAULT_OPSET)


def _onnx(folder: Path, winograd: bool = False) -> Heatmaps:
    for package in ("onnxruntime", "onnx", "onnxscript"):
        require(package)
    if winograd:  # in the place of the file, which the candidate before has read
        use_winograd(folder / ONNX_FILE)
    return _of_tensors(load_onnx(folder / ONNX_FILE, HEATMAPS))


def _openvino(program: torch.export.ExportedProgram, folder: Path) -> Heatmaps:
    path = folder / "network.xml"
    save_openvino(program, path, half=False)
    return _of_tensors(load_openvino(path))


def _of_tensors(run: Run) -> Heatmaps:
    def heatmaps(frames: Tensor, gaps: Tensor) -> Tensor:
        arrays = (np.ascontiguousarray(tensor.numpy()) for tensor in (frames, gaps))
        return torch.from_numpy(run(*arrays)[0])

    return heatmaps


def _one_by_one(run: Heatmaps, frames: Tensor, gaps: Tensor) -> Tensor:
    return torch.cat([run(*clip) for clip in zip(frames.split(1), gaps.split(1), strict=True)])
