"""Blocks that are filled up with zeros compute the same, with channels that runtimes like."""

import pytest
import torch
from torch import nn

from dcpose.deploy.channel_blocks import BLOCK, INPUTS, fill_channel_blocks
from dcpose.deploy.fuse import fold_batch_norms
from dcpose.models.blocks import ResidualStepsBlock, residual_chain


def folded(network):
    """Give a network lively numbers, and fold its BatchNorms."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    return network


@pytest.mark.parametrize(
    ("channels", "blocks"), [((51, 17), 1), ((68, 34), 2), ((51, 64), 2), ((16, 16), 1)]
)
def test_a_chain_computes_the_same(channels, blocks):
    """26 / 64 of 51, 68, 34, 64 and 16 channels are branches of 20, 27, 13, 26 and 6."""
    chain = folded(residual_chain(*channels, blocks))
    x = torch.randn(2, channels[0], 6, 5, generator=torch.Generator().manual_seed(1))
    expected = chain(x)
    assert expected.max() > 0
    fill_channel_blocks(chain)
    torch.testing.assert_close(chain(x), expected, rtol=1e-5, atol=1e-5)
    convs = [module for module in chain.modules() if isinstance(module, nn.Conv2d)]
    assert len(convs) == sum(4 + 10 + 1 + (number == 0) for number in range(blocks))
    assert all(conv.in_channels % INPUTS == 0 for conv in convs)
    steps = [conv for conv in convs if conv.kernel_size == (3, 3)]
    assert all(conv.in_channels % BLOCK == conv.out_channels % BLOCK == 0 for conv in steps)


def test_blocks_of_several_groups_stay():
    block = ResidualStepsBlock(12, 12, project=True, groups=3)
    network = nn.Sequential(folded(block))
    fill_channel_blocks(network)
    assert network[0] is block
