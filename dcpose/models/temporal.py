"""Pose Temporal Merger (PTM) and Pose Residual Fusion (PRF), Sec. 3.1 and 3.2 of the paper.

Shape legend: B clips, J joints, H x W heatmap pixels. Axis 1 of a (B, 3, J, H, W) tensor is
prev, cur, next: the frames p < c < n of the paper. A gap is a distance in frames.

The paper writes one group of channels per joint; the released network, which made the published
numbers, mixes the joints. The order of the channels is the one the released weights expect.
"""

import torch
from torch import Tensor, nn

from dcpose.models.blocks import residual_chain


def temporal_weights(gaps: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the neighbour frames; the nearer one counts more (Eq. 1-2).

    Args:
        gaps: (B, 2) gaps c - p and n - c, each >= 1 (at a clip border the frame itself stands in
            for the neighbour and its gap counts as 1).

    Returns:
        w_prev = (n - c) / (n - p) and w_next = (c - p) / (n - p), each (B, 1, 1, 1), sum 1.
    """
    gap_prev, gap_next = gaps.view(-1, 2, 1, 1, 1).unbind(dim=1)
    span = gap_prev + gap_next
    return gap_next / span, gap_prev / span


class PoseTemporalMerger(nn.Module):
    """Merge the heatmaps of three frames into search regions (Eq. 1-3).

    Args:
        num_joints: J, 17 for PoseTrack (two ear channels included, never supervised).
        num_blocks: residual blocks in the chain.
        channels: C, maps to make; J in the release, one search region per joint.
    """

    def __init__(self, num_joints: int, num_blocks: int, channels: int) -> None:
        super().__init__()
        self.chain = residual_chain(3 * num_joints, channels, num_blocks)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return merged heatmaps (B, C, H, W) >= 0 from (B, 3, J, H, W) and gaps (B, 2)."""
        prev, cur, next_ = heatmaps.unbind(dim=1)
        w_prev, w_next = (weight.to(cur.dtype) for weight in temporal_weights(gaps))
        per_joint = torch.stack([cur, w_prev * prev, w_next * next_], dim=2)  # (B, J, 3, H, W)
        return self.chain(per_joint.flatten(1, 2))


class PoseResidualFusion(nn.Module):
    """Fuse the weighted differences to both neighbours into residual features (Eq. 4-5).

    The second residual is h(c) - h(n), as released; the paper writes h(n) - h(c).

    Args:
        num_joints: J.
        num_blocks: residual blocks in the chain.
        channels: C, feature maps to make; 2J in the release.
    """

    def __init__(self, num_joints: int, num_blocks: int, channels: int) -> None:
        super().__init__()
        self.chain = residual_chain(4 * num_joints, channels, num_blocks)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return features (B, C, H, W) >= 0 from heatmaps (B, 3, J, H, W) and gaps (B, 2)."""
        prev, cur, next_ = heatmaps.unbind(dim=1)
        w_prev, w_next = (weight.to(cur.dtype) for weight in temporal_weights(gaps))
        from_prev, from_next = cur - prev, cur - next_
        per_joint = torch.stack(
            [from_prev, w_prev * from_prev, from_next, w_next * from_next], dim=2
        )  # (B, J, 4, H, W)
        return self.chain(per_joint.flatten(1, 2))
