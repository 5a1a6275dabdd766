"""A backbone on its own: stage one of training, and the honest baseline of DCPose."""

from torch import Tensor, nn


class SingleFrame(nn.Module):
    """Heatmaps of the current frame from that frame alone.

    Args:
        backbone: maps images (N, 3, H, W) to heatmaps (N, J, H / 4, W / 4).
    """

    uses_neighbors = False
    """Whether prev and next are looked at; if not, nobody needs to decode them."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, H / 4, W / 4) of the middle one of frames (B, F, 3, H, W).

        Args:
            frames: normalised RGB crops; F is 1 (cur) or 3 (prev, cur, next).
            gaps: (B, 2), not looked at; all models are called alike.
        """
        return self.backbone(frames[:, frames.shape[1] // 2])

    def training_outputs(self, frames: Tensor, gaps: Tensor) -> list[Tensor]:
        """Return the maps that the loss supervises: the heatmaps of the current frame."""
        return [self(frames, gaps)]
