"""Pose Temporal Merger (PTM) and Pose Residual Fusion (PRF), Sec. 3.1 and 3.2 of the paper.

Shape legend: B clips, F frames that are looked at, J joints, H x W heatmap pixels. Frames are in
time order; the current frame stands at `cur`, the others are its neighbours. A gap is a distance
of two consecutive frames.

The paper writes one group of channels per joint; the released network, which made the published
numbers, mixes the joints (`groups` 1). The order of the channels is the one the released weights
expect: the current frame first. What stands in for PTM and PRF in the rows of Table 5 that remove
them is here too.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dcpose.models.blocks import residual_chain

Neighbor = Literal["prev", "next"]
BOTH: tuple[Neighbor, ...] = ("prev", "next")

SecondResidual = Literal["cur_minus_next", "next_minus_cur"]


def temporal_weights(gaps: Tensor) -> Tensor:
    """Weights of prev, cur and next; the nearer neighbour counts more (Eq. 1-2).

    Args:
        gaps: (B, 2) gaps c - p and n - c, each >= 1 (at a clip border the frame itself stands in
            for the neighbour and its gap counts as 1).

    Returns:
        (B, 3): (n - c) / (n - p), 1 and (c - p) / (n - p).
    """
    gap_prev, gap_next = gaps.unbind(dim=1)
    span = gap_prev + gap_next
    return torch.stack([gap_next / span, torch.ones_like(span), gap_prev / span], dim=1)


def frames_seen(neighbors: Sequence[Neighbor]) -> slice:
    """Return where cur and the given neighbours, one or both, stand among prev, cur, next."""
    return slice(0 if "prev" in neighbors else 1, 3 if "next" in neighbors else 2)


def _cur(neighbors: Sequence[Neighbor]) -> int:
    """Return the position of the current frame among the frames that are looked at."""
    return 1 if "prev" in neighbors else 0


class PoseTemporalMerger(nn.Module):
    """Merge the heatmaps of the frames of a clip into search regions (Eq. 1-3).

    A neighbour that is not fed leaves its channels out; the weight of the other stays Eq. 1's.

    Args:
        num_joints: J, 17 for PoseTrack (two ear channels included, never supervised).
        num_blocks: residual blocks in the chain.
        channels: C, maps to make; J in the release, one search region per joint.
        neighbors: frames that are fed besides the current one.
        groups: of the convolutions; J keeps the joints apart, as the paper's text says.
    """

    def __init__(
        self,
        num_joints: int,
        num_blocks: int,
        channels: int,
        neighbors: Sequence[Neighbor] = BOTH,
        groups: int = 1,
    ) -> None:
        super().__init__()
        num_frames, cur = 1 + len(neighbors), _cur(neighbors)
        self.order = [cur, *(frame for frame in range(num_frames) if frame != cur)]
        self.chain = residual_chain(num_frames * num_joints, channels, num_blocks, groups)

    def forward(self, heatmaps: Tensor, weights: Tensor) -> Tensor:
        """Merge heatmaps (B, F, J, H, W) with weights (B, F) into maps (B, C, H, W) >= 0."""
        weighted = weights[..., None, None, None] * heatmaps
        by_joint = weighted[:, self.order].transpose(1, 2)  # (B, J, F, H, W)
        return self.chain(by_joint.flatten(1, 2))


class PoseResidualFusion(nn.Module):
    """Fuse the weighted differences to the neighbours into residual features (Eq. 4-5).

    A neighbour that is not fed leaves its channels out; the weight of the other stays Eq. 1's.

    Args:
        num_joints, num_blocks, neighbors, groups: see `PoseTemporalMerger`.
        channels: C, feature maps to make; 2J in the release.
        second_residual: sign of the residual to the next frame: h(c) - h(n) as released, or
            h(n) - h(c) as in Eq. 4.
    """

    def __init__(
        self,
        num_joints: int,
        num_blocks: int,
        channels: int,
        neighbors: Sequence[Neighbor] = BOTH,
        groups: int = 1,
        second_residual: SecondResidual = "cur_minus_next",
    ) -> None:
        super().__init__()
        self.residuals = Residuals(neighbors, second_residual)
        in_channels = 2 * len(neighbors) * num_joints
        self.chain = residual_chain(in_channels, channels, num_blocks, groups)

    def forward(self, heatmaps: Tensor, weights: Tensor) -> Tensor:
        """Return features (B, C, H, W) >= 0 from heatmaps (B, F, J, H, W), weights (B, F)."""
        residuals = self.residuals(heatmaps)
        weighted = weights[:, self.residuals.others, None, None, None] * residuals
        pairs = torch.stack([residuals, weighted], dim=2).flatten(1, 2)
        return self.chain(pairs.transpose(1, 2).flatten(1, 2))  # joint by joint


class Residuals(nn.Module):
    """Differences of the current frame to its neighbours (Eq. 4).

    Args:
        neighbors: frames that are fed besides the current one.
        second_residual: see `PoseResidualFusion`.
    """

    def __init__(self, neighbors: Sequence[Neighbor], second_residual: SecondResidual) -> None:
        super().__init__()
        self.cur = _cur(neighbors)
        self.others = [frame for frame in range(1 + len(neighbors)) if frame != self.cur]
        self.last_is_turned = second_residual == "next_minus_cur" and "next" in neighbors

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Return (B, F - 1, J, H, W) of heatmaps (B, F, J, H, W)."""
        residuals = heatmaps[:, self.cur, None] - heatmaps[:, self.others]
        if self.last_is_turned:
            residuals = torch.cat([residuals[:, :-1], -residuals[:, -1:]], dim=1)
        return residuals


