"""Residual blocks."""

import pytest
import torch
from torch import nn

from dcpose.models.blocks import BasicBlock, Bottleneck, ConvBN, ResidualStepsBlock, residual_chain


def _randomise(module):
    generator = torch.Generator().manual_seed(0)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=generator) * 0.4 + 0.1
    return module.eval()


def _written_out(block, x):
    """The ten units of a residual steps block, one line each, from the reference's list."""
    u = {(r + 1, k + 1): unit for r, row in enumerate(block.steps) for k, unit in enumerate(row)}
    s1, s2, s3, s4 = block.split(x).chunk(4, dim=1)
    a11 = u[1, 1](s1)
    a21 = u[2, 1](s2 + a11)
    a22 = u[2, 2](a21)
    a31 = u[3, 1](s3 + a21)
    a32 = u[3, 2](a31 + a22)
    a33 = u[3, 3](a32)
    a41 = u[4, 1](s4 + a31)
    a42 = u[4, 2](a41 + a32)
    a43 = u[4, 3](a42 + a33)
    a44 = u[4, 4](a43)
    out = block.merge(torch.cat([a11, a22, a33, a44], dim=1))
    return torch.relu(out + block.shortcut(x))


@pytest.mark.parametrize(("in_channels", "out_channels", "project"), [(9, 5, True), (7, 7, False)])
def test_residual_steps_block_equals_its_equations(in_channels, out_channels, project):
    block = _randomise(ResidualStepsBlock(in_channels, out_channels, project=project))
    # Both signs at the entrance, so that the ReLUs and the shortcut matter.
    x = torch.randn(2, in_channels, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(block(x), _written_out(block, x))


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "num_blocks", "inner", "parameters"),
    # Widths floor(26 Cin / 64) and parameters of the released PRF, PTM and fusion trunk.
    [(68, 34, 2, [27, 13], 99_670), (51, 17, 1, [20], 43_249), (51, 64, 2, [20, 26], 125_124)],
)
def test_released_chains(in_channels, out_channels, num_blocks, inner, parameters):
    chain = residual_chain(in_channels, out_channels, num_blocks)
    assert [block.steps[0][0].conv.in_channels for block in chain] == inner
    assert sum(p.numel() for p in chain.parameters()) == parameters
    out = chain(torch.randn(1, in_channels, 6, 4))
    assert out.shape == (1, out_channels, 6, 4)
    assert out.min() >= 0


def test_first_block_projects_even_between_equal_widths():
    names = dict(residual_chain(8, 8, 2).named_parameters())
    assert "0.shortcut.conv.weight" in names
    assert "1.shortcut.conv.weight" not in names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: residual_chain(8, 8, 0), "at least 1 block, got 0"),
        (lambda: residual_chain(2, 8, 1), "at least 3 channels, got 2"),
        (lambda: ResidualStepsBlock(8, 9, project=False), "cannot add 8 to 9"),
    ],
)
def test_impossible_blocks_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_shortcut_of_basic_block_is_the_input():
    block = BasicBlock(4, 4).eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(block(x), x.relu())


def test_bottleneck_expands_four_times_and_projects_only_where_needed():
    assert Bottleneck(16, 8)(torch.randn(2, 16, 4, 4)).shape == (2, 32, 4, 4)
    assert not list(Bottleneck(32, 8).downsample.parameters())


def test_groups_are_blocks_side_by_side():
    # 3 groups of 17 in and 17 out channels: b = ceil(floor(26 * 51 / 64) / 3) * 3 = 21. Each group
    # equals a dense block with its share of the weights.
    block = ResidualStepsBlock(51, 51, project=True, groups=3).eval()
    assert block.split.conv.out_channels == 4 * 21
    x = torch.randn(2, 51, 4, 3)
    out = block(x).unflatten(1, (3, 17))
    for group in range(3):
        alone = ResidualStepsBlock(17, 17, project=True)
        alone.split = ConvBN(17, 4 * 7, 1)
        alone.steps = nn.ModuleList(
            nn.ModuleList(ConvBN(7, 7, 3) for _ in row) for row in block.steps
        )
        alone.merge = ConvBN(4 * 7, 17, 1, relu=False)
        parts = {
            name: tensor.chunk(3)[group] if tensor.dim() else tensor
            for name, tensor in block.state_dict().items()
        }
        alone.load_state_dict(parts)
        expected = alone.eval()(x.unflatten(1, (3, 17))[:, group])
        torch.testing.assert_close(out[:, group], expected)


def test_groups_have_to_divide_the_channels():
    with pytest.raises(ValueError, match="3 groups do not divide 16 and 18"):
        ResidualStepsBlock(16, 18, project=True, groups=3)


def test_shortcut_of_basic_block_is_projected_where_channels_differ():
    block = BasicBlock(3, 5).eval()
    assert block(torch.zeros(1, 3, 4, 4)).shape == (1, 5, 4, 4)
    assert block.downsample[0].weight.shape == (5, 3, 1, 1)
