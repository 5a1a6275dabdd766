"""DCPose: initial heatmaps of three frames, merged and corrected (Fig. 2 of the paper).

Shape legend: B clips, F frames seen, J joints, H x W crop pixels, h = H / 4, w = W / 4 heatmap
pixels. Axis 1 of frames is prev, cur, next; initial heatmaps leave out a neighbour that is not
looked at.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dcpose.models.dcpose.correction import Samples
from dcpose.models.dcpose.temporal import BOTH, Neighbor, frames_seen
from dcpose.models.initialise import init_weights
from dcpose.models.on_backbone import OnBackbone


class DCPoseStages(NamedTuple):
    """What the network sees on the way, for pictures.

    Attributes:
        initial: (B, F, J, h, w) heatmaps of the backbone for prev, cur, next.
        merged: (B, C, h, w), output of the PTM, >= 0, or of what replaces it; C = J in the release.
        corrected: (B, J, h, w) final heatmaps of cur.
    """

    initial: Tensor
    merged: Tensor
    corrected: Tensor


class DCPose(OnBackbone):
    """Dual consecutive pose network.

    Args:
        backbone: maps images (N, 3, H, W) to heatmaps (N, J, h, w).
        ptm: maps heatmaps (B, F, J, h, w) and gaps (B, 2) to merged maps (B, C, h, w).
        prf: maps the same to residual features (B, R, h, w).
        fusion: maps (B, R + C, h, w), residual features first, to features (B, D, h, w).
        pcn: maps merged maps and features to corrected heatmaps (B, J, h, w).
        frozen: see `OnBackbone`; `training_outputs` leaves the heatmaps of a frozen backbone out.
        frozen_bn: see `OnBackbone`.
        neighbors: frames that are looked at besides the current one, as PTM and PRF expect them;
            the backbone does not see the others.
    """

    uses_neighbors = True
    """Whether prev and next are looked at."""

    def __init__(
        self,
        backbone: nn.Module,
        ptm: nn.Module,
        prf: nn.Module,
        fusion: nn.Module,
        pcn: nn.Module,
        frozen: bool = True,
        frozen_bn: bool = True,
        neighbors: Sequence[Neighbor] = BOTH,
    ) -> None:
        super().__init__(backbone, frozen, frozen_bn)
        self.ptm = ptm
        self.prf = prf
        self.fusion = fusion
        self.pcn = pcn
        self.seen = frames_seen(neighbors)

    @property
    def cur(self) -> int:
        """Position of the current frame in initial heatmaps."""
        return 1 - self.seen.start

    def init_head(self, generator: torch.Generator | None = None) -> None:
        """Initialise everything but the backbone as paper and release do (`init_weights`)."""
        for module in (self.ptm, self.prf, self.fusion, self.pcn):
            init_weights(module, generator)

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps of the current frame.

        Args:
            frames: (B, 3, 3, H, W) normalised RGB crops prev, cur, next of one person.
            gaps: (B, 2) distances c - p and n - c in frames, each >= 1.

        Returns:
            (B, J, h, w) corrected heatmaps.

        Raises:
            ValueError: if `frames` does not hold three frames.
        """
        return self.head(self.initial_heatmaps(frames), gaps)

    def initial_heatmaps(self, frames: Tensor) -> Tensor:
        """Return heatmaps (B, F, J, h, w) of the frames that are looked at, of (B, 3, 3, H, W)."""
        if frames.dim() != 5 or frames.shape[1] != 3:
            raise ValueError(
                f"frames must be (B, 3, 3, H, W): prev, cur, next; got {tuple(frames.shape)}"
            )
        return super().initial_heatmaps(frames[:, self.seen])

    def head(self, initial: Tensor, gaps: Tensor) -> Tensor:
        """Return corrected heatmaps (B, J, h, w) of initial ones (B, F, J, h, w), gaps (B, 2)."""
        return self._merge_and_correct(initial, gaps)[1]

    def stages(self, frames: Tensor, gaps: Tensor) -> DCPoseStages:
        """Return initial, merged and corrected heatmaps; arguments as for `forward`."""
        initial = self.initial_heatmaps(frames)
        return DCPoseStages(initial, *self._merge_and_correct(initial, gaps))

    def training_outputs(self, frames: Tensor, gaps: Tensor) -> list[Tensor]:
        """Return the maps that the loss supervises, each (B, J, h, w).

        The corrected heatmaps; before them, where the backbone is trained too, its heatmaps of
        the current frame, as the release does.
        """
        initial = self.initial_heatmaps(frames)
        corrected = self.head(initial, gaps)
        return [corrected] if self.frozen else [initial[:, self.cur], corrected]

    def samples(self, initial: Tensor, gaps: Tensor) -> list[Samples]:
        """Return where each dilation reads the merged maps; arguments as for `head`."""
        return self.pcn.samples(self._features(initial, self.ptm(initial, gaps), gaps))  # type: ignore[operator]

    def _merge_and_correct(self, initial: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        merged = self.ptm(initial, gaps)
        return merged, self.pcn(merged, self._features(initial, merged, gaps))

    def _features(self, initial: Tensor, merged: Tensor, gaps: Tensor) -> Tensor:
        """Return (B, D, h, w), what offsets and masks are read from."""
        return self.fusion(torch.cat([self.prf(initial, gaps), merged], dim=1))
