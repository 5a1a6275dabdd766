"""What a person costs with each row of docs/benchmarks/evidence_cpu.md: operations and time."""

import statistics
import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.evidence_rows import ROWS, EvidenceRow
from dcpose.build.data import build_clip_options
from dcpose.build.model import build_model
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference

ROUNDS = 15


class _Averaged(nn.Module):
    """A backbone whose heatmaps of all frames are averaged."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return (B, J, h, w) of frames (B, F, 3, H, W)."""
        return self.backbone(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).mean(dim=1)


@torch.inference_mode()
def measure_costs(names: list[str]) -> dict[str, dict[str, float]]:
    """Return millions of multiply-adds and milliseconds of CPU time a person, by row.

    All frames of the clip are encoded anew. The sampling of deformable convolutions is not among
    the multiply-adds, their products are. Rows take turns, so that the load of the machine hits
    them alike; the time is the median of rounds, of prepared networks, one person a call.
    """
    networks = {name: _network(ROWS[name]) for name in names}
    operations, times = {}, {name: list[float]() for name in names}
    prepared = {}
    for name, (network, clips) in networks.items():
        with FlopCounterMode(display=False) as counter:
            network(*clips)
        operations[name] = counter.get_total_flops() / 2e6
        prepared[name] = prepare_for_inference(network, clips, torch.float32)
    for _ in range(ROUNDS):
        for name, (_, clips) in networks.items():
            start = time.process_time()
            prepared[name](*clips)
            times[name].append(time.process_time() - start)
    return {
        name: {"mmac": operations[name], "ms": 1e3 * statistics.median(times[name])}
        for name in names
    }


def _network(row: EvidenceRow) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the untrained network of a row, and a clip of one person."""
    cfg = row.load(0)
    network: nn.Module = build_model(cfg)
    frames = build_clip_options(cfg, training=False).num_frames
    if row.averaged is not None and row.averaged > 1:
        network, frames = _Averaged(network.backbone), row.averaged  # type: ignore[arg-type]
    return network.eval(), example_clips(frames, cfg.data.crop_wh, clips=1)
