"""Measure speed and memory; every suite makes its own input and needs no download.

python scripts/benchmark.py --suite evaluator|data_index|share_backbone [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from dcpose.build import build_model, build_optimizer
from dcpose.config import Config, load_config
from dcpose.data.check import CheckOptions, check_data_set
from dcpose.data.check_jpeg import inspect_jpeg
from dcpose.data.check_layout import SplitFiles
from dcpose.data.frames import read_frame
from dcpose.data.index_cache import read_annotations_cached
from dcpose.engine.precision import resolve_precision
from dcpose.engine.supervised import SupervisedModel
from dcpose.losses import JointsMSELoss
from dcpose.skeleton import POSETRACK

NUM_VIDEOS, FRAMES_PER_VIDEO = 74, 120
"""Size of the PoseTrack18 validation set: 8,880 frames."""
RUNS = 5
SCRIPTS = Path(__file__).resolve().parent


def write_evaluation_set(folder: Path, seed: int = 0) -> None:
    """Write made-up annotations and predictions of the size of PoseTrack18 val, about 65 MB.

    Args:
        folder: gets `annotations` and `predictions`, one 2018 file per video.
        seed: the same seed gives the same files.
    """
    rng = np.random.default_rng(seed)
    for side in ("annotations", "predictions"):
        (folder / side).mkdir(parents=True)
    for video in range(NUM_VIDEOS):
        name = f"{video + 1:06d}_mpii_test"
        counts = rng.integers(2, 10, size=FRAMES_PER_VIDEO)
        annotated, predicted = [], []
        for frame, count in enumerate(counts):
            image_id = 10**10 + (video + 1) * 10**4 + frame
            people = _random_people(rng, int(count))
            annotated += [_annotation(image_id, i, joints) for i, joints in enumerate(people)]
            noisy = people + rng.normal(0, 8, people.shape)
            clutter = _random_people(rng, int(rng.integers(0, 3)))
            predicted += [
                _prediction(rng, image_id, i, joints)
                for i, joints in enumerate(np.concatenate([noisy, clutter]))
            ]
        _write_video(folder / "annotations", name, video + 1, annotated)
        _write_video(folder / "predictions", name, video + 1, predicted)


def _random_people(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, 17, 2) joints around random places of a 1280 x 720 image."""
    centers = rng.uniform((100, 100), (1180, 620), size=(count, 1, 2))
    return centers + rng.normal(0, (30, 80), size=(count, POSETRACK.num_joints, 2))


def _triplets(joints: np.ndarray, third: np.ndarray) -> list[float]:
    triplets = np.column_stack([joints, third])
    triplets[[POSETRACK.index(name) for name in POSETRACK.unlabelled]] = 0
    return triplets.round(3).reshape(-1).tolist()


def _annotation(image_id: int, track_id: int, joints: np.ndarray) -> dict[str, Any]:
    head_x, head_y = joints[POSETRACK.index("head_top")].round(3).tolist()
    return {
        "image_id": image_id, "id": image_id * 100 + track_id, "track_id": track_id,
        "category_id": 1, "bbox_head": [head_x, head_y, 36.25, 44.5], "scores": [],
        "keypoints": _triplets(joints, np.ones(len(joints))),
    }  # fmt: skip


def _prediction(
    rng: np.random.Generator, image_id: int, track_id: int, joints: np.ndarray
) -> dict[str, Any]:
    scores = rng.uniform(size=len(joints)).round(6)
    return {
        "image_id": image_id, "id": image_id * 100 + track_id, "track_id": track_id,
        "category_id": 1, "score": round(float(rng.uniform()), 6), "scores": scores.tolist(),
        "keypoints": _triplets(joints, scores),
    }  # fmt: skip


