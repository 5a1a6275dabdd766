"""Pose Correction Network (PCN), Sec. 3.3 of the paper.

Shape legend: B clips, J joints, C merged maps (J in the release), D feature maps, H x W heatmap
pixels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dcpose.models.blocks import dilated_conv3x3
from dcpose.models.deform_conv import Implementation, ModulatedDeformConv

KERNEL_SIZE = 3

Masks = Literal["raw", "sigmoid"]


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
            dilated_conv3x3(feature_channels, 2 * samples, dilation) for dilation in dilations
        )
        self.mask_convs = nn.ModuleList(
            dilated_conv3x3(feature_channels, samples, dilation) for dilation in dilations
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
            deform_conv(merged, offset_conv(features), self.mask(mask_conv(features)))
            for offset_conv, mask_conv, deform_conv in zip(
                self.offset_convs, self.mask_convs, self.deform_convs, strict=True
            )
        ]
        return torch.stack(corrected).mean(dim=0)

    def init_to_zero(self) -> None:
        """Let the output be 0, in a way that training can leave.

        Raw masks become 0. Where they are sigmoids, which never are, the kernels become 0.
        """
        for conv in self.deform_convs if self.masks == "sigmoid" else self.mask_convs:
            nn.init.zeros_(conv.weight)  # type: ignore[arg-type]

    def mask(self, raw: Tensor) -> Tensor:
        """Return masks as they are applied, of what a mask convolution gives."""
        return raw.sigmoid() if self.masks == "sigmoid" else raw
