"""Where the correction reads the merged maps, for pictures (Sec. 3.3 of the paper).

Shape legend: B clips, J joints, C merged maps, D feature maps, K taps a side, H x W heatmap pixels.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor

from dcpose.models.dcpose.correction import KERNEL_SIZE, PoseCorrectionNetwork
from dcpose.models.deform_conv import ModulatedDeformConv


class Samples(NamedTuple):
    """Where the correction at one dilation reads the merged maps.

    Attributes:
        dilation: distance of the taps in heatmap pixels.
        regular: (K * K, 2, H, W) x, y of the taps without offsets, in heatmap pixels.
        moved: (B, C, K * K, 2, H, W) x, y of the taps, in heatmap pixels.
        masks: (B, C, K * K, H, W) factors of the samples, as they are applied.
        weights: (J, C, K * K) weights of the samples for each joint.
    """

    dilation: int
    regular: Tensor
    moved: Tensor
    masks: Tensor
    weights: Tensor


def correction_samples(pcn: PoseCorrectionNetwork, features: Tensor) -> list[Samples]:
    """Return where and how features (B, D, H, W) make each dilation read the merged maps."""
    height, width = features.shape[-2:]
    pixels = torch.meshgrid(
        torch.arange(width, device=features.device),
        torch.arange(height, device=features.device),
        indexing="xy",
    )
    steps = torch.arange(KERNEL_SIZE, device=features.device) - KERNEL_SIZE // 2
    taps = torch.stack([steps.repeat(KERNEL_SIZE), steps.repeat_interleave(KERNEL_SIZE)], dim=1)
    found = []
    for offset_conv, mask_conv, layer in zip(
        pcn.offset_convs, pcn.mask_convs, pcn.deform_convs, strict=True
    ):
        deform_conv = cast(ModulatedDeformConv, layer)
        regular = torch.stack(pixels) + deform_conv.dilation * taps[..., None, None]
        offsets = offset_conv(features).unflatten(1, (-1, KERNEL_SIZE**2, 2))
        masks = pcn.mask(mask_conv(features)).unflatten(1, (-1, KERNEL_SIZE**2))
        moved = regular + offsets.flip(3)  # the operator's offsets are (dy, dx)
        weights = deform_conv.weight.flatten(2)
        found.append(Samples(deform_conv.dilation, regular, moved, masks, weights))
    return found
