"""A model and its loss as one module.

Shape legend: B clips, F frames, J joints, C channels, H x W crop pixels, h x w heatmap pixels.
"""

import torch
from torch import Tensor, nn

from dcpose.engine.precision import autocast
from dcpose.structures import ClipBatch


class SupervisedModel(nn.Module):
    """A model and its loss in one forward pass, so that DistributedDataParallel sees it.

    Args:
        model: a `TemporalModel`.
        loss: (heatmaps (B, J, h, w), targets (B, J, h, w), weights (B, J)) to a () mean.
        dtype: number format of the model; the loss is always computed in float32.
    """

    def __init__(self, model: nn.Module, loss: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.dtype = dtype

    def forward(self, batch: ClipBatch, targets: Tensor, weights: Tensor) -> Tensor:
        """Return the () sum of the losses of all supervised heatmaps, and of penalties.

        Args:
            batch: crops, or what a backbone encoded them to.
            targets: (B, J, h, w).
            weights: (B, J), 0 for joints that are left out.
        """
        model = self.model
        with autocast(targets.device, self.dtype):
            encoded = batch.encoded
            if encoded is None:
                encoded = model.encode(batch.network_input())  # type: ignore[operator]
            outputs = model.training_outputs(encoded, batch.gaps)  # type: ignore[operator]
        losses = [
            output.weight * self.loss(output.heatmaps.float(), targets, weights)
            for output in outputs.values()
        ]
        losses += [output.penalty for output in outputs.values() if output.penalty is not None]
        return torch.stack(losses).sum()
