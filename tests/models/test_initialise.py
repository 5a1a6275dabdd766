"""Initialisation of new networks."""

import pytest
import torch
from torch import nn

from dcpose.models.deform_conv import ModulatedDeformConv
from dcpose.models.initialise import init_weights


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_kinds_of_layers(kind):
    conv, norm = kind(64, 64, 3), nn.BatchNorm2d(4)
    nn.init.constant_(norm.weight, 7)
    nn.init.constant_(norm.bias, 7)
    deform = ModulatedDeformConv(4, 4, 3, offset_groups=4)
    nn.init.constant_(deform.weight, 7)
    init_weights(nn.Sequential(conv, norm, deform), torch.Generator().manual_seed(0))

    # 36,864 draws: the mean lies within 5e-6 x 4, the spread within 0.4 % x 4 of N(0, 0.001).
    assert abs(conv.weight.mean()) < 2e-5
    assert abs(conv.weight.std() / 0.001 - 1) < 0.015
    assert not conv.bias.any()
    assert (norm.weight == 1).all()
    assert not norm.bias.any()
    identity = torch.zeros(4, 4, 3, 3)
    identity[range(4), range(4), 1, 1] = 1
    assert torch.equal(deform.weight, identity)


def test_generator_decides():
    first, second, third = (nn.Conv2d(3, 3, 3) for _ in range(3))
    init_weights(first, torch.Generator().manual_seed(1))
    init_weights(second, torch.Generator().manual_seed(1))
    init_weights(third, torch.Generator().manual_seed(2))
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, third.weight)
