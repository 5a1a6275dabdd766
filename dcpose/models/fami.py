"""FAMI-Pose: features of the other frames moved to the current one (Liu et al., CVPR 2022).

Each supporting frame is first moved as a whole, then all of them together are aligned pixel by
pixel by deformable convolutions, and added to the current frame's features.

Shape legend: B clips, F frames, S = F - 1 supporting frames, C channels, J joints, h x w cells of
stride 4. Features of another backbone than HRNet are brought to C channels by a 1x1 convolution
with BatchNorm and ReLU, and from a coarser stride to stride 4 bilinearly: for ViT this takes the
place of its decoder.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dcpose.models.blocks import ConvBN, basic_chain, dilated_conv3x3
from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.models.initialise import init_as_torch, init_weights
from dcpose.models.interface import Backbone, Supervised, TemporalModel
from dcpose.structures import ClipSpec

STRIDE = 4
"""Crop pixels per cell."""

KERNEL_SIZE = 3
DILATION = 3

SHIFT_GRID = 3
"""Cells a side that the shift is read from: what five halvings leave of 65 to 96 cells."""

TEMPERATURE = 0.05


class GlobalShift(nn.Module):
    """Find by how many cells a supporting frame has to be moved, of the difference of features.

    Sides other than 65 to 96 cells, which the release is limited to, are resized to the 3 x 3 cells
    that the linear layers expect.
    """

    def __init__(self, channels: int, inner: int = 16, halvings: int = 5, hidden: int = 64) -> None:
        super().__init__()
        self.chain = basic_chain(channels, inner, 1)
        self.halvings = nn.Sequential(
            *(ConvBN(inner, inner, KERNEL_SIZE, stride=2) for _ in range(halvings))
        )
        self.linears = nn.Sequential(
            nn.Linear(inner * SHIFT_GRID**2, hidden),
            nn.Linear(hidden, hidden),
            nn.Linear(hidden, 2),
        )

    def forward(self, differences: Tensor) -> Tensor:
        """Return shifts (N, 2), x and y in cells, of (N, C, h, w) supporting minus current."""
        small = self.halvings(self.chain(differences))
        if small.shape[-2:] != (SHIFT_GRID, SHIFT_GRID):
            small = nn.functional.interpolate(small, (SHIFT_GRID, SHIFT_GRID), mode="bilinear")
        return self.linears(small.flatten(1))


def translated(maps: Tensor, shifts: Tensor) -> Tensor:
    """Move maps (N, C, h, w) by shifts (N, 2), x to the right and y down, in cells.

    Bilinear, with zeros around: out(x, y) = maps(x - dx, y - dy).
    """
    height, width = maps.shape[-2:]
    dtype = torch.promote_types(maps.dtype, torch.float32)  # positions do not survive less
    shifts = shifts.to(dtype)
    x = torch.arange(width, device=maps.device, dtype=dtype) - shifts[:, :1]
    y = torch.arange(height, device=maps.device, dtype=dtype) - shifts[:, 1:]
    across = (2 * x / max(1, width - 1) - 1)[:, None, :].expand(-1, height, -1)
    down = (2 * y / max(1, height - 1) - 1)[:, :, None].expand(-1, -1, width)
    grid = torch.stack([across, down], dim=-1)
    with torch.autocast(maps.device.type, enabled=False):
        moved = nn.functional.grid_sample(
            maps.to(dtype), grid, padding_mode="zeros", align_corners=True
        )
    return moved.to(maps.dtype)


class Calibration(nn.Module):
    """A modulated deformable convolution whose offsets and masks are read from other maps."""

    def __init__(self, channels: int, offset_groups: int) -> None:
        super().__init__()
        samples = offset_groups * KERNEL_SIZE**2
        self.offset_conv = dilated_conv3x3(channels, 2 * samples, DILATION, bias=True)
        self.mask_conv = dilated_conv3x3(channels, samples, DILATION, bias=True)
        self.deform_conv = ModulatedDeformConv(channels, channels, DILATION, offset_groups)

    def forward(self, maps: Tensor, source: Tensor) -> Tensor:
        """Return (B, C, h, w) resampled maps; offsets and raw masks come from the source."""
        samples = self.offset_conv(source), self.mask_conv(source)
        return self.deform_conv(maps, *samples).to(maps.dtype)  # which computes in float32


class FAMIStages(NamedTuple):
    """What the network sees on the way, each (B, C, h, w) but for shifts and shifted frames.

    Attributes:
        current: features of the current frame.
        shifts: (B, S, 2) x and y, in cells, in time order of the supporting frames.
        shifted: (B, S C, h, w) moved supporting frames.
        merged: made of these.
        combined: what the last two deformable convolutions read offsets from first.
        aligned: the merged maps after them.
        fused: with the current frame's features.
        output: (B, J, h, w) heatmaps.
    """

    current: Tensor
    shifts: Tensor
    shifted: Tensor
    merged: Tensor
    combined: Tensor
    aligned: Tensor
    fused: Tensor
    output: Tensor


class FAMI(TemporalModel):
    """Heatmaps of the current frame from the features of all frames.

    Args:
        backbone: its heatmaps have stride 4.
        num_joints: J.
        num_frames: F.
        channels: C, a multiple of `offset_groups`.
        offset_groups: channels that move together in a deformable convolution are C / this.
        mutual_information: factor of the release's second loss; 0 leaves it out.

    Raises:
        ValueError: for fewer than two frames; or if mutual information is wanted of features that
            are not what the backbone's output layer takes.
    """

    clip = ClipSpec(training=(-2, -1, 0, 1, 2), test=(-2, -1, 0, 1, 2))
    encodes = "features"

    def __init__(
        self,
        backbone: Backbone,
        num_joints: int = 17,
        num_frames: int = 5,
        channels: int = 48,
        offset_groups: int = 12,
        mutual_information: float = 0.0,
    ) -> None:
        super().__init__(backbone)
        if num_frames < 2:
            raise ValueError(f"FAMI needs supporting frames, got {num_frames} frame")
        feature_channels, feature_stride = backbone.feature_channels, backbone.feature_stride
        self.raising = feature_stride // STRIDE
        as_they_are = feature_channels == channels and self.raising == 1
        if mutual_information and not as_they_are:
            raise ValueError(
                "the mutual information of FAMI is between features that the backbone's output "
                f"layer takes: it needs {channels} channels at stride {STRIDE}, the backbone has "
                f"{feature_channels} at stride {feature_stride}"
            )
        self.num_frames = num_frames
        self.mutual_information = mutual_information
        self.neck: nn.Module = nn.Identity()
        if not as_they_are:
            self.neck = ConvBN(feature_channels, channels, kernel_size=1)
        self.shift = GlobalShift(channels)
        self.merge = basic_chain((num_frames - 1) * channels, channels, 2)
        self.combine = basic_chain(2 * channels, channels, 1)
        self.calibrations = nn.ModuleList(Calibration(channels, offset_groups) for _ in range(4))
        self.fuse = basic_chain(2 * channels, channels, 3)
        self.output = nn.Conv2d(channels, num_joints, KERNEL_SIZE, padding=KERNEL_SIZE // 2)

    def init_head(self, generator: torch.Generator) -> None:
        """Initialise all but the backbone: convolutions N(0, 0.001), deformable ones as torch."""
        for name, part in self.named_children():
            if name == "backbone":
                continue
            init_weights(part, generator)
            for layer in part.modules():
                if isinstance(layer, (nn.Linear, ModulatedDeformConv)):
                    init_as_torch(layer, generator)

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, h, w) of features of F frames; gaps are not looked at."""
        return self.inside(encoded).output

    def training_outputs(self, encoded: Tensor, gaps: Tensor) -> dict[str, Supervised]:
        """Return the heatmaps, and the second loss where it has a factor."""
        stages, penalty = self.inside(encoded), None
        if self.mutual_information:
            penalty = self.mutual_information * self.information_loss(stages)
        return {"heatmaps": Supervised(stages.output, penalty=penalty)}

    def inside(self, encoded: Tensor) -> FAMIStages:
        """Return what features (B, F, ...) of the backbone become on the way.

        Raises:
            ValueError: for another number of frames than the model is made for.
        """
        clips, frames = encoded.shape[:2]
        if frames != self.num_frames:
            raise ValueError(f"expected clips of {self.num_frames} frames, got {frames}")
        maps = self.neck(encoded.flatten(0, 1))
        if self.raising > 1:
            maps = nn.functional.interpolate(maps, scale_factor=self.raising, mode="bilinear")
        maps = maps.unflatten(0, (clips, frames))
        middle = frames // 2
        current = maps[:, middle]
        supports = torch.cat([maps[:, :middle], maps[:, middle + 1 :]], dim=1)
        shifts = self.shift((supports - current[:, None]).flatten(0, 1))
        shifted = translated(supports.flatten(0, 1), shifts)
        shifted = shifted.unflatten(0, (clips, frames - 1)).flatten(1, 2)

        merged = self.merge(shifted)
        combined = self.combine(torch.cat([merged, current], dim=1))
        first, second, third, fourth = self.calibrations
        combined = first(combined, combined)
        combined = second(combined, combined)
        aligned = third(merged, combined)
        aligned = fourth(aligned, aligned)
        fused = self.fuse(torch.cat([current, aligned], dim=1))
        return FAMIStages(
            current,
            shifts.unflatten(0, (clips, frames - 1)),
            shifted,
            merged,
            combined,
            aligned,
            fused,
            self.output(fused),
        )

    def information_loss(self, stages: FAMIStages) -> Tensor:
        """Return the release's second loss, () to be minimised, without its factor.

        Six terms between features and the prediction, which stands for the label. It is not the
        bound of the paper: `kl_div` is given probabilities where it expects their logarithms, two
        terms are the same quantity, and signs differ. Over what the release normalises and
        averages is not known here: each channel over its pixels, and all values.
        """
        head = self.backbone.head
        label, fused = stages.output, stages.fused
        merged, current = stages.merged, stages.current
        return (
            -0.1 * _divergence(head(fused), label)
            + 0.1 * _divergence(current, fused)
            + _divergence(head(merged), label)
            - _divergence(merged, fused)
            + _divergence(head(current), label)
            - _divergence(current, fused)
        )


def _divergence(x: Tensor, y: Tensor) -> Tensor:
    """Return torch's `kl_div` of two maps (B, C, h, w), with the release's slip."""
    given, wanted = (
        (maps.float().flatten(2) / TEMPERATURE).softmax(dim=-1) for maps in (x.detach(), y)
    )
    return nn.functional.kl_div(given, wanted, reduction="none").mean()
