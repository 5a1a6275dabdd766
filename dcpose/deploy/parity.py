"""Proof that an exported network computes what the network computes that it was made of.

Shape legend: B clips, F frames, J joints, H x W crop pixels, h x w heatmap pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.deploy.exported import Parity
from dcpose.deploy.trace import Decoder
from dcpose.models.deform_conv import ModulatedDeformConv

BATCHES = (1, 2, 8)
"""Numbers of clips that go through the exported network at once."""

LIMITS = {"fp32": 1e-5, "fp16": 1e-3}
"""By the number format of the weights: what heatmaps may be off, over their highest peak."""

MOVED_LIMIT_PX = 0.05
MOVED_SHARE = {"fp32": 0.99, "fp16": 0.95}
"""Share of the joints that may not move further. A joint jumps by half a heatmap pixel where the
two neighbours of its peak are alike."""


class Reference(NamedTuple):
    """What a network gives that is to be exported.

    Attributes:
        frames, gaps: clips (B, ...), at least 8, and gaps (B, F - 1).
        outputs: heatmaps (B, J, h, w); or joints (B, J, 2) in crop pixels and scores (B, J).
        largest_offset_px: of its deformable convolutions, in heatmap pixels; None without any.
    """

    frames: Tensor
    gaps: Tensor
    outputs: tuple[Tensor, ...]
    largest_offset_px: float | None


def compute_reference(network: nn.Module, frames: Tensor, gaps: Tensor) -> Reference:
    """Send clips through a network; see `Reference`.

    Raises:
        ValueError: if deformable convolutions read without offsets or with masks of zero, where
            any error would hide.
    """
    with torch.no_grad(), _largest_offsets(network) as largest:
        outputs = network(frames, gaps)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return Reference(frames, gaps, outputs, _checked_offsets(largest))


def prove(
    exported: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]],
    reference: Reference,
    decode: Decoder,
    cell_wh: tuple[float, float],
    precision: str,
) -> Parity:
    """Send the clips of a reference through an exported network, and compare what comes out.

    Args:
        exported: frames and gaps to outputs by name, in the order of the reference.
        reference: what the source of the exported network gives.
        decode: heatmaps to joints in heatmap pixels and scores.
        cell_wh: crop pixels to a heatmap pixel, along x and y.
        precision: of the weights, fp32 or fp16.

    Raises:
        ValueError: if they differ by more than is allowed for the precision.
    """
    frames, gaps, expected, offset_px = reference
    scale = float(expected[-1].abs().max())
    off, moved = 0.0, [np.zeros(0)]
    for size in BATCHES:
        starts = range(0, len(frames) // size * size, size)
        parts = [
            exported(frames[i : i + size].numpy(), gaps[i : i + size].numpy()).values()
            for i in starts
        ]
        found = [torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True)]
        wanted = [tensor[: len(found[0])] for tensor in expected]
        difference = float((found[-1] - wanted[-1]).abs().max()) / scale
        off = difference if not difference <= off else off  # keeps NaN
        joints, right = (
            tensors[0] if len(tensors) == 2 else torch.tensor(cell_wh) * decode(tensors[0])[0]
            for tensors in (found, wanted)
        )
        moved.append((joints - right).norm(dim=-1).flatten().numpy())
    distances = np.concatenate(moved)
    parity = Parity(
        clips=len(frames),
        off_peak=off,
        limit=LIMITS[precision],
        moved_px=float(distances.max()),
        moved_px_99=float(np.quantile(distances, 0.99)),
        largest_offset_px=offset_px,
    )
    within = float(np.mean(distances <= MOVED_LIMIT_PX))
    if not off <= parity.limit or not within >= MOVED_SHARE[precision]:
        raise ValueError(
            f"the exported network computes something else: {parity.line()}; {100 * within:.1f} % "
            f"within {MOVED_LIMIT_PX} px, expected at least {100 * MOVED_SHARE[precision]:.0f} %; "
            "no file was written"
        )
    return parity


@contextmanager
def _largest_offsets(network: nn.Module) -> Iterator[list[tuple[float, float]]]:
    """Collect the largest offset and mask of each call of a deformable convolution."""
    seen: list[tuple[float, float]] = []

    def note(module: nn.Module, inputs: Sequence[Any]) -> None:
        masks = [float(mask.abs().max()) for mask in inputs[2:] if mask is not None]
        seen.append((float(inputs[1].abs().max()), min(masks, default=1.0)))

    layers = [layer for layer in network.modules() if isinstance(layer, ModulatedDeformConv)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _checked_offsets(largest: list[tuple[float, float]]) -> float | None:
    if not largest:
        return None
    if any(offset == 0 or mask == 0 for offset, mask in largest):
        raise ValueError(
            "a deformable convolution of the model has offsets or masks of zero on all clips, as "
            "at the start of training, so that nothing can be proven of it; export weights of a "
            "model that was trained"
        )
    return max(offset for offset, _ in largest)
