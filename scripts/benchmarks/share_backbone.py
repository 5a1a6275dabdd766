"""Suite share_backbone: ablations trained one by one against one backbone pass for all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import clock
from benchmarks.measure import Options, Table
from dcpose.build import build_model, build_optimizer
from dcpose.config import Config, load_config
from dcpose.engine.precision import resolve_precision
from dcpose.engine.supervised import SupervisedModel
from dcpose.losses import JointsMSELoss

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMOKE_OVERRIDES = [
    "data.crop_wh=[64,64]", "model.backbone.width=4", "model.backbone.modules=[1,1,1]",
    "model.backbone.blocks=1", "model.backbone.stem_channels=4",
]  # fmt: skip


def measure_share_backbone(options: Options) -> list[Table]:
    """Compare the rows of Table 5; see `compare_variants`."""
    paths = sorted((CONFIGS / "ablations").glob("*.yaml"))
    if options.smoke:
        paths = paths[:2]
    overrides = SMOKE_OVERRIDES if options.smoke else []
    return [compare_variants([load_config(path, overrides) for path in paths], options)]


def compare_variants(variants: Sequence[Config], options: Options) -> Table:
    """Measure a training step of variants alone and on shared backbone passes, without loading.

    The parts are measured for every variant: the pass of the frozen backbone over random frames,
    and all that follows it. Alone, a step is both; together, one pass serves all variants that
    see the same frames of the same clips. 32 clips on CUDA, 1 on a CPU.

    Args:
        variants: their configs.
        options: device, and runs on CUDA; on a CPU each step is measured once.
    """
    passes: dict[tuple[Any, ...], float] = {}
    alone_passes = heads = 0.0
    for cfg in variants:
        backbone_s, head_s = _parts_of_a_step(cfg, options)
        passes[(cfg.data.max_gap, cfg.model.neighbors)] = backbone_s
        alone_passes += backbone_s
        heads += head_s
    shared_passes = sum(passes.values())
    alone = alone_passes + heads
    rows = [
        {"what": what, "backbone_passes": number, "seconds_backbone": seconds,
         "seconds_heads": heads, "seconds_step": seconds + heads,
         "part_of_alone": (seconds + heads) / alone}
        for what, number, seconds in (("one by one", len(variants), alone_passes),
                                      ("--share-backbone", len(passes), shared_passes))
    ]  # fmt: skip
    return Table(f"{len(variants)} variants, {options.device}", rows)


def _parts_of_a_step(cfg: Config, options: Options) -> tuple[float, float]:
    """Return median seconds of the backbone's pass, and of what a step does after it."""
    device = options.device
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
    initial_heatmaps = model.initial_heatmaps

    def timed_pass(frames: torch.Tensor) -> torch.Tensor:
        start = clock(device)
        heatmaps = initial_heatmaps(frames)
        times.append(clock(device) - start)
        return heatmaps

    model.initial_heatmaps = timed_pass
    rest: list[float] = []
    for _ in range(1 + (options.runs if device.type == "cuda" else 1)):
        start = clock(device)
        supervised(frames, gaps, targets, weights).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        rest.append(clock(device) - start - times[-1])
    return statistics.median(times[1:]), statistics.median(rest[1:])  # the first one warms up