def _write_video(folder: Path, name: str, video: int, people: list[dict[str, Any]]) -> None:
    images = [
        {
            "id": 10**10 + video * 10**4 + frame,
            "file_name": f"images/val/{name}/{frame:06d}.jpg",
            "nframes": FRAMES_PER_VIDEO,
        }
        for frame in range(FRAMES_PER_VIDEO)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    content = {"images": images, "annotations": people, "categories": [category]}
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


# the kernel counts the memory of the process that starts another one towards the peak of the other,
# so a small process starts the measured one
_LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
sys.exit(code)
"""


def measure_command(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a command on one thread.

    Args:
        command: program and arguments; its output is dropped, its stderr is shown.

    Returns:
        wall seconds, CPU seconds, peak memory in MB.

    Raises:
        subprocess.CalledProcessError: if the command fails.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    run = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-c", _LAUNCHER, *command],
        env={**os.environ, **dict.fromkeys(threads, "1")},
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu, peak = json.loads(run.stdout)
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return wall, cpu, peak * bytes_per_unit / 1e6


def benchmark_evaluator() -> list[dict[str, Any]]:
    """Measure scripts/evaluate_ap.py on a set of the size of PoseTrack18 val."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_evaluation_set(folder)
        megabytes = sum(path.stat().st_size for path in folder.rglob("*.json")) / 1e6
        command = [
            sys.executable, str(SCRIPTS / "evaluate_ap.py"),
            "--annotations", str(folder / "annotations"),
            "--predictions", str(folder / "predictions"),
        ]  # fmt: skip
        runs = [measure_command(command) for _ in range(RUNS)]
    return [
        {
            "what": f"evaluate_ap, {NUM_VIDEOS} videos, {NUM_VIDEOS * FRAMES_PER_VIDEO} frames, "
            f"{megabytes:.0f} MB of JSON, 1 thread",
            "seconds_median": statistics.median(wall for wall, _, _ in runs),
            "cpu_seconds_median": statistics.median(cpu for _, cpu, _ in runs),
            "peak_memory_mb": max(memory for _, _, memory in runs),
            "runs": RUNS,
        }
    ]


def benchmark_data_index() -> list[dict[str, Any]]:
    """Measure indexing and checking a set of the size of PoseTrack18 val, cold and cached."""
    with tempfile.TemporaryDirectory() as temporary:
        root, cache = Path(temporary) / "set", Path(temporary) / "cache"
        write_evaluation_set(root)
        write_frames(root)
        splits = [SplitFiles("val", root / "annotations")]
        frames = sorted((root / "images").rglob("*.jpg"))

        def index() -> object:
            return read_annotations_cached(root / "annotations", root, cache)

        def check() -> object:
            return check_data_set(root, splits, CheckOptions(), cache)

        tasks: list[tuple[str, Callable[[], object], bool]] = [
            ("index: annotations to records", index, True),
            ("index from the cache", index, False),
            ("check_dataset", check, True),
            ("check_dataset from the cache", check, False),
            ("headers and ends of all frames", lambda: _each(inspect_jpeg, frames), False),
            ("all frames read, for comparison", lambda: _each(Path.read_bytes, frames), False),
            ("500 frames decoded, for comparison", lambda: _each(read_frame, frames[:500]), False),
        ]
        seconds = {
            what: statistics.median(_seconds(task, cache if cold else None) for _ in range(3))
            for what, task, cold in tasks
        }
    size = f"{NUM_VIDEOS} videos, {len(frames)} frames on disk"
    return [
        {"what": f"{what}; {size}", "seconds_median": value, "runs": 3}
        for what, value in seconds.items()
    ]


def write_frames(root: Path) -> None:
    """Write a JPEG for every image of an evaluation set; the picture is the same everywhere."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (90, 160, 3), np.uint8)
    picture = cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    for source in (root / "annotations").glob("*.json"):
        for image in json.loads(source.read_bytes())["images"]:
            path = root / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _each(look: Callable[[Path], object], paths: Sequence[Path]) -> None:
    for path in paths:
        look(path)


def _seconds(task: Callable[[], object], cache_to_clear: Path | None) -> float:
    if cache_to_clear is not None and cache_to_clear.is_dir():
        shutil.rmtree(cache_to_clear)
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def benchmark_share_backbone(
    configs: Sequence[Path] = tuple(sorted((SCRIPTS.parent / "configs/ablations").glob("*.yaml"))),
    on: Path | None = None,
) -> list[dict[str, Any]]:
    """Measure a training step of variants alone and on shared backbone passes, without loading.

    The parts are measured for every variant: the pass of the frozen backbone over random frames,
    and all that follows it. Alone, a step is both; together, one pass serves all variants that
    see the same frames of the same clips. 32 clips on CUDA, 1 on a CPU.

    Args:
        configs: the variants.
        on: see `load_config`.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    passes: dict[tuple[Any, ...], float] = {}
    alone_passes = heads = 0.0
    for path in configs:
        cfg = load_config(path, on=on)
        backbone_s, head_s = _parts_of_a_step(cfg, device)
        passes[(cfg.data.max_gap, cfg.model.neighbors)] = backbone_s
        alone_passes += backbone_s
        heads += head_s
    shared_passes = sum(passes.values())
    alone = alone_passes + heads
    return [
        {"what": f"{what}, {len(configs)} variants, {device}", "backbone_passes": number,
         "seconds_backbone": seconds, "seconds_heads": heads, "seconds_step": seconds + heads,
         "part_of_alone": (seconds + heads) / alone}
        for what, number, seconds in (("one by one", len(configs), alone_passes),
                                      ("--share-backbone", len(passes), shared_passes))
    ]  # fmt: skip


def _parts_of_a_step(cfg: Config, device: torch.device) -> tuple[float, float]:
    """Return median seconds of the backbone's pass, and of what a step does after it."""
    batch = 32 if device.type == "cuda" else 1
    width, height = cfg.data.crop_wh
    joints = cfg.model.num_joints
    frames = torch.randn(batch, 3, 3, height, width, device=device)
    gaps, weights = torch.ones(batch, 2, device=device), torch.ones(batch, joints, device=device)
    targets = torch.rand(batch, joints, height // 4, width // 4, device=device)
    model: Any = build_model(cfg).to(device).train()
    optimizer = build_optimizer(cfg, model)
    supervised = SupervisedModel(
        model, JointsMSELoss(), resolve_precision(cfg.train.precision, device)
    )
    times: list[float] = []

    def clock() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    initial_heatmaps = model.initial_heatmaps

    def timed_pass(frames: torch.Tensor) -> torch.Tensor:
        start = clock()
        heatmaps = initial_heatmaps(frames)
        times.append(clock() - start)
        return heatmaps

    model.initial_heatmaps = timed_pass
    rest: list[float] = []
    for _ in range(1 + (RUNS if device.type == "cuda" else 1)):
        start = clock()
        supervised(frames, gaps, targets, weights).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        rest.append(clock() - start - times[-1])
    return statistics.median(times[1:]), statistics.median(rest[1:])  # the first one warms up


SUITES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "evaluator": benchmark_evaluator,
    "data_index": benchmark_data_index,
    "share_backbone": benchmark_share_backbone,
}
"""Every suite returns rows with the keys `what`, ... of the table; a new one is a new entry."""


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows of one suite as a table."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = [f"{row[c]:.2f}" if isinstance(row[c], float) else str(row[c]) for c in columns]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one suite, print its table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description="measure speed and memory")
    parser.add_argument("--suite", choices=sorted(SUITES), required=True)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args(argv)

    rows = SUITES[arguments.suite]()
    machine = {"python": platform.python_version(), "numpy": np.__version__}
    machine["cpu"] = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(to_markdown(rows))
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    if arguments.json:
        report = {"suite": arguments.suite, "machine": machine, "rows": rows}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
