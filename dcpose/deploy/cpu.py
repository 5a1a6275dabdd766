"""What makes a prepared network faster on a CPU alone, in float32."""

import torch
from torch import Tensor, nn

from dcpose.deploy.winograd import WinogradBlocks
from dcpose.models.backbones.hrnet import HRModule
from dcpose.models.blocks import BasicBlock

_WINOGRAD_CHANNELS = 48
"""Channels from which on Winograd's way is faster: 1.1 times at 48, 1.5 at 96, 1.8 at 192, and
slower at 32 (chains of four blocks on the maps of HRNet at 384x288, one core)."""
_WINOGRAD_BRANCHES = 3
"""The fourth branch, with most of the weights, has too few tiles for the reading of its kernels."""
_IMAGES_FOR_ONEDNN = 16


def speed_up_on_cpu(network: nn.Module) -> None:
    """Replace modules of a network by faster ones, in place; BatchNorms are folded already.

    Chains of blocks that compute in another number format are not for Winograd's way.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and _is_pointwise(child):
                setattr(module, name, _PointwiseConv(child))
        if isinstance(module, HRModule):
            for i, branch in enumerate(module.branches[:_WINOGRAD_BRANCHES]):
                blocks = [block for block in branch.children() if isinstance(block, BasicBlock)]
                if blocks and blocks[0].conv1.in_channels >= _WINOGRAD_CHANNELS:
                    module.branches[i] = WinogradBlocks(blocks)


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0)


class _PointwiseConv(nn.Module):
    """A 1x1 convolution by oneDNN, whatever the number of images.

    For fewer than sixteen images in one thread PyTorch takes a way of its own, at half the speed.
    The rows of images without a border between them are as good as images.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, O, H, W) of (N, C, H, W)."""
        num, channels, height, width = x.shape
        last = x.is_contiguous(memory_format=torch.channels_last)
        if not last or num >= _IMAGES_FOR_ONEDNN:
            return self.conv(x)
        rows = x.permute(0, 2, 3, 1).view(num * height, 1, width, channels).permute(0, 3, 1, 2)
        out = self.conv(rows).permute(0, 2, 3, 1)
        return out.reshape(num, height, width, -1).permute(0, 3, 1, 2)
