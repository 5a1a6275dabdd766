"""An HRNet with some of its branches in half precision, everything else in float32.

Which branches bear it was found by trying each (second table of
docs/benchmarks/agreement_cpu.md): the early chains of blocks but the first stage, and the deepest
branch. Heatmaps stay within a percent of their peak.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.blocks import BasicBlock, Bottleneck


def low_precision_parts(network: nn.Module) -> list[str]:
    """Return the names of the chains of blocks of a network that bear half precision.

    Raises:
        ValueError: if there is no HRNet in the network.
    """
    parts = [
        f"{name}.{part}".removeprefix(".")
        for name, module in network.named_modules()
        if isinstance(module, HRNet)
        for part in _parts_of_hrnet(module)
    ]
    if not parts:
        raise ValueError(
            "precision bf16_branches is for HRNet backbones, of which it is known where half "
            "precision does little; use fp32 or bf16"
        )
    return parts


def _parts_of_hrnet(hrnet: HRNet) -> list[str]:
    return [
        *(f"stage2.{module}.branches.{i}" for module in range(len(hrnet.stage2)) for i in range(2)),
        *(f"stage3.0.branches.{i}" for i in range(3)),
        *(f"stage4.{module}.branches.3" for module in range(len(hrnet.stage4))),
    ]


def convert_parts(network: nn.Module, parts: Iterable[str], dtype: torch.dtype) -> None:
    """Let chains of residual blocks compute in another number format, in place.

    Args:
        network: with its BatchNorms folded.
        parts: names of chains of `BasicBlock` or `Bottleneck`.
        dtype: of their convolutions; shortcuts and sums stay in float32.
    """
    for part in parts:
        chain = network.get_submodule(part)
        for name, block in chain.named_children():
            setattr(chain, name, _BlockIn(cast(BasicBlock | Bottleneck, block), dtype))


class _BlockIn(nn.Module):
    """A residual block whose convolutions compute in another number format.

    Its shortcut and its sum stay in float32, so that what rounding does is not carried along.

    Args:
        block: `BasicBlock` or `Bottleneck`, its BatchNorms folded.
        dtype: of the convolutions.
    """

    def __init__(self, block: BasicBlock | Bottleneck, dtype: torch.dtype) -> None:
        super().__init__()
        convs = [conv for conv in block.children() if isinstance(conv, nn.Conv2d)]
        self.convs = nn.ModuleList(convs).to(dtype)
        self.downsample = block.downsample.to(dtype)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """Return maps in float32, of maps in float32."""
        out = rounded = x.to(self.dtype)
        for conv in self.convs[:-1]:
            out = conv(out).relu_()
        out = self.convs[-1](out)
        projected = not isinstance(self.downsample, nn.Identity)
        shortcut = self.downsample(rounded).float() if projected else x
        return (out + shortcut).relu_()
