"""A network made ready for inference: the same heatmaps from fewer and faster operations.

BatchNorm becomes part of the convolution before it, weights lie channels-last, and the offsets and
masks of a dilation come from one convolution. Deformable convolutions stay in float32 whatever the
number format: positions do not survive half precision (`ModulatedDeformConv`).

A CPU sees one clip at a time, or a few images (`threads.in_equal_calls`): their maps stay in its
caches, and no clip depends on the others. It does more in float32 (`deploy.cpu`).

Left out: oneDNN's fused convolution, addition and ReLU, which took a third off the time in bfloat16
and nothing in float32, because PyTorch has it under private names alone; and compiling on a CPU,
given up after half an hour on a busy machine without an end. Offsets and masks in one convolution
are no faster on a CPU in float32, and no slower. The ears' heatmaps are computed as ever: they are
part of the predictions, and the deformable convolutions mix their search regions into all joints.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dcpose.deploy.cpu import speed_up_on_cpu
from dcpose.models.blocks import BasicBlock, Bottleneck
from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.threads import in_equal_calls

_Convolution = nn.Conv2d | nn.ConvTranspose2d


class FastNetwork(nn.Module):
    """A prepared network with its number format; called like the network that it was made of."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.eval()

    def forward(self, images: Tensor, *others: Tensor) -> Tensor:
        """Return float32 heatmaps; images (..., 3, H, W), float32, become the network's format."""
        if images.device.type == "cpu":
            return in_equal_calls(self._heatmaps, images, *others)
        return self._heatmaps(images, *others)

    def _heatmaps(self, images: Tensor, *others: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.network(images.to(self.dtype), *others).float()


def prepare_for_inference(
    network: nn.Module, dtype: torch.dtype = torch.float32, robust_parts_alone: bool = False
) -> FastNetwork:
    """Return a copy of a network, or of a backbone, that computes the same faster.

    Args:
        network: in eval mode, on its device; stays as it is.
        dtype: number format of all layers but deformable convolutions.
        robust_parts_alone: only the blocks in the `robust_parts` of the backbone (`HRNet`) have
            that format; their shortcuts stay in float32, like all the rest.

    Raises:
        ValueError: if the network is in training mode, where BatchNorm is no constant; or its
            backbone names no robust parts.
    """
    if any(module.training for module in network.modules()):
        raise ValueError("the network is in training mode, call eval() before preparing it")
    fast = copy.deepcopy(network).requires_grad_(False)
    fold_batch_norms(fast)
    for module in list(fast.modules()):
        for name, child in module.named_children():
            if isinstance(child, PoseCorrectionNetwork):
                setattr(module, name, _MergedCorrection(child))
    format_of_all = torch.float32 if robust_parts_alone else dtype
    _convert(fast, format_of_all)
    if robust_parts_alone:
        for chain in _robust_parts(fast):
            for name, block in chain.named_children():
                setattr(chain, name, _BlockIn(cast(BasicBlock | Bottleneck, block), dtype))
    on_cpu = all(parameter.device.type == "cpu" for parameter in fast.parameters())
    if on_cpu and format_of_all == torch.float32:
        speed_up_on_cpu(fast)
    return FastNetwork(fast, format_of_all)


def _convert(network: nn.Module, dtype: torch.dtype) -> None:
    """Give all layers but deformable convolutions a number format, in place."""
    for module in network.modules():
        if isinstance(module, _Convolution):
            module.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif not isinstance(module, ModulatedDeformConv):
            for parameter in module.parameters(recurse=False):  # of linear layers, norms, tables
                parameter.data = parameter.data.to(dtype)


def _robust_parts(network: nn.Module) -> list[nn.Module]:
    backbones = [module for module in network.modules() if hasattr(module, "robust_parts")]
    if not backbones:
        raise ValueError(
            "precision mixed is for HRNet backbones, of which it is known where half precision "
            "does little; use fp32 or bf16"
        )
    return [
        backbone.get_submodule(name)
        for backbone in backbones
        for name in cast(tuple[str, ...], backbone.robust_parts)
    ]


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


def fold_batch_norms(network: nn.Module) -> None:
    """Make every BatchNorm part of its convolution, the module registered before it, in place.

    Raises:
        ValueError: for a BatchNorm that does not follow a convolution of its parent module.
    """
    for parent in list(network.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                if before is None or not isinstance(before[1], _Convolution):
                    raise ValueError(f"{type(parent).__name__}.{name} follows no convolution")
                conv = before[1]
                transposed = isinstance(conv, nn.ConvTranspose2d)
                setattr(parent, before[0], fuse_conv_bn_eval(conv, child, transposed))
                setattr(parent, name, nn.Identity())
            before = name, child


class _MergedCorrection(nn.Module):
    """A `PoseCorrectionNetwork` with one convolution per dilation for offsets and masks."""

    def __init__(self, pcn: PoseCorrectionNetwork) -> None:
        super().__init__()
        self.masks = pcn.masks
        pairs = zip(pcn.offset_convs, pcn.mask_convs, strict=True)
        self.convs = nn.ModuleList(_side_by_side(offsets, masks) for offsets, masks in pairs)  # type: ignore[arg-type]
        self.deform_convs = pcn.deform_convs

    def forward(self, merged: Tensor, features: Tensor) -> Tensor:
        """Return corrected heatmaps, in the dtype of the deformable convolutions."""
        corrected = []
        for conv, deform_conv in zip(self.convs, self.deform_convs, strict=True):
            samples = conv(features)
            offsets, masks = samples.split(samples.shape[1] // 3 * 2, dim=1)
            masks = masks.sigmoid() if self.masks == "sigmoid" else masks
            corrected.append(deform_conv(merged, offsets, masks))
        return torch.stack(corrected).mean(dim=0)


def _side_by_side(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Return one convolution with the output channels of two alike, the first's first; no bias."""
    merged = nn.Conv2d(
        first.in_channels,
        first.out_channels + second.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        dilation=first.dilation,  # type: ignore[arg-type]
        bias=False,
    )
    weight = torch.cat([first.weight, second.weight]).detach()
    merged.weight = nn.Parameter(weight, requires_grad=False)
    return merged
