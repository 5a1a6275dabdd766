"""Which modules a CPU computes in another way, and that it makes no difference."""

import pytest
import torch
from torch import nn

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


@torch.inference_mode()
def test_images_of_a_pointwise_convolution_become_rows():
    """PyTorch's own way for few images is slower: none of fewer than 16 may reach it."""
    network = nn.Sequential(conv1x1(4, 4)).to(memory_format=torch.channels_last)
    speed_up_on_cpu(network)
    seen = []
    network[0].conv.register_forward_hook(lambda conv, args, out: seen.append(args[0].shape))
    network(torch.randn(2, 4, 24, 18).to(memory_format=torch.channels_last))
    assert seen == [(48, 4, 1, 18)]
