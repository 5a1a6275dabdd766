"""Pose Temporal Merger (PTM) and Pose Residual Fusion (PRF), Sec. 3.1 and 3.2 of the paper.

Shape legend: B clips, F frames seen, J joints, H x W heatmap pixels. Axis 1 of a (B, F, J, H, W)
tensor is prev, cur, next, the frames p < c < n of the paper, without a neighbour that is not fed.
A gap is a distance in frames.

The paper writes one group of channels per joint; the released network, which made the published
numbers, mixes the joints (`groups` 1). The order of the channels is the one the released weights
expect. What stands in for PTM and PRF in the rows of Table 5 that remove them is here too.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dcpose.models.blocks import residual_chain

Neighbor = Literal["prev", "next"]
BOTH: tuple[Neighbor, ...] = ("prev", "next")

SecondResidual = Literal["cur_minus_next", "next_minus_cur"]


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


def frames_seen(neighbors: Sequence[Neighbor]) -> slice:
    """Return where cur and the given neighbours, one or both, stand among prev, cur, next."""
    return slice(0 if "prev" in neighbors else 1, 3 if "next" in neighbors else 2)


def _by_frame(
    heatmaps: Tensor, neighbors: Sequence[Neighbor]
) -> tuple[Tensor, dict[Neighbor, Tensor]]:
    """Split (B, F, J, H, W) into cur and its neighbours, prev first, each (B, J, H, W)."""
    maps = list(heatmaps.unbind(dim=1))
    cur = maps.pop(1 if "prev" in neighbors else 0)
    return cur, dict(zip([name for name in BOTH if name in neighbors], maps, strict=True))


def _weights(gaps: Tensor, dtype: torch.dtype) -> dict[Neighbor, Tensor]:
    w_prev, w_next = temporal_weights(gaps)
    return {"prev": w_prev.to(dtype), "next": w_next.to(dtype)}


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
        self.neighbors = tuple(neighbors)
        in_channels = (1 + len(self.neighbors)) * num_joints
        self.chain = residual_chain(in_channels, channels, num_blocks, groups)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return merged heatmaps (B, C, H, W) >= 0 from (B, F, J, H, W) and gaps (B, 2)."""
        cur, others = _by_frame(heatmaps, self.neighbors)
        weights = _weights(gaps, cur.dtype)
        weighted = [weights[name] * maps for name, maps in others.items()]
        per_joint = torch.stack([cur, *weighted], dim=2)  # (B, J, F, H, W)
        return self.chain(per_joint.flatten(1, 2))


class PoseResidualFusion(nn.Module):
    """Fuse the weighted differences to the neighbours into residual features (Eq. 4-5).

    A neighbour that is not fed leaves its channels out; the weight of the other stays Eq. 1's.

    Args:
        num_joints: J.
        num_blocks: residual blocks in the chain.
        channels: C, feature maps to make; 2J in the release.
        neighbors: frames that are fed besides the current one.
        groups: of the convolutions; J keeps the joints apart, as the paper's text says.
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
        self.neighbors = tuple(neighbors)
        self.second_residual = second_residual
        in_channels = 2 * len(self.neighbors) * num_joints
        self.chain = residual_chain(in_channels, channels, num_blocks, groups)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return features (B, C, H, W) >= 0 from heatmaps (B, F, J, H, W) and gaps (B, 2)."""
        residuals = _residuals(heatmaps, self.neighbors, self.second_residual)
        weights = _weights(gaps, heatmaps.dtype)
        pairs = [(residual, weights[name] * residual) for name, residual in residuals.items()]
        # (B, J, 4 or 2, H, W)
        per_joint = torch.stack([maps for pair in pairs for maps in pair], dim=2)
        return self.chain(per_joint.flatten(1, 2))


def _residuals(
    heatmaps: Tensor, neighbors: Sequence[Neighbor], second_residual: SecondResidual
) -> dict[Neighbor, Tensor]:
    """Return h(c) - h(p) and the residual to the next frame, each (B, J, H, W) (Eq. 4)."""
    cur, others = _by_frame(heatmaps, neighbors)
    residuals = {name: cur - maps for name, maps in others.items()}
    if second_residual == "next_minus_cur" and "next" in residuals:
        residuals["next"] = -residuals["next"]
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

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return merged heatmaps (B, J, H, W) from (B, F, J, H, W); the gaps do not matter."""
        return self.conv(heatmaps.sum(dim=1))


class CurrentHeatmaps(nn.Module):
    """Instead of the PTM: the heatmaps of the current frame as they are (Table 5).

    Args:
        neighbors: frames that are fed besides the current one.
    """

    def __init__(self, neighbors: Sequence[Neighbor] = BOTH) -> None:
        super().__init__()
        self.neighbors = tuple(neighbors)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return h(c) (B, J, H, W) of (B, F, J, H, W); the gaps do not matter."""
        return _by_frame(heatmaps, self.neighbors)[0]


class SummedResiduals(nn.Module):
    """Instead of the PRF: the sum of the residuals and a 3x3 convolution (Table 5).

    The paper gives no number of output channels; here they are as many as the sum has, J.

    Args:
        num_joints: J.
        neighbors: frames that are fed besides the current one.
        groups: of the convolution.
        second_residual: see `PoseResidualFusion`.
    """

    def __init__(
        self,
        num_joints: int,
        neighbors: Sequence[Neighbor] = BOTH,
        groups: int = 1,
        second_residual: SecondResidual = "cur_minus_next",
    ) -> None:
        super().__init__()
        self.neighbors = tuple(neighbors)
        self.second_residual = second_residual
        self.conv = nn.Conv2d(num_joints, num_joints, 3, padding=1, groups=groups)

    def forward(self, heatmaps: Tensor, gaps: Tensor) -> Tensor:
        """Return features (B, J, H, W) from heatmaps (B, F, J, H, W); the gaps do not matter."""
        residuals = _residuals(heatmaps, self.neighbors, self.second_residual)
        return self.conv(torch.stack(list(residuals.values())).sum(dim=0))
