"""Suite infer: tools/infer.py's pipeline on a video, its speed, its stages and its memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.measure import Options, Row, Table
from dcpose.build.model import build_model
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.detection.detectors import make_detector
from dcpose.estimator.estimator import PoseEstimator
from dcpose.estimator.frame_result import FrameResult
from dcpose.estimator.live_poses import Boxes
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.jobs.infer import Outcome, infer
from dcpose.video.reader import VideoFile
from dcpose.video.source import VideoFrame

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "synthetic" / "dcpose.yaml"
SMALLER = ["data.crop_wh=[64,64]", "model.backbone.width=8"]
"""For the memory of long videos, where the network does not matter, and for smoke runs."""
STAGES = ("decode", "detect", "crop", "network", "draw", "encode", "other")
FRAMES_AT_ONCE = 8


def measure_infer(options: Options) -> list[Table]:
    """Measure frames per second at 1 and 8 people, and peak memory over 5,000 frames."""
    num_frames, long = (2, 20) if options.smoke else (24, 5000)
    clip_wh = (160, 120) if options.smoke else (640, 360)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip = write_noise(folder / "clip.mp4", num_frames, clip_wh)
        long_clip = write_noise(folder / "long.mp4", long, (160, 120))
        # memory first: a peak can only rise
        memory = _memory(options, load_config(CONFIG, SMALLER), long_clip, folder)
        config = load_config(CONFIG, SMALLER if options.smoke else [])
        rows = [
            _speed(options, config, clip, folder, people, detector)
            for detector in ("boxes given", "hog")
            for people in (1, 8)
        ]
    width, height = config.data.crop_wh
    title = (
        f"{num_frames} frames of {clip_wh[0]}x{clip_wh[1]} to JSON and drawn mp4, "
        f"configs/synthetic/dcpose.yaml (crops {width}x{height}), {options.device}, "
        f"{torch.get_num_threads()} threads; shares in percent of the time"
    )
    return [
        Table(title, rows),
        Table(f"Peak memory of the process over {long} frames of 160x120, 1 person each", memory),
    ]


def write_noise(path: Path, num_frames: int, wh: tuple[int, int]) -> Path:
    """Write a video of smooth noise that drifts."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (wh[1] // 20, wh[0] // 20, 3), np.uint8)
    still = np.kron(coarse, np.ones((20, 20, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = wh[0], wh[1], "yuv420p"
        for index in range(num_frames):
            image = np.ascontiguousarray(np.roll(still, 2 * index, axis=1))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _speed(
    options: Options, config: Config, clip: Path, folder: Path, people: int, detector: str
) -> Row:
    outcomes, shares = [], []
    for _ in range(options.runs + 1):  # the first warms up
        outcome, watch = _run(options, config, clip, folder, people, detector)
        outcomes.append(outcome)
        other = outcome.seconds - sum(watch.seconds.values())
        shares.append({**watch.seconds, "other": other})
    rate = statistics.median(o.num_frames / o.seconds for o in outcomes[1:])
    name = f"{people} {'person' if people == 1 else 'people'}, {detector}"
    row: Row = {"what": name, "frames_per_s": rate, "seconds_per_frame": 1 / rate}
    for stage in STAGES:
        parts = (s.get(stage, 0) / o.seconds for s, o in zip(shares[1:], outcomes[1:], strict=True))
        row[stage] = 100 * statistics.median(parts)
    return {**row, "runs": options.runs}


def _memory(options: Options, config: Config, clip: Path, folder: Path) -> list[Row]:
    marks: list[Row] = []
    _run(options, config, clip, folder, 1, "boxes given", marks)
    return marks


def _run(
    options: Options,
    config: Config,
    clip: Path,
    folder: Path,
    people: int,
    detector: str,
    marks: list[Row] | None = None,
) -> tuple[Outcome, Stopwatch]:
    """Go through a video once; with HOG the detector looks, and the same boxes are used."""
    weights = folder / f"{config.data.crop_wh[0]}.pth"
    if not weights.exists():
        torch.save(build_model(config).state_dict(), weights)
    source, watch = VideoFile(clip), Stopwatch()
    boxes = _grid(people, source.frame_wh)
    look = make_detector("hog", options.device, min_score=0.5)

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        look(image)
        return boxes.xywh, boxes.scores

    def given(frame: VideoFrame) -> Boxes:
        return boxes

    estimator = PoseEstimator(config, weights, str(options.device), detect, stopwatch=watch)
    boxes_of = given if detector == "boxes given" else None
    results: Iterable[FrameResult] = estimator.video(
        source, boxes_of, frames_at_once=FRAMES_AT_ONCE
    )
    if marks is not None:
        results = _marked(results, marks, every=max(1, (source.num_frames or 0) // 10))
    score = config.test.joint_score
    poses, video = (folder / "out" / f"{source.name}.{kind}" for kind in ("json", "mp4"))
    return infer(source, results, poses, estimator.skeleton, score, watch, video), watch


def _marked(results: Iterable[FrameResult], marks: list[Row], every: int) -> Iterator[FrameResult]:
    start = time.perf_counter()
    for count, result in enumerate(results, start=1):
        yield result
        if count % every == 0:
            peak = _peak_memory_mb()
            seconds = time.perf_counter() - start
            marks.append({"frames": count, "peak_memory_mb": peak, "seconds": seconds})


def _peak_memory_mb() -> float | None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _grid(people: int, wh: tuple[int, int]) -> Boxes:
    step = wh[0] / (people + 1)
    lefts = step * (0.5 + np.arange(people))
    ones = np.ones(people)
    sizes = [0.2 * wh[1] * ones, step * ones, 0.6 * wh[1] * ones]
    return Boxes(np.column_stack([lefts, *sizes]), ones)
