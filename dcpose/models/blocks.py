"""Convolution blocks shared by the networks.

Shape legend: N images, C channels, H x W pixels. Every block keeps H x W unless it has a stride.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

RSB_BRANCHES = 4
"""Branches of a residual steps block."""


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a padded 3x3 convolution without bias, as used before a BatchNorm."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return a 1x1 convolution without bias, as used before a BatchNorm."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


def dilated_conv3x3(
    in_channels: int, out_channels: int, dilation: int, bias: bool = False
) -> nn.Conv2d:
    """Return a padded 3x3 convolution whose taps are `dilation` pixels apart."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=bias)


def upsampling(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Layers that double height and width."""
    return [
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (ResNet), (N, Cin, H, W) to (N, Cout, H, W).

    Args:
        in_channels: Cin; the shortcut is projected where it differs from Cout.
        out_channels: Cout.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(in_channels, out_channels), nn.BatchNorm2d(out_channels)
        self.conv2, self.bn2 = conv3x3(out_channels, out_channels), nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, Cout, H, W) >= 0."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + self.downsample(x))


def basic_chain(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    """Return basic blocks one after the other, (N, Cin, H, W) to (N, Cout, H, W)."""
    first = BasicBlock(in_channels, out_channels)
    others = (BasicBlock(out_channels, out_channels) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut (ResNet), (N, Cin, H, W) to (N, 4P, H, W).

    Args:
        in_channels: Cin; the shortcut is projected where it differs from 4P.
        planes: P, channels of the 3x3 convolution.
    """

    expansion = 4

    def __init__(self, in_channels: int, planes: int) -> None:
        super().__init__()
        out_channels = planes * self.expansion
        self.conv1, self.bn1 = conv1x1(in_channels, planes), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv1x1(planes, out_channels), nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 4P, H, W) >= 0."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + self.downsample(x))


def _shortcut(in_channels: int, out_channels: int) -> nn.Module:
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(conv1x1(in_channels, out_channels), nn.BatchNorm2d(out_channels))


class ConvBN(nn.Module):
    """Convolution with bias and BatchNorm, then ReLU unless `relu` is False.

    The bias is redundant before a BatchNorm, but the released weights carry it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, Cin, H, W) to (N, Cout, H, W)."""
        return self.relu(self.bn(self.conv(x)))


class ResidualStepsBlock(nn.Module):
    """Residual steps block (RSN), the 3x3 residual block of the DCPose paper (Eq. 3, 5-7).

    A 1x1 convolution makes four branches of b = floor(26 Cin / 64) channels. Branch r passes r
    3x3 units; unit (r, k) adds what unit (r - 1, k) made, so that later branches see ever larger
    fields. The last unit of every branch feeds a 1x1 convolution and the shortcut is added.

    With `groups` G > 1 the block is G blocks side by side that do not see each other: the
    channels of each, Cin / G in and Cout / G out, stand together. b is rounded up to a multiple
    of G.

    Args:
        in_channels: Cin, at least 3 so that b >= 1.
        out_channels: Cout.
        project: send the shortcut through a 1x1 convolution; required where Cin != Cout.
        groups: G; the release has 1.

    Raises:
        ValueError: if Cin < 3, Cin != Cout without `project`, or G does not divide both.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, project: bool, groups: int = 1
    ) -> None:
        super().__init__()
        width = -(-(26 * in_channels // 64) // groups) * groups
        if width < 1:
            raise ValueError(f"a residual steps block needs at least 3 channels, got {in_channels}")
        if in_channels != out_channels and not project:
            raise ValueError(f"cannot add {in_channels} to {out_channels} channels: set project")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{groups} groups do not divide {in_channels} and {out_channels} channels"
            )
        self.groups = groups
        self.split = ConvBN(in_channels, RSB_BRANCHES * width, 1, groups=groups)
        self.steps = nn.ModuleList(
            nn.ModuleList(ConvBN(width, width, 3, groups=groups) for _ in range(row + 1))
            for row in range(RSB_BRANCHES)
        )
        self.merge = ConvBN(RSB_BRANCHES * width, out_channels, 1, groups=groups, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if project:
            self.shortcut = ConvBN(in_channels, out_channels, 1, groups=groups, relu=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, Cin, H, W) to (N, Cout, H, W) >= 0."""
        branches = self.split(x).unflatten(1, (self.groups, RSB_BRANCHES, -1)).unbind(dim=2)
        ends = self.pass_steps(branch.flatten(1, 2) for branch in branches)
        together = [end.unflatten(1, (self.groups, -1)) for end in ends]
        merged = self.merge(torch.cat(together, dim=2).flatten(1, 2))
        return self.relu(merged + self.shortcut(x))

    def pass_steps(self, branches: Iterable[Tensor]) -> list[Tensor]:
        """Return what the last unit of every branch makes, of what its first one reads."""
        ends: list[Tensor] = []
        row_above: list[Tensor] = []
        steps = cast(Iterable[nn.ModuleList], self.steps)
        for state, units in zip(branches, steps, strict=True):
            row: list[Tensor] = []
            for k, unit in enumerate(units):
                state = unit(state + row_above[k] if k < len(row_above) else state)
                row.append(state)
            ends.append(state)
            row_above = row
        return ends


def residual_chain(
    in_channels: int, out_channels: int, num_blocks: int, groups: int = 1
) -> nn.Sequential:
    """Chain residual steps blocks, (N, Cin, H, W) to (N, Cout, H, W) >= 0.

    The first block always projects its shortcut, even where Cin == Cout, as the release does.

    Raises:
        ValueError: if `num_blocks` < 1.
    """
    if num_blocks < 1:
        raise ValueError(f"a residual chain needs at least 1 block, got {num_blocks}")
    first = ResidualStepsBlock(in_channels, out_channels, project=True, groups=groups)
    rest = [
        ResidualStepsBlock(out_channels, out_channels, project=False, groups=groups)
        for _ in range(num_blocks - 1)
    ]
    return nn.Sequential(first, *rest)
