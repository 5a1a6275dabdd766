"""Suite precision: heatmaps of ViT, TAR and FAMI in other number formats and orders of memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import Options, Row, Table, side_by_side, speed_columns
from benchmarks.network import as_loaded, autocast_bf16, lively_model
from dcpose.build.data import build_clip_options
from dcpose.config.loading import load_config
from dcpose.deploy.fast import prepare_for_inference
from dcpose.heatmap import decode

CROP = "data.crop_wh=[64,64]"
"""Small: rounding depends on layers and channels, not on the number of pixels."""

NETWORKS = {
    "ViT-S": ("coco/single_frame_vit_s", (CROP,)),
    "TAR on ViT-S": ("posetrack17/tar_vit_s", (CROP,)),
    "FAMI on HRNet-W32": ("posetrack17/fami_hrnet_w48", (CROP, "model.backbone.width=32")),
}
"""By what tables call them: config, and what differs."""

SMOKE = {
    "vit": ("model.backbone.width=16", "model.backbone.depth=1", "model.backbone.heads=4",
            "model.backbone.decoder_channels=8"),
    "hrnet": ("model.backbone.width=4", "model.backbone.modules=[1,1,1]", "model.backbone.blocks=1",
              "model.backbone.stem_channels=4"),
}  # fmt: skip

NEAR = 0.5
"""A joint is where it was within so many heatmap pixels."""


def measure_precision(options: Options) -> list[Table]:
    """Compare each network with itself as it is trained: eager, fp32, channels first."""
    return [_compare(name, options) for name in NETWORKS]


@torch.inference_mode()
def _compare(name: str, options: Options) -> Table:
    config, overrides = NETWORKS[name]
    backbone = load_config(config, overrides).model.backbone.name
    smoke = (*SMOKE[backbone], "data.crop_wh=[64,64]") if options.smoke else ()
    cfg = load_config(config, [*overrides, *smoke])
    model = lively_model(cfg, options.device)
    count = build_clip_options(cfg, training=False).num_frames
    generator = torch.Generator().manual_seed(1)
    shape = (1, count, 3, cfg.data.crop_wh[1], cfg.data.crop_wh[0])
    frames = torch.randn(shape, generator=generator).to(options.device)
    gaps = torch.ones(1, count - 1, device=options.device)
    last = as_loaded(frames)
    fast = {
        dtype: prepare_for_inference(model, (frames, gaps), dtype)
        for dtype in (torch.float32, torch.bfloat16)
    }
    ways: dict[str, Callable[[], Tensor]] = {
        "reference: eager, fp32, channels first": partial(model, frames, gaps),
        "channels last": partial(model, last, gaps),
        "test.fast, fp32": partial(fast[torch.float32], last, gaps),
        "bf16": partial(autocast_bf16, model, frames, gaps),
        "test.fast, bf16": partial(fast[torch.bfloat16], last, gaps),
    }
    heatmaps: dict[str, Tensor] = {}

    def keep(way: str, run: Callable[[], Tensor]) -> None:
        heatmaps[way] = run().float()

    timings = side_by_side({way: partial(keep, way, run) for way, run in ways.items()}, options)
    reference, expected = next(iter(timings.values())), next(iter(heatmaps.values()))
    joints, peak = decode(expected)[0], expected.abs().max()
    rows: list[Row] = []
    for way, timing in timings.items():
        differences = (heatmaps[way] - expected).abs()
        moved = (decode(heatmaps[way])[0] - joints).norm(dim=-1)
        rows.append(
            {
                "what": way,
                **speed_columns(timing, reference, 1),
                "difference_of_peak": float(differences.max() / peak),
                "its_median": float(differences.median() / peak),
                "part_of_joints_within_half_a_pixel": float((moved <= NEAR).float().mean()),
            }
        )
    width, height = cfg.data.crop_wh
    return Table(f"{name}, {width} x {height}, a clip of {count} frames; random weights", rows)
