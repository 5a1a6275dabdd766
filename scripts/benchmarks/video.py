"""Suite video: from frames on disk to a predictions file, by the number of people in a frame."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from benchmarks.measure import Options, Row, Table, side_by_side
from benchmarks.network import CONFIG, SMOKE, lively_model
from benchmarks.reference import write_one_by_one
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.build.data import build_clip_options, read_people
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.jobs.predict import predict_split

PUBLISHED = {1: 150, 3: 204, 5: 292, 10: 431, 20: 721}
"""Milliseconds a frame of the original on an A800, by people (README of PAVE-Net, 2511.13208)."""
FRAMES = {"cpu": 2, "cuda": 60}


def measure_video(options: Options) -> list[Table]:
    """Measure milliseconds a frame of HRNet-W48 at 384 x 288; boxes are given."""
    crowds = [1, 2] if options.smoke else list(PUBLISHED)
    frames = 3 if options.smoke else FRAMES[options.device.type]
    image_wh = (160, 120) if options.smoke else (1280, 720)
    rows = []
    for people in crowds:
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            write_video_set(root, VideoSize(1, frames, people, image_wh))
            rows += _rows(root, people, frames, options)
    title = f"{frames} frames of {image_wh[0]}x{image_wh[1]} JPEG to predictions, {options.device}"
    return [Table(title, rows)]


def _rows(root: Path, people: int, frames: int, options: Options) -> list[Row]:
    overrides = [f"data.root={root}", "data.val_detections=null", "data.workers=1"]
    overrides += SMOKE if options.smoke else []
    precisions = ("bf16",) if options.device.type == "cuda" else ("fp32", "bf16")
    model = lively_model(load_config(CONFIG, overrides), options.device).eval()
    variants: dict[str, Callable[[], object]] = {
        "reference": lambda: _reference(load_config(CONFIG, overrides), model, root, options)
    }
    for precision in precisions:
        cfg = load_config(CONFIG, [*overrides, "test.fast=true", f"test.precision={precision}"])
        variants[f"test.fast, {precision}"] = partial(
            predict_split, cfg, model, "val", root / "predictions", options.device
        )
    timings = side_by_side(variants, options, warm_up=int(options.device.type == "cuda"))
    reference = timings["reference"]
    return [
        {
            "people": people,
            "what": name,
            "ms_per_frame": 1e3 * timing.seconds / frames,
            "times_reference": reference.seconds / timing.seconds,
            "published_a800_ms": PUBLISHED.get(people, 0),
        }
        for name, timing in timings.items()
    ]


def _reference(cfg: Config, model: nn.Module, root: Path, options: Options) -> None:
    clip_options = build_clip_options(cfg, training=False)
    given = read_people(cfg, "val")
    write_one_by_one(model, *given, clip_options, cfg.data.sigma, options.device, root)
