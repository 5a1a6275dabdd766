"""A light person detector: a centre map and a size at every centre.

As CenterNet does (Zhou et al., 2019, arXiv 1904.07850), on EfficientNet-Lite0 and a pyramid at
stride 8. Shape legend: N images, H x W pixels, both multiples of 32, h = H / 8, w = W / 8, P
people.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcpose.models.backbones.efficientnet_lite import STRIDES, EfficientNetLiteTrunk
from dcpose.models.backbones.pyramid import FeaturePyramid

STRIDE = 8
"""Image pixels per pixel of the maps."""
SIDE_MULTIPLE = STRIDES[-1]
"""Sides of the images are multiples of this."""
NATURAL_SIDE = 64.0
"""Image pixels; the network gives logarithms of sides relative to this."""
_RARE = -4.0
"""Start of the centre map's bias: few pixels are centres."""


class PersonDetector(nn.Module):
    """Images to a map of people's centres and a map of boxes.

    Args:
        channels: of the pyramid.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.trunk = EfficientNetLiteTrunk()
        self.pyramid = FeaturePyramid(self.trunk.channels[1:], STRIDES[1:], channels, STRIDE)
        self.center = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        with torch.no_grad():
            self.center.weight.mul_(0.1)
            self.center.bias.fill_(_RARE)  # type: ignore[union-attr]  # it has a bias

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return centres and boxes of normalised RGB images (N, 3, H, W).

        Returns:
            logits (N, 1, h, w) of being a centre, and (N, 4, h, w): x and y of the centre relative
            to the pixel's own, in pixels of the map, and the logarithms of width and height
            relative to `NATURAL_SIDE`.
        """
        return self.on_levels(self.trunk(images))

    def on_levels(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the same of the trunk's levels, which may be those of another pass."""
        features = self.pyramid(levels[1:])
        return self.center(features), self.box(features)


def decode(
    logits: Tensor, boxes: Tensor, min_score: float, most: int = 100
) -> list[tuple[Tensor, Tensor]]:
    """Read people off the maps: peaks of the centre map among their eight neighbours.

    Args:
        logits: (N, 1, h, w) and
        boxes: (N, 4, h, w), as `PersonDetector` gives them.
        min_score: people below this are left out.
        most: people per image, the best ones.

    Returns:
        per image (P, 4) corners x0, y0, x1, y1 in image pixels and (P,) scores, best first.
    """
    scores = logits.sigmoid()
    scores = scores * (scores == functional.max_pool2d(scores, 3, 1, padding=1))
    width = scores.shape[-1]
    found = []
    for image_scores, image_boxes in zip(scores.flatten(1), boxes.flatten(2), strict=True):
        best, places = image_scores.topk(min(most, len(image_scores)))
        places = places[best >= min_score]
        x, y, log_width, log_height = image_boxes[:, places].unbind()
        x, y = STRIDE * (places % width + 0.5 + x), STRIDE * (places // width + 0.5 + y)
        half_width = log_width.clamp(max=5).exp() * NATURAL_SIDE / 2
        half_height = log_height.clamp(max=5).exp() * NATURAL_SIDE / 2
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        found.append((torch.stack(corners, dim=-1), best[: len(places)]))
    return found
