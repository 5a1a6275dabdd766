"""A light feature pyramid: maps of several strides to one (Lin et al., CVPR 2017).

Shape legend: N images, H x W their pixels, C channels of the pyramid.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class FeaturePyramid(nn.Module):
    """Join maps from the coarsest to the finest, and bring the sum to one stride.

    Args:
        level_channels: channels of each map.
        level_strides: image pixels per pixel of each map, from the finest to the coarsest; equal
            ones may follow each other.
        channels: C.
        stride: of the result; each stride is a multiple of it.

    Raises:
        ValueError: if the strides do not rise, or are no multiples of each other and of `stride`.
    """

    def __init__(
        self,
        level_channels: Sequence[int],
        level_strides: Sequence[int],
        channels: int = 96,
        stride: int = 4,
    ) -> None:
        super().__init__()
        steps = list(zip((stride, *level_strides), level_strides, strict=False))
        if not steps or any(coarse % fine for fine, coarse in steps):
            raise ValueError(
                f"strides of a pyramid must rise from {stride} on, each a multiple of the one "
                f"before, got {list(level_strides)}"
            )
        self.factors = [coarse // fine for fine, coarse in steps]
        self.laterals = nn.ModuleList(nn.Conv2d(inputs, channels, 1) for inputs in level_channels)
        self.smooth = nn.ModuleList(separable(channels) for _ in level_channels)
        self.last = separable(channels)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Return (N, C, H / stride, W / stride) of one map per level, finest first."""
        finest = top_down(levels, self.laterals, self.smooth, self.factors)[0]
        return self.last(_enlarge(finest, self.factors[0]))


def top_down(
    levels: Sequence[Tensor], laterals: nn.ModuleList, smooth: nn.ModuleList, factors: Sequence[int]
) -> list[Tensor]:
    """Return a map of C channels per level, each of which knows all coarser ones; finest first.

    Args:
        levels: maps, finest first.
        laterals: to C channels, one per level.
        smooth: what follows the sum, one per level.
        factors: how much larger a level's pixels are than those of the level before it; the first
            is not used.
    """
    maps = [smooth[-1](laterals[-1](levels[-1]))]
    for level in reversed(range(len(levels) - 1)):
        coarse = _enlarge(maps[0], factors[level + 1])
        maps.insert(0, smooth[level](laterals[level](levels[level]) + coarse))
    return maps


def _enlarge(maps: Tensor, factor: int) -> Tensor:
    return functional.interpolate(maps, scale_factor=float(factor)) if factor > 1 else maps


def separable(channels: int, kernel: int = 3) -> nn.Sequential:
    """A depthwise convolution of an odd kernel and a 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
