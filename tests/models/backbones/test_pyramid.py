"""The feature pyramid."""

import pytest
import torch

from dcpose.models.backbones.pyramid import FeaturePyramid


def maps(channels, strides, side=64):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, count, side // stride, side // stride, generator=generator)
        for count, stride in zip(channels, strides, strict=True)
    ]


@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (8, 16), (16, 16, 16), (4,), (2, 4)])
def test_shape(strides):
    channels = range(3, 3 + len(strides))
    stride = min(4, *strides) if len(strides) > 1 else 4
    pyramid = FeaturePyramid(channels, strides, channels=6, stride=stride)
    assert pyramid(maps(channels, strides)).shape == (2, 6, 64 // stride, 64 // stride)


def test_every_level_counts_and_learns():
    pyramid = FeaturePyramid((3, 4, 5), (4, 8, 32), channels=6)
    levels = [level.requires_grad_() for level in maps((3, 4, 5), (4, 8, 32))]
    pyramid(levels).square().sum().backward()
    assert all(level.grad.abs().max() > 0 for level in levels)
    assert all(parameter.grad is not None for parameter in pyramid.parameters())


@pytest.mark.parametrize("strides", [(8, 4), (4, 6), (), (2, 4)])
def test_strides_rise_as_multiples(strides):
    with pytest.raises(ValueError, match="strides of a pyramid must rise from 4 on"):
        FeaturePyramid((3,) * len(strides), strides)
