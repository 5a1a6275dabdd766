"""Modulated deformable convolution (DCNv2, Zhu et al., CVPR 2019) in three interchangeable forms.

Shape legend: B samples, C input and O output channels, G offset groups (channel c belongs to
group c // (C / G)), K x K taps in row-major order, H x W pixels, the same in and out.

    input   (B, C, H, W)
    offset  (B, G * K * K * 2, H, W)   per group and tap (dy, dx), in pixels
    mask    (B, G * K * K, H, W)       factor of each sample, any real number
    weight  (O, C, K, K)               mixes all channels

A sample is bilinear over the input with zeros around it.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Implementation = Literal["auto", "torchvision", "gather", "mmcv"]


def deform_conv_torchvision(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with torchvision's operator; see the legend of this file."""
    from torchvision.ops import deform_conv2d  # slow to import: it pulls torch's compiler

    padding = dilation * (weight.shape[-1] // 2)
    return deform_conv2d(x, offset, weight, bias, padding=padding, dilation=dilation, mask=mask)


def deform_conv_mmcv(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with mmcv's operator; see the legend of this file.

    Where a sample lies exactly one pixel before the first row or column its derivative by the
    offset is 0, that from outside; the other forms give the one from inside.

    Raises:
        ImportError: where mmcv is not installed with its compiled operators.
    """
    from mmcv.ops import modulated_deform_conv2d  # optional, and slow to import

    padding = dilation * (weight.shape[-1] // 2)
    groups = offset.shape[1] // (2 * weight.shape[-1] ** 2)
    # it reads memory as if all lay channels first, which offsets and masks of a CPU do not
    tensors = (tensor.contiguous() for tensor in (x, offset, mask, weight, bias))
    return modulated_deform_conv2d(*tensors, 1, padding, dilation, 1, groups)


def deform_conv_gather(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with PyTorch's own operations; see the legend of this file.

    A few samples at a time, so that what lies between sampling and matrix product stays near the
    core's cache. Derivatives are torchvision's everywhere, at offsets of exactly zero too.
    """
    size = weight.shape[-1]
    matrix = weight.flatten(1)
    pieces = [(x, offset, mask)]
    if not torch.compiler.is_exporting():  # to a graph for any B, which cannot count its pieces
        at_once = max(1, _SAMPLES_AT_ONCE // (x.shape[1] * size**2 * x.shape[2] * x.shape[3]))
        splits = (tensor.split(at_once) for tensor in pieces[0])
        pieces = list(zip(*splits, strict=True))
    products = [matrix @ _columns(*piece, size, dilation) for piece in pieces]
    out = products[0] if len(products) == 1 else torch.cat(products)
    return out.view(-1, weight.shape[0], *x.shape[2:]) + bias.view(-1, 1, 1)


_SAMPLES_AT_ONCE = 1_000_000


def _columns(x: Tensor, offset: Tensor, mask: Tensor, size: int, dilation: int) -> Tensor:
    """Return the masked samples (B, C * K * K, H * W), in the order of the weight's entries."""
    batch, channels, height, width = x.shape
    groups = mask.shape[1] // size**2
    shifts = offset.reshape(batch * groups, size**2, 2, height, width)
    reach = torch.arange(size, dtype=x.dtype, device=x.device) - size // 2
    rows = _positions(reach.repeat_interleave(size), height, dilation).unsqueeze(-1)
    columns = _positions(reach.repeat(size), width, dilation).unsqueeze(-2)
    padded_height, padded_width = _padded(height), _padded(width)
    grid = torch.stack(
        [
            _normalised(shifts[:, :, 1] + columns, padded_width),
            _normalised(shifts[:, :, 0] + rows, padded_height),
        ],
        dim=-1,
    )
    source = nn.functional.pad(x, (0, padded_width - width, 0, padded_height - height))
    samples = nn.functional.grid_sample(
        source.reshape(batch * groups, channels // groups, padded_height, padded_width),
        grid.view(batch * groups, size**2 * height, width, 2),
        padding_mode="zeros",
        align_corners=True,
    )
    factors = mask.reshape(batch * groups, 1, size**2 * height, width)
    return (samples * factors).view(batch, channels * size**2, height * width)


def _positions(reach: Tensor, length: int, dilation: int) -> Tensor:
    """Return (K * K, length) where taps read without offsets, in pixels."""
    # The integer base is added to the offset at once: adding tap and pixel one after the other
    # rounds differently.
    return torch.arange(length, dtype=reach.dtype, device=reach.device) + dilation * reach[:, None]


def _padded(length: int) -> int:
    """Return the least 2 ** n + 1 >= length, over which `_normalised` is exact for whole pixels.

    The zeros that are added are those that lie around the input anyway.
    """
    return 2 ** max(0, (length - 2).bit_length()) + 1


def _normalised(position: Tensor, length: int) -> Tensor:
    """Scale pixels 0 .. length - 1 to -1 .. 1, as `grid_sample` expects them."""
    return position * (2 / (length - 1)) - 1


_IMPLEMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "torchvision": deform_conv_torchvision,
    "gather": deform_conv_gather,
    "mmcv": deform_conv_mmcv,
}


def fastest_implementation(device: torch.device) -> str:
    """Return the implementation that "auto" means on a device.

    Time of torchvision's operator over that of gather on one CPU core, 17 channels in 17 groups,
    1 and 4 maps of 96 x 72 (torch 2.15, torchvision 0.29): forward 0.6 and 0.8, forward and
    backward 3.5 and 3.7. Gather is taken in both, so that a model gives the same heatmaps in
    training and out of it. On CUDA torchvision's fused kernel is taken unmeasured.
    """
    return "torchvision" if device.type == "cuda" else "gather"


class ModulatedDeformConv(nn.Module):
    """Deformable convolution with its weight and bias; stride 1, output as large as the input.

    Without masks it is the plain deformable convolution (DCNv1, Dai et al., ICCV 2017).

    Computes in float32 at least, also under autocast: sampling positions do not survive half
    precision, and torchvision's operator has no bfloat16 kernel on CPU.

    Args:
        in_channels: C, a multiple of `offset_groups`.
        out_channels: O.
        dilation: distance of the taps in pixels.
        offset_groups: G.
        kernel_size: K, odd.
        implementation: one of the three forms; "auto" takes the fastest of the input's device.
        bias: add a learned constant to each output channel.

    Raises:
        ValueError: for an unknown implementation, or channels that the groups do not divide.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilation: int,
        offset_groups: int,
        kernel_size: int = 3,
        implementation: Implementation = "auto",
        bias: bool = True,
    ) -> None:
        super().__init__()
        if implementation not in ("auto", *_IMPLEMENTATIONS):
            raise ValueError(
                f"unknown deformable convolution {implementation!r}, expected auto, "
                f"{', '.join(_IMPLEMENTATIONS)}"
            )
        if in_channels % offset_groups:
            raise ValueError(f"{offset_groups} offset groups do not divide {in_channels} channels")
        self.dilation = dilation
        self.implementation = implementation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.dirac_(self.weight)

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, O, H, W) in the dtype of the weight; shapes in the legend of this file.

        No mask means a factor of 1 for every sample.
        """
        mask = torch.ones_like(offset[:, ::2]) if mask is None else mask
        bias = self.weight.new_zeros(len(self.weight)) if self.bias is None else self.bias
        name = self.implementation
        convolve = _IMPLEMENTATIONS[fastest_implementation(x.device) if name == "auto" else name]
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        tensors = (tensor.to(dtype) for tensor in (x, offset, mask, self.weight, bias))
        with torch.autocast(x.device.type, enabled=False):
            return convolve(*tensors, self.dilation).to(self.weight.dtype)
