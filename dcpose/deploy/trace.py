"""A trained network as one graph without Python, for the runtimes of others (torch.export).

Shape legend: B clips, F frames, J joints, H x W crop pixels, h x w heatmap pixels. Of these B alone
may change after tracing.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dcpose.deploy.channel_blocks import fill_channel_blocks
from dcpose.deploy.fuse import fold_batch_norms
from dcpose.models.deform_conv import Implementation, ModulatedDeformConv
from dcpose.structures import IMAGE_MEAN, IMAGE_STD

DeformForm = Literal["deform_conv", "grid_sample"]
"""How a graph says deformable convolution: as one operator, or by sampling and matrix products,
which older and smaller runtimes know."""

_IMPLEMENTATIONS: dict[DeformForm, Implementation] = {
    "deform_conv": "torchvision",
    "grid_sample": "gather",
}

LARGEST_BATCH = 1024

Decoder = Callable[[Tensor], tuple[Tensor, Tensor]]


def trace(
    model: nn.Module,
    example: Sequence[Tensor],
    form: DeformForm = "deform_conv",
    half_weights: bool = False,
) -> torch.export.ExportedProgram:
    """Trace a copy of a model, with its BatchNorms folded, for 1 to 1024 clips.

    Args:
        model: in eval mode on a CPU; stays as it is.
        example: inputs (B, ...) with at least two clips: a graph takes 1 for a constant.
        form: of deformable convolutions.
        half_weights: keep weights in float16; they are computed with in float32.

    Raises:
        ValueError: if the model is in training mode, or the example has a single clip.
    """
    if any(module.training for module in model.modules()):
        raise ValueError("the model is in training mode, call eval() before tracing it")
    if len(example[0]) < 2:
        raise ValueError(f"the example has {len(example[0])} clips, expected at least 2")
    traced = copy.deepcopy(model).requires_grad_(False)
    fold_batch_norms(traced)
    fill_channel_blocks(traced)
    for module in traced.modules():
        if isinstance(module, ModulatedDeformConv):
            module.implementation = _IMPLEMENTATIONS[form]
    if half_weights:
        _halve_weights(traced)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    shapes = tuple({0: batch} for _ in example)
    with torch.no_grad():
        return torch.export.export(traced, tuple(example), dynamic_shapes=shapes)


class CropsToJoints(nn.Module):
    """A model between its normalisation and its decoding.

    Args:
        model: frames (B, F, 3, H, W) and gaps (B, F - 1) to heatmaps (B, J, h, w).
        cell_wh: crop pixels to a heatmap pixel, along x and y.
        decode: heatmaps to joints (B, J, 2) in heatmap pixels and scores (B, J).
    """

    scale: Tensor
    offset: Tensor
    cell: Tensor

    def __init__(self, model: nn.Module, cell_wh: tuple[float, float], decode: Decoder) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("cell", torch.tensor(cell_wh))
        self._decode = decode
        mean, std = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("offset", -mean / std)
        self.train(model.training)

    def forward(self, frames: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints (B, J, 2) in crop pixels and scores (B, J) of uint8 RGB (B, F, H, W, 3)."""
        images = (frames.float() * self.scale + self.offset).movedim(-1, 2)
        joints, scores = self._decode(self.model(images, gaps))
        return self.cell * joints, scores


class _Widened(nn.Module):
    """Gives a parameter that is kept in float16 in float32."""

    def forward(self, kept: Tensor) -> Tensor:
        return kept.float()


def _halve_weights(network: nn.Module) -> None:
    for module in list(network.modules()):
        if isinstance(module, ModulatedDeformConv):
            continue
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.dim() > 1:  # biases and scales are few
                parameter.data = parameter.data.half()
                parametrize.register_parametrization(module, name, _Widened(), unsafe=True)
