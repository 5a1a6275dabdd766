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
from torchvision.ops import deform_conv2d

Implementation = Literal["auto", "torchvision", "gather", "mmcv"]


def deform_conv_torchvision(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with torchvision's operator; see the legend of this file."""
    padding = dilation * (weight.shape[-1] // 2)
    return deform_conv2d(x, offset, weight, bias, padding=padding, dilation=dilation, mask=mask)


def deform_conv_mmcv(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with mmcv's operator; see the legend of this file.

    Raises:
        ImportError: where mmcv is not installed with its compiled operators.
    """
    from mmcv.ops import modulated_deform_conv2d  # optional, and slow to import

    padding = dilation * (weight.shape[-1] // 2)
    groups = offset.shape[1] // (2 * weight.shape[-1] ** 2)
    return modulated_deform_conv2d(
        x.contiguous(), offset, mask, weight, bias, 1, padding, dilation, 1, groups
    )


def deform_conv_gather(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, dilation: int
) -> Tensor:
    """Return (B, O, H, W) with indexing alone, one tap at a time; see the legend of this file.

    Its derivatives are torchvision's everywhere, at offsets of exactly zero too.
    """
    batch, channels, height, width = x.shape
    size = weight.shape[-1]
    taps = size * size
    groups = mask.shape[1] // taps
    # Positions are clamped to [-2, H] x [-2, W]: there and beyond, value and derivative are 0.
    # Two rows and columns of zeros around make all four corners of such a position readable.
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    source = padded.view(batch, groups, channels // groups, -1)
    shifts = offset.view(batch, groups, taps, 2, height, width)
    factors = mask.view(batch, groups, 1, taps, height * width)
    rows = torch.arange(height, dtype=x.dtype, device=x.device).view(-1, 1)
    columns = torch.arange(width, dtype=x.dtype, device=x.device)

    out = bias.view(-1, 1)
    for tap in range(taps):
        # The integer base is added at once: adding tap and pixel one after the other rounds
        # differently and moves floor() at isolated points.
        row_shift = dilation * (tap // size - size // 2)
        column_shift = dilation * (tap % size - size // 2)
        y = (shifts[:, :, tap, 0] + (rows + row_shift)).clamp(-2, height)
        x_ = (shifts[:, :, tap, 1] + (columns + column_shift)).clamp(-2, width)
        samples = _bilinear(source, y, x_, row_length=width + 4)
        samples = (samples * factors[:, :, :, tap]).view(batch, channels, height * width)
        out = out + weight[:, :, tap // size, tap % size] @ samples
    return out.view(batch, -1, height, width)


def _bilinear(source: Tensor, y: Tensor, x: Tensor, row_length: int) -> Tensor:
    """Sample (B, G, C, rows * row_length) at y, x (B, G, H, W) >= -2; returns (B, G, C, H * W)."""
    top, left = y.floor(), x.floor()
    index = ((top.long() + 2) * row_length + (left.long() + 2)).flatten(2).unsqueeze(2)
    index = index.expand(-1, -1, source.shape[2], -1)
    dy, dx = (y - top).flatten(2).unsqueeze(2), (x - left).flatten(2).unsqueeze(2)
    upper = torch.lerp(source.gather(3, index), source.gather(3, index + 1), dx)
    index = index + row_length
    lower = torch.lerp(source.gather(3, index), source.gather(3, index + 1), dx)
    return torch.lerp(upper, lower, dy)


_IMPLEMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "torchvision": deform_conv_torchvision,
    "gather": deform_conv_gather,
    "mmcv": deform_conv_mmcv,
}


def fastest_implementation(device: torch.device) -> str:
    """Return the implementation that "auto" means on a device."""
    return "torchvision" if device.type == "cuda" else "gather"


class ModulatedDeformConv(nn.Module):
    """Deformable convolution with its weight and bias; stride 1, output as large as the input.

    Computes in float32 at least, also under autocast: sampling positions do not survive half
    precision, and torchvision's operator has no bfloat16 kernel on CPU.

    Args:
        in_channels: C, a multiple of `offset_groups`.
        out_channels: O.
        dilation: distance of the taps in pixels.
        offset_groups: G.
        kernel_size: K, odd.
        implementation: one of the three forms; "auto" takes the fastest of the input's device.

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
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.dirac_(self.weight)

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Return (B, O, H, W) in the dtype of the weight; shapes in the legend of this file."""
        name = self.implementation
        convolve = _IMPLEMENTATIONS[fastest_implementation(x.device) if name == "auto" else name]
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        tensors = (tensor.to(dtype) for tensor in (x, offset, mask, self.weight, self.bias))
        with torch.autocast(x.device.type, enabled=False):
            return convolve(*tensors, self.dilation).to(self.weight.dtype)
