"""A network made ready for inference: the same heatmaps from fewer and faster operations.

BatchNorm becomes part of the convolution before it and the offsets and masks of a dilation come
from one convolution (`deploy.fuse`), weights lie channels-last, and all layers compute in the
wanted number format. Deformable convolutions stay in float32 whatever the number format: positions
do not survive half precision (`ModulatedDeformConv`). On a CPU 1x1 convolutions are products of
matrices (`deploy.cpu`).

A CPU sees one clip at a time, or a few images (`threads.in_equal_calls`): their maps stay in its
caches, and no clip depends on the others.

Left out: oneDNN's fused convolution, addition and ReLU, which took a third off the time in bfloat16
and nothing in float32, because PyTorch has it under private names alone; ONNX Runtime has it
(`deploy.onnx`). Offsets and masks in one convolution are no faster on a CPU in float32, and no
slower. The ears' heatmaps are computed as ever: they are part of the predictions, and the
deformable convolutions mix their search regions into all joints.
"""

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from dcpose.deploy.bf16_branches import convert_parts
from dcpose.deploy.cpu import speed_up_on_cpu
from dcpose.deploy.fuse import fuse
from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.threads import in_equal_calls

TOLERANCE = 1e-3
"""Largest difference that fusing may make, over the highest peak; sums in another order make 1e-5.
"""
TOLERANCE_TF32 = 3e-2
"""The same on CUDA, where convolutions round their inputs to ten bits."""


class FastNetwork(nn.Module):
    """A prepared network with its number format; called like the network that it was made of."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.eval()

    def forward(self, images: Tensor, *others: Tensor) -> Tensor:
        """Return float32 heatmaps.

        Args:
            images: (..., 3, H, W) float32; they are converted to the network's format.
            others: further inputs of the network, such as gaps (B, F - 1).
        """
        if images.device.type == "cpu":
            return in_equal_calls(self._heatmaps, images, *others)
        return self._heatmaps(images, *others)

    def _heatmaps(self, images: Tensor, *others: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.network(images.to(self.dtype), *others).float()


def prepare_for_inference(
    network: nn.Module,
    example: Sequence[Tensor],
    dtype: torch.dtype = torch.float32,
    parts: Iterable[str] | None = None,
) -> FastNetwork:
    """Return a copy of a network, or of a backbone, that computes the same faster.

    It is compared with the network on the example before its number format changes, and has to
    give finite numbers in that format. How much rounding a network bears depends on its weights and
    is not judged here.

    Args:
        network: in eval mode, on its device; stays as it is.
        example: inputs on the same device, as `example_clips` makes them.
        dtype: number format of all layers but deformable convolutions.
        parts: chains of residual blocks that alone have that format (`low_precision_parts`); None
            gives it to all.

    Raises:
        ValueError: if the network is in training mode, where BatchNorm is no constant; or if the
            copy computes something else than the network.
    """
    if any(module.training for module in network.modules()):
        raise ValueError("the network is in training mode, call eval() before preparing it")
    with torch.no_grad():
        expected = network(*example)
    fast = copy.deepcopy(network).requires_grad_(False)
    fuse(fast)
    channels_last(fast)
    if dtype != torch.float32:
        _prove(FastNetwork(fast, torch.float32), example, expected)
        if parts is None:
            convert(fast, dtype)
        else:
            convert_parts(fast, parts, dtype)
    format_of_all = torch.float32 if parts is not None else dtype
    if format_of_all == torch.float32 and all(x.device.type == "cpu" for x in example):
        speed_up_on_cpu(fast)
    prepared = FastNetwork(fast, format_of_all)
    if dtype == torch.float32:
        _prove(prepared, example, expected)
    else:
        _prove_finite(prepared, example, dtype)
    return prepared


def convert(network: nn.Module, dtype: torch.dtype) -> None:
    """Convert all parameters and buffers, but those of deformable convolutions, in place."""
    for module in network.modules():
        if isinstance(module, ModulatedDeformConv):
            continue
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(dtype)
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_floating_point():
                setattr(module, name, buffer.to(dtype))


def channels_last(network: nn.Module) -> None:
    """Let the weights of convolutions lie channels-last in memory, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(memory_format=torch.channels_last)


def _prove(fast: Callable[..., Tensor], example: Sequence[Tensor], expected: Tensor) -> None:
    heatmaps = fast(*example)
    tolerance = TOLERANCE_TF32 if heatmaps.is_cuda else TOLERANCE
    difference, peak = (float(x.abs().max()) for x in (heatmaps - expected, expected))
    if not difference <= tolerance * peak:  # NaN is no proof
        raise ValueError(
            f"the network made ready for inference computes something else: outputs differ by "
            f"{difference:.2g} where the largest is {peak:.2g}, expected at most {tolerance:g} of "
            f"it; a layer of the network is not what deploy/fuse.py takes it for: set "
            f"test.fast=false"
        )


def _prove_finite(
    fast: Callable[..., Tensor], example: Sequence[Tensor], dtype: torch.dtype
) -> None:
    if not torch.isfinite(fast(*example)).all():
        raise ValueError(
            f"the network gives NaN or infinite heatmaps in {dtype}; take another precision: bf16 "
            "has the range of fp32"
        )
