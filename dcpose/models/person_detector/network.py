"""A light person detector: at every pixel of three maps a score and the sides of a box.

As FCOS (Tian et al., ICCV 2019, arXiv 1904.01355), on EfficientNet-Lite0. Shape legend: N images,
H x W pixels, both multiples of 32; L places, the pixels of all maps, finest map first, row by row.
"""

import torch
from torch import Tensor, nn

from dcpose.models.backbones.efficientnet_lite import EfficientNetLiteTrunk
from dcpose.models.backbones.pyramid import separable, top_down

STRIDES = (8, 16, 32)
"""Image pixels per pixel of each map."""
_RARE = -4.0
"""Start of the scores' bias: few places are people."""


class PersonDetector(nn.Module):
    """Images to scored boxes at every place.

    Args:
        channels: of the pyramid and of the heads.
    """

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.trunk = EfficientNetLiteTrunk()
        levels = self.trunk.channels[1:]
        self.laterals = nn.ModuleList(nn.Conv2d(inputs, channels, 1) for inputs in levels)
        self.smooth = nn.ModuleList(separable(channels) for _ in levels)
        self.heads = nn.ModuleList(_head(channels) for _ in levels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and boxes of normalised RGB images (N, 3, H, W).

        Returns:
            logits (N, L) of being near the centre of a person, and (N, L, 4) x0, y0, x1, y1 of
            its box in image pixels.
        """
        levels = self.trunk(images)[1:]
        maps = top_down(levels, self.laterals, self.smooth, [2] * len(levels))
        found = [
            head(features).flatten(2).transpose(1, 2)
            for head, features in zip(self.heads, maps, strict=True)
        ]
        height, width = images.shape[2:]
        middles, strides = places(width, height, images.device)
        values = torch.cat(found, dim=1)
        before, after = (strides[:, None] * values[..., 1:].clamp(max=4).exp()).split(2, dim=-1)
        return values[..., 0], torch.cat([middles - before, middles + after], dim=-1)


def _head(channels: int) -> nn.Sequential:
    """A score and four distances, the distances as logarithms of pixels of the map."""
    deep = separable(channels, kernel=5), separable(channels, kernel=5)
    last = nn.Conv2d(channels, 5, 1)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.copy_(torch.tensor([_RARE, 1.0, 1.0, 1.0, 1.0]))  # type: ignore[union-attr]
    return nn.Sequential(*deep, last)


def places(width: int, height: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the middles (L, 2) of all places, image pixels, and the strides (L,) of their maps."""
    middles, strides = [], []
    for stride in STRIDES:
        y, x = (
            stride * (torch.arange(side // stride, device=device) + 0.5) for side in (height, width)
        )
        middles.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2))
        strides.append(torch.full((len(x) * len(y),), float(stride), device=device))
    return torch.cat(middles), torch.cat(strides)
