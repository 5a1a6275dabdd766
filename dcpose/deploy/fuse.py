"""Rewriting a network for inference: fewer operations that compute the same, on any device.

Nothing here depends on the machine. Exports fold BatchNorms alone (`deploy.trace`): runtimes copy
the maps that a convolution for offsets and masks makes to take them apart.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from dcpose.models.dcpose.correction import PoseCorrectionNetwork

_Convolution = nn.Conv2d | nn.ConvTranspose2d


def fuse(network: nn.Module) -> None:
    """Fold BatchNorms and merge the convolutions of corrections, in place.

    The network is in eval mode.
    """
    fold_batch_norms(network)
    merge_corrections(network)


def fold_batch_norms(network: nn.Module) -> None:
    """Make BatchNorms part of the convolution registered before them, in place.

    A BatchNorm stays where it is if no convolution with as many output channels is registered
    before it, or if one of the two is of a class that computes something else besides: of its own
    convolution a class may leave the bias out, of its own BatchNorm apply an activation.
    """
    for parent in list(network.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if before is not None and _folds(before, child):
                _fold(before, child)
                setattr(parent, name, nn.Identity())
            before = child


def _fold(conv: Any, norm: Any) -> None:  # noqa: ANN401 - as `_folds` says
    """Give a convolution the weights of itself and the BatchNorm."""
    conv.weight, conv.bias = fuse_conv_bn_weights(
        *(conv.weight, conv.bias, norm.running_mean, norm.running_var),
        *(norm.eps, norm.weight, norm.bias, isinstance(conv, nn.ConvTranspose2d)),
    )


def _folds(conv: nn.Module, norm: nn.Module) -> bool:
    if not isinstance(conv, _Convolution) or not isinstance(norm, nn.BatchNorm2d):
        return False
    plain = nn.ConvTranspose2d if isinstance(conv, nn.ConvTranspose2d) else nn.Conv2d
    return (
        type(conv).forward is plain.forward
        and type(norm).forward is nn.BatchNorm2d.forward
        and norm.running_mean is not None
        and conv.out_channels == norm.num_features
    )


def merge_corrections(network: nn.Module) -> None:
    """Let one convolution per dilation make the offsets and masks of a correction, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, PoseCorrectionNetwork):
                setattr(module, name, _MergedCorrection(child))


class _MergedCorrection(nn.Module):
    """A `PoseCorrectionNetwork` with one convolution per dilation for offsets and masks."""

    def __init__(self, pcn: PoseCorrectionNetwork) -> None:
        super().__init__()
        self.mask = pcn.mask
        pairs = zip(pcn.offset_convs, pcn.mask_convs, strict=True)
        self.convs = nn.ModuleList(_side_by_side(offsets, masks) for offsets, masks in pairs)  # type: ignore[arg-type]
        self.deform_convs = pcn.deform_convs

    def forward(self, merged: Tensor, features: Tensor) -> Tensor:
        """Return corrected heatmaps, in the dtype of the deformable convolutions."""
        corrected = []
        for conv, deform_conv in zip(self.convs, self.deform_convs, strict=True):
            samples = conv(features)
            offsets, masks = samples.split(samples.shape[1] // 3 * 2, dim=1)
            corrected.append(deform_conv(merged, offsets, self.mask(masks)))
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
    return merged.eval()
