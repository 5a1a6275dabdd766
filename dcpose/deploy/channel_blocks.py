"""Residual steps blocks for runtimes that lay maps out in blocks of channels.

Between convolutions, sums and concatenations ONNX Runtime keeps maps in blocks of 8 or 16 channels.
Branches of 20 or 27 channels, cut out of the maps of one convolution, make it copy them out of
blocks and into blocks again at every step.

Shape legend: N images, C channels, H x W pixels.
"""

import torch
from torch import Tensor, nn

from dcpose.models.blocks import RSB_BRANCHES, ConvBN, ResidualStepsBlock

BLOCK = 8
"""Channels of a branch are filled up to a multiple of this."""

INPUTS = 4
"""Only convolutions of a multiple of this many input channels compute in blocks."""


def fill_channel_blocks(network: nn.Module) -> None:
    """Fill the branches of residual steps blocks up with channels of zeros, in place.

    What a block computes stays the same. BatchNorms are folded already; blocks of several groups
    stay as they are.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ResidualStepsBlock) and child.groups == 1:
                setattr(module, name, _FilledBlock(child))


class _FilledBlock(nn.Module):
    """A `ResidualStepsBlock` in which each branch starts with a convolution of its own."""

    def __init__(self, block: ResidualStepsBlock) -> None:
        super().__init__()
        split, merge = block.split.conv, block.merge.conv
        width = split.out_channels // RSB_BRANCHES
        filled = width + -width % BLOCK
        self.missing = -split.in_channels % INPUTS
        inputs = split.in_channels + self.missing
        self.starts = nn.ModuleList(
            _widened(split, inputs, filled, slice(first, first + width))
            for first in range(0, split.out_channels, width)
        )
        for unit in block.steps.modules():
            if isinstance(unit, ConvBN):
                unit.conv = _widened(unit.conv, filled, filled)
        parts = [_zeros_after(part, 1, filled) for part in merge.weight.split(width, dim=1)]
        merge.weight = nn.Parameter(torch.cat(parts, dim=1), requires_grad=False)
        if isinstance(block.shortcut, ConvBN):
            shortcut = block.shortcut.conv
            block.shortcut.conv = _widened(shortcut, inputs, shortcut.out_channels)
        del block.split
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, Cin, H, W) to (N, Cout, H, W) >= 0."""
        inputs = nn.functional.pad(x, (0, 0, 0, 0, 0, self.missing)) if self.missing else x
        ends = self.block.pass_steps([start(inputs).relu() for start in self.starts])
        merged = self.block.merge(torch.cat(ends, dim=1))
        projects = isinstance(self.block.shortcut, ConvBN)
        return (merged + self.block.shortcut(inputs if projects else x)).relu()


def _widened(conv: nn.Conv2d, inputs: int, outputs: int, kept: slice = slice(None)) -> nn.Conv2d:
    """Return a convolution with the kept outputs, and zeros for more inputs and outputs."""
    wide = nn.Conv2d(inputs, outputs, conv.kernel_size, padding=conv.padding)  # type: ignore[arg-type]
    weight = _zeros_after(_zeros_after(conv.weight[kept], 1, inputs), 0, outputs)
    wide.weight = nn.Parameter(weight, requires_grad=False)
    assert conv.bias is not None  # noqa: S101 - for the type checker
    wide.bias = nn.Parameter(_zeros_after(conv.bias[kept], 0, outputs), requires_grad=False)
    return wide.eval()


def _zeros_after(tensor: Tensor, dim: int, length: int) -> Tensor:
    """Lengthen a dimension by zeros."""
    shape = list(tensor.shape)
    shape[dim] = length - shape[dim]
    return torch.cat([tensor.detach(), tensor.new_zeros(shape)], dim=dim)