class SummedHeatmaps(nn.Module):
    """Instead of the PTM: the sum of all frames' heatmaps and a 3x3 convolution (Table 5).

    Args:
        num_joints: J.
        groups: of the convolution.
    """

    def __init__(self, num_joints: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_joints, num_joints, 3, padding=1, groups=groups)

    def forward(self, heatmaps: Tensor, weights: Tensor) -> Tensor:
        """Return merged heatmaps (B, J, H, W) from (B, F, J, H, W); the weights do not matter."""
        return self.conv(heatmaps.sum(dim=1))


class CurrentHeatmaps(nn.Module):
    """Instead of the PTM: the heatmaps of the current frame as they are (Table 5).

    Args:
        neighbors: frames that are fed besides the current one.
    """

    def __init__(self, neighbors: Sequence[Neighbor] = BOTH) -> None:
        super().__init__()
        self.cur = _cur(neighbors)

    def forward(self, heatmaps: Tensor, weights: Tensor) -> Tensor:
        """Return h(c) (B, J, H, W) of (B, F, J, H, W); the weights do not matter."""
        return heatmaps[:, self.cur]


class SummedResiduals(nn.Module):
    """Instead of the PRF: the sum of the residuals and a 3x3 convolution (Table 5).

    The paper gives no number of output channels; here they are as many as the sum has, J.

    Args:
        num_joints, neighbors, groups, second_residual: see `PoseResidualFusion`.
    """

    def __init__(
        self,
        num_joints: int,
        neighbors: Sequence[Neighbor] = BOTH,
        groups: int = 1,
        second_residual: SecondResidual = "cur_minus_next",
    ) -> None:
        super().__init__()
        self.residuals = Residuals(neighbors, second_residual)
        self.conv = nn.Conv2d(num_joints, num_joints, 3, padding=1, groups=groups)

    def forward(self, heatmaps: Tensor, weights: Tensor) -> Tensor:
        """Return features (B, J, H, W) from heatmaps (B, F, J, H, W); the weights do not matter."""
        return self.conv(self.residuals(heatmaps).sum(dim=1))
