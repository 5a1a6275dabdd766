"""PoseWarper: heatmaps warped from frame to frame (Bertasius et al., NeurIPS 2019, 1906.04016).

Shape legend: B clips, N pairs of frames, J joints, H x W crop pixels, h = H / 4, w = W / 4 heatmap
pixels. The reference is the frame whose pose is wanted, a supporting frame lends its heatmaps.
Frames are ordered in time but for the pair of training, which is supporting, current; in all of
them the current frame is number F // 2.
"""

from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from dcpose.models.blocks import basic_chain, dilated_conv3x3
from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.models.initialise import init_weights
from dcpose.models.interface import Backbone, TemporalModel
from dcpose.structures import ClipSpec

AGGREGATION = (0.1, 0.25, 0.3, 0.25, 0.1)
"""Weights of the frames t-2 to t+2 in the result, set by hand in the release."""

REACH = len(AGGREGATION) // 2
"""Frames to the farthest one that is aggregated."""

KERNEL_SIZE = 3


class HeatmapWarper(nn.Module):
    """Move heatmaps from a supporting frame to a reference frame.

    A chain of residual blocks reads the difference of the two frames' heatmaps. From its features
    one convolution per dilation makes offsets, with which a deformable convolution (without
    masks or bias, one group of offsets per joint) resamples the supporting heatmaps. The result
    is the mean over the dilations.

    Args:
        num_joints: J.
        blocks: residual blocks in the chain.
        channels: D, channels of the chain.
        dilations: distances of the taps in heatmap pixels.

    Raises:
        ValueError: if there is no block or no dilation.
    """

    def __init__(
        self,
        num_joints: int = 17,
        blocks: int = 20,
        channels: int = 128,
        dilations: Sequence[int] = (3, 6, 12, 18, 24),
    ) -> None:
        super().__init__()
        if blocks < 1 or not dilations:
            raise ValueError(f"expected blocks and dilations, got {blocks} and {tuple(dilations)}")
        self.chain = basic_chain(num_joints, channels, blocks)
        self.offset_convs = nn.ModuleList(
            dilated_conv3x3(channels, 2 * num_joints * KERNEL_SIZE**2, dilation)
            for dilation in dilations
        )
        self.deform_convs = nn.ModuleList(
            ModulatedDeformConv(
                num_joints, num_joints, dilation, offset_groups=num_joints, bias=False
            )
            for dilation in dilations
        )

    def init(self, generator: torch.Generator | None = None) -> None:
        """Initialise as the release does; the module then returns the heatmaps that it is given."""
        init_weights(self, generator)
        for conv in self.offset_convs:
            nn.init.zeros_(conv.weight)  # type: ignore[arg-type]

    def forward(self, differences: Tensor, heatmaps: Tensor) -> Tensor:
        """Return warped heatmaps (N, J, h, w).

        Args:
            differences: (N, J, h, w) heatmaps of the reference minus those of the supporting frame.
            heatmaps: (N, J, h, w) what is moved.
        """
        features = self.chain(differences)
        warped = [
            deform_conv(heatmaps, offset_conv(features))
            for offset_conv, deform_conv in zip(self.offset_convs, self.deform_convs, strict=True)
        ]
        return torch.stack(warped).mean(dim=0)


class PoseWarper(TemporalModel):
    """Heatmaps of the current frame from itself and its neighbours.

    Trained with a supporting frame at a time; five frames are aggregated at test, with the same
    weights. The authors report that training the backbone too does harm.

    Args:
        backbone: its heatmaps are warped.
        warper: moves heatmaps between frames.
    """

    clip = ClipSpec(training="support", test=tuple(range(-REACH, REACH + 1)))
    takes = MappingProxyType({2: "supporting and current", 5: "t-2 to t+2"})

    def __init__(self, backbone: Backbone, warper: HeatmapWarper) -> None:
        super().__init__(backbone)
        self.warper = warper

    def init_head(self, generator: torch.Generator) -> None:
        """Initialise the warper as the release does."""
        self.warper.init(generator)

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, h, w) of the current frame.

        Args:
            encoded: heatmaps (B, 2, J, h, w) of supporting and current frame, whose result is the
                supporting frame's warped to the current one; or (B, 5, J, h, w) of frames t-2 to
                t+2, whose result is the weighted sum of all five warped, the current one among
                them.
            gaps: (B, F - 1), not looked at.
        """
        if encoded.shape[1] == 2:
            supporting, reference = encoded.unbind(dim=1)
            return self.warper(reference - supporting, supporting)
        differences = encoded[:, REACH : REACH + 1] - encoded
        warped = self.warper(differences.flatten(0, 1), encoded.flatten(0, 1))
        weights = warped.new_tensor(AGGREGATION).view(-1, 1, 1, 1)
        return (weights * warped.unflatten(0, (-1, len(AGGREGATION)))).sum(dim=1)

    def propagate(self, frames: Tensor, labelled: Tensor | None = None) -> Tensor:
        """Carry the pose of a labelled frame over to another one.

        Args:
            frames: (B, 2, 3, H, W) the labelled frame, and the one that has no labels.
            labelled: (B, J, h, w) heatmaps of the known joints in the labelled frame; None takes
                those that the backbone finds there.

        Returns:
            (B, J, h, w) heatmaps of the frame that has no labels.
        """
        own, other = self.encode(frames).unbind(dim=1)
        return self.warper(other - own, own if labelled is None else labelled)
