"""Which modules a CPU computes in another way, and that it makes no difference."""

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from dcpose.deploy.cpu import speed_up_on_cpu
from dcpose.models.blocks import conv1x1


@pytest.mark.parametrize("num", [1, 15, 16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_pointwise_convolutions(num, memory_format):
    torch.manual_seed(0)
    network = nn.Sequential(conv1x1(5, 7), nn.Conv2d(7, 3, 1, stride=2)).requires_grad_(False)
    network.to(memory_format=memory_format)
    x = torch.randn(num, 5, 6, 9).to(memory_format=memory_format)
    expected = network(x)
    speed_up_on_cpu(network)
    torch.testing.assert_close(network(x), expected)


def test_pointwise_convolutions_are_products_of_matrices():
    """PyTorch's own way for few images is slower: none may reach it."""
    network = nn.Sequential(conv1x1(4, 4)).to(memory_format=torch.channels_last)
    speed_up_on_cpu(network)
    images = torch.randn(1, 4, 4, 3).to(memory_format=torch.channels_last)
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as seen:
        network(images)
    names = {event.key for event in seen.key_averages()}
    assert "aten::linear" in names
    assert not any("conv" in name for name in names)


def test_grouped_convolutions_stay():
    network = nn.Sequential(nn.Conv2d(4, 4, 1, groups=2))
    speed_up_on_cpu(network)
    assert type(network[0]) is nn.Conv2d
