"""Which device a command takes, and whether it computes right."""

import copy

import torch
from torch import Tensor, nn

LARGEST_DEVIATION = 0.05
"""Of the largest heatmap value. Half precision stays far below; what is broken lies far above."""


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device that a name means; "auto" takes cuda, else mps, else cpu.

    Raises:
        ValueError: if torch cannot use that device here.
    """
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if str(name) == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if has[kind]))
    device = torch.device(name)
    if not has.get(device.type, False):
        kind = {"cuda": "CUDA device", "mps": "MPS device (a Mac's GPU)"}.get(device.type, "such")
        raise ValueError(
            f"device is {device.type}, but torch sees no {kind}; use --device cpu or auto"
        )
    return device


def needs_proof(device: torch.device) -> bool:
    """Return whether a device is known to give wrong numbers without an error: mps."""
    return device.type == "mps"


@torch.inference_mode()
def prove_device(model: nn.Module, frames: Tensor, gaps: Tensor, device: torch.device) -> float:
    """Compare what a model gives on a device and on the CPU.

    Args:
        model: in eval mode, on the device.
        frames: (B, F, 3, H, W) normalised RGB, on the CPU.
        gaps: (B, F - 1), on the CPU.
        device: where the model is.

    Returns:
        The largest difference, as a share of the largest heatmap value.

    Raises:
        ValueError: if they differ by more than `LARGEST_DEVIATION`, or either is not finite.
    """
    there = model(frames.to(device), gaps.to(device)).float().cpu()
    here = copy.deepcopy(model).cpu()(frames, gaps).float()
    deviation = float((there - here).abs().max() / here.abs().max().clamp(min=1e-6))
    if not deviation <= LARGEST_DEVIATION:  # NaN compares as false
        raise ValueError(
            f"device {device.type} computes other heatmaps than the CPU: they differ by "
            f"{100 * deviation:.0f} % of their maximum, at most {100 * LARGEST_DEVIATION:.0f} % "
            "is rounding; use --device cpu, or another version of torch"
        )
    return deviation
