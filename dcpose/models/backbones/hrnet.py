"""HRNet, the single-frame pose network that makes the initial heatmaps (Sun et al., CVPR 2019).

Branches keep several resolutions alive side by side and exchange what they know after every
module. Module names are those of the official pose checkpoints, so that their weights fit as
they are. Shape legend: N images, J joints, H x W pixels, both multiples of 32.
"""

import functools
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from dcpose.models.blocks import BasicBlock, Bottleneck, conv1x1, conv3x3
from dcpose.models.interface import Backbone


class HRModule(nn.Module):
    """Residual blocks on every branch, then each output branch sums all branches.

    Branch i has `channels[i]` channels at 1 / 2^i of the first branch's resolution.

    Args:
        channels: channels of the input branches.
        blocks: residual blocks per branch.
        num_outputs: how many branches are returned, from the highest resolution on.
    """

    def __init__(self, channels: list[int], blocks: int, num_outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(blocks))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(channels, source, target) for source in range(len(channels)))
            for target in range(num_outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Map one (N, C_i, H / 2^i, W / 2^i) tensor per branch to one per output."""
        branches = [block(x) for block, x in zip(self.branches, branches, strict=True)]
        outputs = []
        for layers in cast(Iterable[nn.ModuleList], self.fuse_layers):
            parts = [layer(x) for layer, x in zip(layers, branches, strict=True)]
            outputs.append(self.relu(functools.reduce(torch.add, parts)))
        return outputs


def _exchange(channels: list[int], source: int, target: int) -> nn.Module:
    """What carries branch `source` to the resolution and channels of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            conv1x1(channels[source], channels[target]),
            nn.BatchNorm2d(channels[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    halvings = target - source
    layers = []
    for k in range(halvings):
        last = k == halvings - 1
        width = channels[target] if last else channels[source]
        convolution = [conv3x3(channels[source], width, stride=2), nn.BatchNorm2d(width)]
        layers.append(nn.Sequential(*convolution, *([] if last else [nn.ReLU(inplace=True)])))
    return nn.Sequential(*layers)


class Transition(nn.ModuleList):
    """Turn the branches of one stage into the branches of the next, which has one more."""

    def __init__(self, in_channels: list[int], out_channels: list[int]) -> None:
        layers: list[nn.Module] = []
        for branch, (before, after) in enumerate(zip(in_channels, out_channels, strict=False)):
            if before == after:
                layers.append(nn.Identity())
            else:
                layers.append(_conv_bn_relu(in_channels[branch], after, stride=1))
        # The extra pair of brackets is in the official names: transition2.2.0.0.weight.
        layers.append(nn.Sequential(_conv_bn_relu(in_channels[-1], out_channels[-1], stride=2)))
        super().__init__(layers)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Return one tensor more than given; the new one comes from the deepest branch."""
        return [layer(x) for layer, x in zip(self, [*branches, branches[-1]], strict=True)]


def _conv_bn_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        conv3x3(in_channels, out_channels, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class HRNet(Backbone):
    """Images to joint heatmaps at a quarter of the resolution.

    The defaults are HRNet-W48 as published; fewer modules and blocks give small networks with
    the same names, for machines without a GPU.

    Args:
        width: channels of the finest branch; branch i has width * 2^i.
        num_joints: J, heatmaps to make.
        modules: exchange modules in the stages with 2, 3 and 4 branches.
        blocks: residual blocks per branch, and bottlenecks before the first branching.
        stem_channels: channels of the two strided convolutions at the entrance; the bottlenecks
            put out four times as many.
    """

    stride = 4
    feature_stride = 4
    side_multiple = 32  # the stride of the deepest branch

    def __init__(
        self,
        width: int = 48,
        num_joints: int = 17,
        modules: tuple[int, int, int] = (1, 4, 3),
        blocks: int = 4,
        stem_channels: int = 64,
    ) -> None:
        super().__init__()
        self.feature_channels = width
        self.conv1 = conv3x3(3, stem_channels, stride=2)
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.conv2 = conv3x3(stem_channels, stem_channels, stride=2)
        self.bn2 = nn.BatchNorm2d(stem_channels)
        self.relu = nn.ReLU(inplace=True)

        stem_out = stem_channels * Bottleneck.expansion
        bottlenecks = [Bottleneck(stem_out, stem_channels) for _ in range(blocks - 1)]
        self.layer1 = nn.Sequential(Bottleneck(stem_channels, stem_channels), *bottlenecks)

        widths = [width * 2**branch for branch in range(4)]
        # Twice the same source: the first transition has a projected branch and a new branch.
        self.transition1 = Transition([stem_out], widths[:2])
        self.stage2 = _stage(widths[:2], modules[0], blocks)
        self.transition2 = Transition(widths[:2], widths[:3])
        self.stage3 = _stage(widths[:3], modules[1], blocks)
        self.transition3 = Transition(widths[:3], widths)
        self.stage4 = _stage(widths, modules[2], blocks, num_outputs=1)
        self.final_layer = nn.Conv2d(width, num_joints, 1)

    def features(self, images: Tensor) -> Tensor:
        """Return what the finest branch ends with, (N, width, H / 4, W / 4); see `Backbone`."""
        self.check_sides(images)
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        branches = self.transition1([self.layer1(x)])
        branches = self.transition2(self.stage2(branches))
        branches = self.transition3(self.stage3(branches))
        return self.stage4(branches)[0]


def _stage(
    channels: list[int], num_modules: int, blocks: int, num_outputs: int | None = None
) -> nn.Sequential:
    """Chain exchange modules; `num_outputs` limits the branches that the last one returns."""
    outputs = [len(channels)] * (num_modules - 1) + [num_outputs or len(channels)]
    return nn.Sequential(*(HRModule(channels, blocks, number) for number in outputs))
