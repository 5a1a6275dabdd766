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
from torch.autograd.function import FunctionCtx, once_differentiable
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
    """Return (B, O, H, W) with plain tensor operations; see the legend of this file.

    One tap at a time, so that no (B, C * K * K, H * W) matrix is ever stored, and backward samples
    again instead of keeping the corners of every tap. First derivatives only; they are
    torchvision's everywhere, at offsets of exactly zero too.
    """
    return _GatherConv.apply(x, offset, mask, weight, dilation) + bias.view(-1, 1, 1)


class _Taps:
    """Samples of one deformable convolution, tap by tap, without derivatives.

    Positions are clamped to [-2, H] x [-2, W]: there and beyond, value and derivative are 0. Two
    rows and columns of zeros around the input make all four corners of such a position readable.
    """

    def __init__(self, x: Tensor, offset: Tensor, mask: Tensor, size: int, dilation: int) -> None:
        batch, channels, self.height, self.width = x.shape
        groups = mask.shape[1] // size**2
        self.size, self.dilation = size, dilation
        self.row_length = self.width + 4
        padded = nn.functional.pad(x, (2, 2, 2, 2))
        self.source = padded.view(batch, groups, channels // groups, -1)
        self.shifts = offset.reshape(batch, groups, size**2, 2, self.height, self.width)
        self.factors = mask.reshape(batch, groups, size**2, 1, self.height * self.width)
        self.rows = torch.arange(self.height, dtype=x.dtype, device=x.device).view(-1, 1)
        self.columns = torch.arange(self.width, dtype=x.dtype, device=x.device)
        # Where the four corners lie, counted from the upper left one: the same index reads all.
        self.corner_starts = (0, 1, self.row_length, self.row_length + 1)
        self.index_stop = self.source.shape[3] - self.corner_starts[-1]

    def position(self, tap: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return index of the upper left corner and fractions dy, dx, each (B, G, C/G or 1, HW)."""
        # The integer base is added at once: adding tap and pixel one after the other rounds
        # differently and moves floor() at isolated points.
        centre = self.size // 2
        rows = self.rows + self.dilation * (tap // self.size - centre)
        columns = self.columns + self.dilation * (tap % self.size - centre)
        y = (self.shifts[:, :, tap, 0] + rows).clamp_(-2, self.height).flatten(2).unsqueeze_(2)
        x = (self.shifts[:, :, tap, 1] + columns).clamp_(-2, self.width).flatten(2).unsqueeze_(2)
        top, left = y.floor(), x.floor()
        index = ((top.long() + 2) * self.row_length).add_(left.long() + 2)
        # A NaN offset has no index; its fraction is NaN and so is the sample, for all to see.
        index.clamp_(0, self.index_stop - 1)
        return index.expand(-1, -1, self.source.shape[2], -1), y.sub_(top), x.sub_(left)

    def corners(self, index: Tensor) -> list[Tensor]:
        """Return upper left, upper right, lower left, lower right values, (B, G, C/G, HW)."""
        return [self._from(self.source, start).gather(3, index) for start in self.corner_starts]

    def add_to_corners(self, total: Tensor, index: Tensor, parts: list[Tensor]) -> None:
        """Add (B, G, C/G, HW) parts to the places of `source` that the corners came from."""
        for start, part in zip(self.corner_starts, parts, strict=True):
            self._from(total, start).scatter_add_(3, index, part)

    def _from(self, source: Tensor, start: int) -> Tensor:
        return source[..., start : start + self.index_stop]


class _GatherConv(torch.autograd.Function):
    """`deform_conv_gather` without its bias, and the derivatives of it."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, dilation: int
    ) -> Tensor:
        ctx.save_for_backward(x, offset, mask, weight)
        ctx.dilation = dilation  # type: ignore[attr-defined]
        taps = _Taps(x, offset, mask, weight.shape[-1], dilation)
        out = x.new_zeros(x.shape[0], weight.shape[0], taps.height * taps.width)
        for tap, weight_of_tap in enumerate(weight.flatten(2).unbind(2)):
            index, dy, dx = taps.position(tap)
            upper_left, upper_right, lower_left, lower_right = taps.corners(index)
            upper = torch.lerp(upper_left, upper_right, dx)
            samples = upper.lerp_(torch.lerp(lower_left, lower_right, dx), dy)
            samples = samples.mul_(taps.factors[:, :, tap]).flatten(1, 2)
            out.baddbmm_(weight_of_tap.expand(x.shape[0], -1, -1), samples)
        return out.view(-1, weight.shape[0], taps.height, taps.width)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, offset, mask, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        taps = _Taps(x, offset, mask, weight.shape[-1], ctx.dilation)  # type: ignore[attr-defined]
        grad_out = grad_out.flatten(2)
        grad_source = torch.zeros_like(taps.source)
        grad_shifts = torch.empty_like(taps.shifts).flatten(4)
        grad_factors = torch.empty_like(taps.factors)
        grad_weight = torch.empty_like(weight).flatten(2)
        for tap, weight_of_tap in enumerate(weight.flatten(2).unbind(2)):
            factors = taps.factors[:, :, tap]
            index, dy, dx = taps.position(tap)
            upper_left, upper_right, lower_left, lower_right = taps.corners(index)
            upper = torch.lerp(upper_left, upper_right, dx)
            lower = torch.lerp(lower_left, lower_right, dx)
            samples = torch.lerp(upper, lower, dy)

            grad = (weight_of_tap.t() @ grad_out).view_as(samples)
            grad_factors[:, :, tap] = (grad * samples).sum(2, keepdim=True)
            columns = samples.mul_(factors).flatten(1, 2)
            grad_weight[:, :, tap] = (grad_out @ columns.transpose(1, 2)).sum(0)

            grad.mul_(factors)
            across = torch.lerp(upper_right - upper_left, lower_right - lower_left, dy)
            grad_shifts[:, :, tap, 0] = lower.sub_(upper).mul_(grad).sum(2)
            grad_shifts[:, :, tap, 1] = across.mul_(grad).sum(2)
            grad_lower = grad * dy
            grad_upper = grad.sub_(grad_lower)
            to_upper_right, to_lower_right = grad_upper * dx, grad_lower * dx
            to_upper_left = grad_upper.sub_(to_upper_right)
            to_lower_left = grad_lower.sub_(to_lower_right)
            taps.add_to_corners(
                grad_source, index, [to_upper_left, to_upper_right, to_lower_left, to_lower_right]
            )
        grad_x = grad_source.view(*x.shape[:2], taps.height + 4, -1)[:, :, 2:-2, 2:-2]
        grad_offset, grad_mask = grad_shifts.view_as(offset), grad_factors.view_as(mask)
        return grad_x, grad_offset, grad_mask, grad_weight.view_as(weight), None


_IMPLEMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "torchvision": deform_conv_torchvision,
    "gather": deform_conv_gather,
    "mmcv": deform_conv_mmcv,
}


def fastest_implementation(device: torch.device) -> str:
    """Return the implementation that "auto" means on a device.

    Time of torchvision's operator over that of gather on CPU, 17 channels in 17 groups, 8 maps of
    96 x 72 to 32 maps of 32 x 24 (torch 2.15, torchvision 0.29): forward 1.2 to 1.6, forward and
    backward 3.6 to 5.2 on one core; 4 to 7 with backward on two idle cores. On CUDA torchvision's
    fused kernel is taken unmeasured.
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
