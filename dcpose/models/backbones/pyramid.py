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
        total: Tensor | None = None
        for level in reversed(range(len(self.laterals))):
            lateral = self.laterals[level](levels[level])
            total = self.smooth[level](lateral if total is None else lateral + total)
            if self.factors[level] > 1:
                total = functional.interpolate(total, scale_factor=float(self.factors[level]))
        return self.last(total)


def separable(channels: int, kernel: int = 3) -> nn.Sequential:
    """A depthwise convolution of an odd kernel and a 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
