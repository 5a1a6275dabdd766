"""Pose Correction Network (PCN), Sec. 3.3 of the paper.

Shape legend: B clips, J joints, C merged maps (J in the release), D feature maps, H x W heatmap
pixels.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from dcpose.models.deform_conv import Implementation, ModulatedDeformConv

KERNEL_SIZE = 3

Masks = Literal["raw", "sigmoid"]


class Samples(NamedTuple):
    """Where the correction at one dilation reads the merged maps, for pictures.

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


class PoseCorrectionNetwork(nn.Module):
    """Resample the merged heatmaps at several dilations and average (Eq. 6-9).

    For each dilation two independent dilated convolutions read offsets and masks from the
    features, and a deformable convolution reads the merged maps there. Eq. 9's normalisation is
    the mean, as released.

    Args:
        feature_channels: D.
        merged_channels: C; every merged map has its own offsets and masks.
        num_joints: J.
        dilations: distances of the taps in heatmap pixels, (3, 6, 9, 12, 15) in the paper.
        implementation: which deformable convolution, see `ModulatedDeformConv`.
        masks: raw uses them as they come, as released; sigmoid brings them between 0 and 1, as
            DCNv2 does. The paper does not say.

    Raises:
        ValueError: if `dilations` is empty.
    """

    def __init__(
        self,
        feature_channels: int,
        merged_channels: int,
        num_joints: int,
        dilations: Sequence[int] = (3, 6, 9, 12, 15),
        implementation: Implementation = "auto",
        masks: Masks = "raw",
    ) -> None:
        super().__init__()
        self.masks = masks
        if not dilations:
            raise ValueError("the pose correction network needs at least one dilation, got none")
        samples = merged_channels * KERNEL_SIZE**2
        self.offset_convs = nn.ModuleList(
            _dilated_conv(feature_channels, 2 * samples, dilation) for dilation in dilations
        )
        self.mask_convs = nn.ModuleList(
            _dilated_conv(feature_channels, samples, dilation) for dilation in dilations
        )
        self.deform_convs = nn.ModuleList(
            ModulatedDeformConv(
                merged_channels,
                num_joints,
                dilation,
                offset_groups=merged_channels,
                kernel_size=KERNEL_SIZE,
                implementation=implementation,
            )
            for dilation in dilations
        )

    def forward(self, merged: Tensor, features: Tensor) -> Tensor:
        """Return corrected heatmaps (B, J, H, W) of maps (B, C, H, W), features (B, D, H, W)."""
        if features.device.type == "cpu":
            # a tenth less time, forward and backward; on CUDA nobody has measured
            features = features.contiguous(memory_format=torch.channels_last)
        corrected = [
            deform_conv(merged, offset_conv(features), self._mask(mask_conv(features)))
            for offset_conv, mask_conv, deform_conv in zip(
                self.offset_convs, self.mask_convs, self.deform_convs, strict=True
            )
        ]
        return torch.stack(corrected).mean(dim=0)

    def samples(self, features: Tensor) -> list[Samples]:
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
        for offset_conv, mask_conv, deform_conv in zip(
            self.offset_convs, self.mask_convs, self.deform_convs, strict=True
        ):
            dilation: int = deform_conv.dilation  # type: ignore[assignment]
            regular = torch.stack(pixels) + dilation * taps[..., None, None]
            offsets = offset_conv(features).unflatten(1, (-1, KERNEL_SIZE**2, 2))
            masks = self._mask(mask_conv(features)).unflatten(1, (-1, KERNEL_SIZE**2))
            moved = regular + offsets.flip(3)  # the operator's offsets are (dy, dx)
            weights: Tensor = deform_conv.weight.flatten(2)  # type: ignore[operator]
            found.append(Samples(dilation, regular, moved, masks, weights))
        return found

    def _mask(self, raw: Tensor) -> Tensor:
        return raw.sigmoid() if self.masks == "sigmoid" else raw


def _dilated_conv(in_channels: int, out_channels: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        KERNEL_SIZE,
        padding=dilation * (KERNEL_SIZE // 2),
        dilation=dilation,
        bias=False,
    )
