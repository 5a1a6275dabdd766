"""DCPose: initial heatmaps of three frames, merged and corrected (Fig. 2 of the paper).

Shape legend: B clips, F frames looked at, J joints, H x W crop pixels, h x w heatmap pixels. Axis 1
of frames is prev, cur, next; encoded frames leave out a neighbour that is not looked at.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from dcpose.models.dcpose.temporal import BOTH, Neighbor, frames_seen, temporal_weights
from dcpose.models.interface import Backbone, Supervised, TemporalModel
from dcpose.structures import ClipSpec

Start = Literal["released", "identity"]


class DCPose(TemporalModel):
    """Dual consecutive pose network.

    Args:
        backbone: its heatmaps are the initial ones.
        ptm: maps heatmaps (B, F, J, h, w) and weights (B, F) to merged maps (B, C, h, w).
        prf: maps the same to residual features (B, R, h, w).
        fusion: maps (B, R + C, h, w), residual features first, to features (B, D, h, w).
        pcn: maps merged maps and features to corrected heatmaps (B, J, h, w).
        neighbors: frames that are looked at besides the current one, as PTM and PRF expect them;
            the backbone does not see the others.
        start: released: the heatmaps are what the correction gives; identity: the initial ones of
            the current frame and what the correction adds, at first nothing.
    """

    clip = ClipSpec(training="neighbors", test="neighbors")
    takes = MappingProxyType({3: "prev, cur, next"})

    def __init__(
        self,
        backbone: Backbone,
        ptm: nn.Module,
        prf: nn.Module,
        fusion: nn.Module,
        pcn: nn.Module,
        neighbors: Sequence[Neighbor] = BOTH,
        start: Start = "released",
    ) -> None:
        super().__init__(backbone)
        self.ptm = ptm
        self.prf = prf
        self.fusion = fusion
        self.pcn = pcn
        self.start = start
        self.used = frames_seen(neighbors)
        self.cur = 1 - self.used.start
        """Position of the current frame among encoded ones."""

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return corrected heatmaps (B, J, h, w) of initial ones (B, F, J, h, w), gaps (B, 2)."""
        return self.stages(encoded, gaps)["corrected"]

    def init_head(self, generator: torch.Generator) -> None:
        """Initialise everything but the backbone (`init_weights`); see `start`."""
        super().init_head(generator)
        if self.start == "identity":
            self.pcn.init_to_zero()  # type: ignore[operator]

    def merge(self, encoded: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return merged maps (B, C, h, w), and features (B, D, h, w) for offsets and masks."""
        weights = temporal_weights(gaps)[:, self.used].to(encoded.dtype)
        merged = self.ptm(encoded, weights)
        return merged, self.fusion(torch.cat([self.prf(encoded, weights), merged], dim=1))

    def stages(self, encoded: Tensor, gaps: Tensor) -> dict[str, Tensor]:
        """Return initial heatmaps of the current frame, merged maps >= 0, corrected heatmaps."""
        merged, features = self.merge(encoded, gaps)
        initial, corrected = encoded[:, self.cur], self.pcn(merged, features)
        if self.start == "identity":
            corrected = initial + corrected
        return {"initial": initial, "merged": merged, "corrected": corrected}

    def training_outputs(self, encoded: Tensor, gaps: Tensor) -> dict[str, Supervised]:
        """Return the corrected heatmaps; before them the initial ones, unless they are frozen.

        The release supervises the initial heatmaps of the current frame where it trains the
        backbone too.
        """
        corrected = Supervised(self.decode(encoded, gaps))
        if self.frozen:
            return {"corrected": corrected}
        return {"initial": Supervised(encoded[:, self.cur]), "corrected": corrected}
