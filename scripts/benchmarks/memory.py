"""Suite memory: peak memory of predicting a short and a long video, of tiny frames."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import cast

import torch

from benchmarks.measure import Options, Row, Table
from benchmarks.process import measure_command
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.config.loading import load_config
from dcpose.jobs.predict import predict_split
from dcpose.models.interface import TemporalModel

SCRIPTS = Path(__file__).resolve().parents[1]
CONFIG = SCRIPTS.parent / "configs" / "posetrack18" / "dcpose_hrnet_w48.yaml"
FRAMES = (2_000, 20_000)
CHILD = "import sys; from benchmarks.memory import predict; predict(sys.argv[1])"


class FlatHeatmaps(torch.nn.Module):
    """Stands where the network stands: memory of a network does not depend on the video."""

    stride = 4

    def forward(self, frames: torch.Tensor, gaps: torch.Tensor) -> torch.Tensor:
        """Return heatmaps (B, 17, H / 4, W / 4) with one peak each."""
        height, width = (side // 4 for side in frames.shape[-2:])
        heatmaps = torch.zeros(len(frames), 17, height, width)
        heatmaps[:, :, height // 2, width // 2] = 1
        return heatmaps


def predict(root: str) -> None:
    """Predict the val split under `root`; this is what the measured process does."""
    overrides = [
        f"data.root={root}", "data.val_detections=null", "data.crop_wh=[64,64]", "data.workers=1",
        "test.fast=false",
    ]  # fmt: skip
    cfg = load_config(CONFIG, overrides)
    out = Path(root) / "predictions"
    predict_split(cfg, cast(TemporalModel, FlatHeatmaps().eval()), "val", out, torch.device("cpu"))


def measure_memory(options: Options) -> list[Table]:
    """Measure the peak of a whole process, libraries included; each once, it hardly varies."""
    frames = [20, 40] if options.smoke else list(FRAMES)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent)])
    rows: list[Row] = []
    for number in frames:
        with tempfile.TemporaryDirectory() as temporary:
            write_video_set(Path(temporary), VideoSize(1, number, 1, image_wh=(64, 48)))
            seconds, _, megabytes = measure_command([sys.executable, "-c", CHILD, temporary])
        rows.append({
            "frames": number,
            "peak_memory_mb": megabytes,
            "more_than_first": megabytes / (rows[0]["peak_memory_mb"] if rows else megabytes) - 1,
            "seconds": seconds,
        })  # fmt: skip
    return [Table("one video, one person per frame of 64x48, annotations to predictions", rows)]
