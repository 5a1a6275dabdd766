"""EfficientNet-Lite0 with a light feature pyramid: the backbone of the packaged networks.

EfficientNet (Tan and Le, ICML 2019, arXiv 1905.11946) in Google's form for small devices: ReLU6,
no squeeze-and-excite, stem and last stage not scaled. Module names are those of the published
ImageNet file without its underscores, so that the file fits key by key. Shape legend: N images, J
joints, H x W pixels, both multiples of 32, C channels of the pyramid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcpose.models.backbones.pyramid import FeaturePyramid
from dcpose.models.interface import Backbone
from dcpose.structures import IMAGE_MEAN, IMAGE_STD

STRIDES = (4, 8, 16, 32)
"""Levels that the pyramid joins."""
STAGES = (
    # repeats, kernel, stride, expansion, channels in, channels out
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
LEVEL_STAGES = (1, 2, 4, 6)
"""Last stage at each of `STRIDES`."""


class EfficientNetLiteTrunk(nn.Module):
    """Images to the features of ImageNet's classifier at `STRIDES`."""

    channels = tuple(STAGES[stage][-1] for stage in LEVEL_STAGES)
    """Channels of each level."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = _padding(3, 2)
        self.conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn0 = _batch_norm(32)
        self.blocks = nn.Sequential(
            *(
                _Block(inputs if first else outputs, outputs, kernel, stride if first else 1, grow)
                for repeats, kernel, stride, grow, inputs, outputs in STAGES
                for first in (True, *(False,) * (repeats - 1))
            )
        )
        mean, std = (torch.tensor(value).view(3, 1, 1) for value in (IMAGE_MEAN, IMAGE_STD))
        # the ImageNet file knows (255 rgb - 127) / 128
        self.input_scale: Tensor
        self.input_offset: Tensor
        self.register_buffer("input_scale", 255 * std / 128, persistent=False)
        self.register_buffer("input_offset", (255 * mean - 127) / 128, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the levels of normalised RGB images (N, 3, H, W), (N, channels, h, w) each."""
        # CPUs train depthwise convolutions 1.5 times as fast with the channels of a pixel together
        x = images.contiguous(memory_format=torch.channels_last)
        x = x * self.input_scale + self.input_offset
        x = functional.relu6(self.bn0(self.conv_stem(self.pad(x))), inplace=True)
        levels, done = [], 0
        for stage, (repeats, *_) in enumerate(STAGES):
            for block in self.blocks[done : done + repeats]:
                x = block(x)
            done += repeats
            if stage in LEVEL_STAGES:
                levels.append(x)
        return levels


class EfficientNetLite(Backbone):
    """Images to joint heatmaps at a quarter of the resolution.

    Args:
        num_joints: J, heatmaps to make.
        channels: C.
        frozen_blocks: blocks of the trunk, from the first on, that are not trained, with the stem;
            0 trains everything.
        keep_statistics: BatchNorm of the trunk stays as in eval mode, whatever the mode of the
            network.
    """

    stride = feature_stride = STRIDES[0]
    side_multiple = STRIDES[-1]

    def __init__(
        self,
        num_joints: int = 17,
        channels: int = 96,
        frozen_blocks: int = 0,
        keep_statistics: bool = False,
    ) -> None:
        super().__init__()
        self.feature_channels = channels
        self.trunk = EfficientNetLiteTrunk()
        self.pyramid = FeaturePyramid(self.trunk.channels, STRIDES, channels, self.stride)
        self.final_layer = nn.Conv2d(channels, num_joints, 1)
        self.keep_statistics = keep_statistics
        self._frozen: list[nn.Module] = []
        if frozen_blocks:
            stem = self.trunk.conv_stem, self.trunk.bn0
            self._frozen = [*stem, *self.trunk.blocks[:frozen_blocks]]
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientNetLite":
        """Set the mode; what is frozen, or keeps its statistics, stays in eval mode."""
        super().train(mode)
        for part in [self.trunk] if self.keep_statistics else self._frozen:
            part.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, C, H / 4, W / 4) of normalised RGB images; see `Backbone`."""
        self.check_sides(images)
        return self.pyramid(self.trunk(images))


class _Block(nn.Module):
    """Inverted residual: expand, convolve each channel by itself, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, grow: int) -> None:
        super().__init__()
        inner = inputs * grow
        self.adds = stride == 1 and inputs == outputs
        self.expands = grow > 1
        if self.expands:
            self.expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self.bn0 = _batch_norm(inner)
        self.pad = _padding(kernel, stride) if stride > 1 else nn.Identity()
        padding = 0 if stride > 1 else kernel // 2
        self.depthwise_conv = nn.Conv2d(
            inner, inner, kernel, stride, padding, groups=inner, bias=False
        )
        self.bn1 = _batch_norm(inner)
        self.project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn2 = _batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        start = x
        if self.expands:
            x = functional.relu6(self.bn0(self.expand_conv(x)), inplace=True)
        x = functional.relu6(self.bn1(self.depthwise_conv(self.pad(x))), inplace=True)
        x = self.bn2(self.project_conv(x))
        return start + x if self.adds else x


def _padding(kernel: int, stride: int) -> nn.ZeroPad2d:
    """Pad even sides as TensorFlow does: at strides more after than before."""
    before = (kernel - stride) // 2
    return nn.ZeroPad2d((before, kernel - stride - before) * 2)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
