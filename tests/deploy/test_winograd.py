"""Winograd's convolutions against direct ones."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dcpose.deploy import winograd
from dcpose.deploy.fast import fold_batch_norms
from dcpose.deploy.winograd import INPUTS, OUTPUTS, WinogradBlocks, transforms
from dcpose.models.blocks import BasicBlock


def chain(channels, num_blocks=2, seed=0):
    """Basic blocks without BatchNorm, with weights that keep the scale of the signal."""
    generator = torch.Generator().manual_seed(seed)
    blocks = nn.Sequential(*(BasicBlock(channels, channels) for _ in range(num_blocks))).eval()
    for name, parameter in blocks.named_parameters():
        scale = (9 * channels) ** -0.5 if "conv" in name else 1.0
        parameter.data.normal_(0, scale, generator=generator)
    fold_batch_norms(blocks)
    return blocks.requires_grad_(False)


def maps(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def off(out, blocks, x):
    """Largest difference from the convolutions in float64, over the largest value."""
    expected = blocks.double()(x.double())
    blocks.float()
    return float((out - expected).abs().max() / expected.abs().max())


def exact(matrix):
    # the kernel transform is in ninetieths and forty-fifths
    return [[Fraction(float(x)).limit_denominator(90) for x in row] for row in matrix]


def times(matrix, vector):
    return [sum((a * b for a, b in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


whole_numbers = st.integers(-9, 9).map(Fraction)


@given(
    st.lists(whole_numbers, min_size=INPUTS, max_size=INPUTS),
    st.lists(whole_numbers, min_size=3, max_size=3),
)
@settings(max_examples=50)
def test_transforms_are_exact(inputs, taps):
    """In fractions A^T (G g * B^T d) is the convolution, with no rounding."""
    into, kernel, out_of = (exact(matrix) for matrix in transforms())
    products = [a * b for a, b in zip(times(kernel, taps), times(into, inputs), strict=True)]
    direct = [sum(taps[k] * inputs[i + k] for k in range(3)) for i in range(OUTPUTS)]
    assert times(out_of, products) == direct


@given(
    num=st.integers(1, 5),
    channels=st.integers(1, 6),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    at_once=st.sampled_from([1, 40, 10_000]),
)
@settings(max_examples=30, deadline=None)
def test_any_shape(num, channels, height, width, at_once):
    blocks, x = chain(channels), maps(num, channels, height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_NUMBERS_AT_ONCE", at_once)
        out = WinogradBlocks(blocks)(x)
    assert off(out, blocks, x) < 2e-5  # seen: 4e-6


def test_memory_order_of_the_input_does_not_matter():
    blocks, x = chain(4), maps(2, 4, 9, 13)
    fast = WinogradBlocks(blocks)
    last = x.to(memory_format=torch.channels_last)
    assert torch.equal(fast(x), fast(last))
    assert fast(x).is_contiguous(memory_format=torch.channels_last)


def test_calls_do_not_see_each_other():
    """Memory is used again, larger maps first, in and out of inference mode."""
    blocks = chain(3)
    fast = WinogradBlocks(blocks)
    with torch.inference_mode():
        first = fast(maps(2, 3, 20, 20))
    kept, small = first.clone(), maps(1, 3, 5, 7)
    assert off(fast(small), blocks, small) < 2e-5
    assert torch.equal(first, kept)


@pytest.mark.same_bits
def test_images_do_not_see_each_other():
    fast, x = WinogradBlocks(chain(4)), maps(3, 4, 36, 36)
    for number in range(3):
        assert torch.equal(fast(x[number : number + 1])[0], fast(x)[number])


def test_bias_and_rounding_at_scale():
    """Many channels, as in HRNet-W48: a few millionths of the largest value."""
    blocks, x = chain(96, num_blocks=4), maps(1, 96, 24, 18)
    assert off(WinogradBlocks(blocks)(x), blocks, x) < 5e-6


def test_state_of_the_module_is_complete():
    fast, other = WinogradBlocks(chain(4)), WinogradBlocks(chain(4, seed=5))
    other.load_state_dict(fast.state_dict())
    x = maps(1, 4, 8, 8)
    assert torch.equal(other(x), fast(x))
