"""A backbone on its own: stage one of training, and the honest baseline of DCPose."""

from torch import Tensor

from dcpose.models.interface import TemporalModel
from dcpose.structures import ClipSpec


class SingleFrame(TemporalModel):
    """Heatmaps of the current frame from that frame alone; see `TemporalModel`."""

    clip = ClipSpec(training=(0,), test=(0,))

    def encode(self, frames: Tensor) -> Tensor:
        """Return heatmaps (B, 1, J, h, w) of the middle one of frames (B, F, 3, H, W)."""
        return self.backbone(frames[:, frames.shape[1] // 2])[:, None]

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return the heatmaps as they are, (B, J, h, w); gaps (B, F - 1) are not looked at."""
        return encoded[:, 0]
