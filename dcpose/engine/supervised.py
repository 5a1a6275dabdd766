"""A model and its loss as one module.

Shape legend: B clips, F frames, J joints, H x W crop pixels, h x w heatmap pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dcpose.engine.precision import autocast


class HeadOnly(nn.Module):
    """What a model does after its backbone, for `SupervisedModel`.

    Args:
        model: a DCPose; has `head(initial, gaps)`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_outputs(self, initial: Tensor, gaps: Tensor) -> list[Tensor]:
        """Return [(B, J, h, w)] of heatmaps (B, F, J, h, w) of the frames seen."""
        return [self.model.head(initial, gaps)]  # type: ignore[operator]


class SupervisedModel(nn.Module):
    """A model and its loss in one forward pass, so that DistributedDataParallel sees it.

    Args:
        model: has `training_outputs(frames, gaps)`, the list of heatmaps to supervise.
        loss: (heatmaps (B, J, h, w), targets (B, J, h, w), weights (B, J)) to a () mean.
        dtype: number format of the model; the loss is always computed in float32.
    """

    def __init__(self, model: nn.Module, loss: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.dtype = dtype

    def forward(self, frames: Tensor, gaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the () sum of the losses of all supervised heatmaps.

        Args:
            frames: (B, F, 3, H, W) normalised RGB.
            gaps: (B, 2) distances in frames.
            targets: (B, J, h, w).
            weights: (B, J), 0 for joints that are left out.
        """
        training_outputs: Callable[[Tensor, Tensor], list[Tensor]]
        training_outputs = self.model.training_outputs  # type: ignore[assignment]
        with autocast(frames.device, self.dtype):
            outputs = training_outputs(frames, gaps)
        losses = [self.loss(heatmaps.float(), targets, weights) for heatmaps in outputs]
        return torch.stack(losses).sum()
