"""The forms of the deformable convolution against each other, and against ordinary convolution."""

import importlib.util

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

from dcpose.models.deform_conv import (
    ModulatedDeformConv,
    deform_conv_gather,
    deform_conv_mmcv,
    deform_conv_torchvision,
    fastest_implementation,
)


def _case(kind, dilation, dtype=torch.float64):
    """Inputs of one convolution: 6 channels in 3 groups, 4 out, 9 x 7 pixels."""
    generator = torch.Generator().manual_seed(dilation)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    offset = 4 * normal(2, 3 * 18, 9, 7)
    if kind == "zero":
        offset = torch.zeros_like(offset)
    elif kind == "integer":  # every sample on a pixel, many exactly on the border
        offset = offset.round()
    elif kind == "far":  # most samples outside
        offset = 10 * offset
    tensors = normal(2, 6, 9, 7), offset, normal(2, 3 * 9, 9, 7), normal(4, 6, 3, 3), normal(4)
    return [tensor.requires_grad_() for tensor in tensors]


KINDS = ["random", "zero", "integer", "far"]


@pytest.mark.parametrize("dilation", [1, 3, 6])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["torchvision", "mmcv"])
def test_gather_equals_other_forms_in_value_and_gradient(other, kind, dilation):
    if other == "mmcv" and importlib.util.find_spec("mmcv") is None:
        pytest.skip("mmcv is not installed")
    convolve = {"torchvision": deform_conv_torchvision, "mmcv": deform_conv_mmcv}[other]
    inputs = _case(kind, dilation)
    expected, actual = convolve(*inputs, dilation), deform_conv_gather(*inputs, dilation)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(expected)
    found, wanted = (list(torch.autograd.grad(out, inputs, upstream)) for out in (actual, expected))
    if other == "mmcv":  # of the two derivatives there it takes that from outside
        edge = _one_pixel_before(inputs[1], dilation)
        assert not wanted[1][edge].any()
        found[1] = found[1].masked_fill(edge, 0)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def _one_pixel_before(offset, dilation):
    """Return which offsets move a sample exactly one pixel before the first row or column."""
    reach = dilation * (torch.arange(3) - 1)
    taps = torch.stack(torch.meshgrid(reach, reach, indexing="ij"), dim=-1).view(9, 2, 1, 1)
    pixels = torch.stack(torch.meshgrid(torch.arange(9), torch.arange(7), indexing="ij"))
    positions = offset.view(2, 3, 9, 2, 9, 7) + taps + pixels
    return (positions == -1).any(dim=3, keepdim=True).expand_as(positions).reshape(offset.shape)


def test_gather_gradient_is_the_numerical_one():
    generator = torch.Generator().manual_seed(0)
    # Offsets stay 0.1 away from whole pixels, where bilinear sampling has a corner.
    offset = torch.rand(1, 18, 3, 2, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    inputs = [
        torch.randn(1, 1, 3, 2, generator=generator, dtype=torch.float64),
        offset,
        torch.randn(1, 9, 3, 2, generator=generator, dtype=torch.float64),
        torch.randn(2, 1, 3, 3, generator=generator, dtype=torch.float64),
        torch.randn(2, generator=generator, dtype=torch.float64),
    ]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *args: deform_conv_gather(*args, 1), inputs)


@pytest.mark.parametrize("form", ["torchvision", "gather", "mmcv"])
def test_the_layout_in_memory_does_not_matter(form):
    if form == "mmcv":
        pytest.importorskip("mmcv")
    inputs = [tensor.detach() for tensor in _case("random", 3)]
    maps = (tensor.contiguous(memory_format=torch.channels_last) for tensor in inputs[:4])
    conv = ModulatedDeformConv(6, 4, 3, offset_groups=3, implementation=form).double()
    conv.load_state_dict({"weight": inputs[3], "bias": inputs[4]})
    expected = conv(*inputs[:3])
    x, offset, mask, weight = maps
    conv.weight.data = weight
    torch.testing.assert_close(conv(x, offset, mask), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("implementation", ["torchvision", "gather"])
def test_no_offset_and_full_mask_is_an_ordinary_convolution(implementation):
    conv = ModulatedDeformConv(6, 4, 2, offset_groups=3, implementation=implementation)
    torch.nn.init.normal_(conv.weight)
    x = torch.randn(2, 6, 9, 7)
    out = conv(x, torch.zeros(2, 54, 9, 7), torch.ones(2, 27, 9, 7))
    expected = F.conv2d(x, conv.weight, conv.bias, padding=2, dilation=2)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_offset_is_dy_dx_in_pixels():
    # One lit pixel at (row 3, column 2); the identity kernel reads its centre tap, the fifth.
    conv = ModulatedDeformConv(1, 1, 1, offset_groups=1)
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 3, 2] = 1
    offset = torch.zeros(1, 9, 2, 6, 6)
    offset[:, 4, 0], offset[:, 4, 1] = 2, -1
    out = conv(x, offset.flatten(1, 2), torch.ones(1, 9, 6, 6))
    assert out[0, 0].nonzero().tolist() == [[1, 3]]


@pytest.mark.parametrize("implementation", ["torchvision", "gather"])
def test_autocast_computes_in_float32(implementation):
    conv = ModulatedDeformConv(6, 4, 3, offset_groups=3, implementation=implementation)
    x, offset, mask, *_ = (t.detach() for t in _case("random", 3, torch.bfloat16))
    expected = conv(x.float(), offset.float(), mask.float())
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x, offset, mask)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected, rtol=0, atol=0)


def test_half_precision_module_gives_its_own_dtype():
    conv = ModulatedDeformConv(6, 4, 3, offset_groups=3).to(torch.bfloat16)
    x, offset, mask, *_ = _case("random", 3, torch.bfloat16)
    out = conv(x, offset, mask)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert offset.grad.isfinite().all()


def test_nan_offset_shows_in_the_output():
    inputs = [tensor.detach() for tensor in _case("random", 1)]
    inputs[1][0, 0, 4, 4] = float("nan")
    assert deform_conv_gather(*inputs, 1)[0, :, 4, 4].isnan().all()


def test_auto_gathers_on_cpu():
    assert fastest_implementation(torch.device("cpu")) == "gather"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_forms_agree_on_cuda(kind):
    inputs = [tensor.detach().cuda().requires_grad_() for tensor in _case(kind, 3)]
    expected, actual = deform_conv_torchvision(*inputs, 3), deform_conv_gather(*inputs, 3)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        torch.autograd.grad(actual.sum(), inputs),
        torch.autograd.grad(expected.sum(), inputs),
        rtol=1e-10,
        atol=1e-10,
    )


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="unknown deformable convolution 'cuda'"):
        ModulatedDeformConv(6, 4, 1, offset_groups=3, implementation="cuda")
    with pytest.raises(ValueError, match="4 offset groups do not divide 6 channels"):
        ModulatedDeformConv(6, 4, 1, offset_groups=4)


@pytest.mark.parametrize("implementation", ["torchvision", "gather"])
def test_without_masks_and_bias_it_is_the_plain_deformable_convolution(implementation):
    # torchvision's operator without a mask is DCNv1
    x, offset, _, weight, _ = _case("random", 3, torch.float32)
    conv = ModulatedDeformConv(6, 4, 3, offset_groups=3, implementation=implementation, bias=False)
    conv.load_state_dict({"weight": weight.detach()})
    expected = deform_conv2d(x, offset, weight, padding=3, dilation=3)
    torch.testing.assert_close(conv(x, offset), expected, rtol=1e-4, atol=1e-4)
