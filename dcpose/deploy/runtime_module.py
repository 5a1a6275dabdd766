"""An exported network in the place of a model of torch."""

import torch
from torch import Tensor, nn

from dcpose.deploy.runtimes import ExportedNetwork


class RuntimeModule(nn.Module):
    """Heatmaps of an exported network, on the device of the frames.

    Args:
        exported: without its decoding inside.

    Raises:
        ValueError: if it gives joints.
    """

    def __init__(self, exported: ExportedNetwork) -> None:
        super().__init__()
        if exported.card.decoding_inside:
            raise ValueError(
                f"{exported.path}: gives joints, and heatmaps are needed here; export it without "
                "--crops-to-joints"
            )
        self._exported = exported
        self.eval()

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, h, w) of frames (B, F, 3, H, W) and gaps (B, F - 1)."""
        arrays = (tensor.float().cpu().numpy() for tensor in (frames, gaps))
        return torch.from_numpy(self._exported(*arrays)["heatmaps"]).to(frames.device)
