"""3x3 convolutions by Winograd's minimal filtering, F(6x6, 3x3) (Lavin and Gray, CVPR 2016).

A tile of 6x6 outputs takes 64 multiplications per pair of channels instead of 324: the 8x8 inputs d
and the kernel g are brought into another domain, Y = A^T ((G g G^T) * (B^T d B)) A, where the
convolution is 64 matrix products. In float32 a convolution comes out as it would directly, to a few
millionths of its largest value. On a core that computes direct convolutions at nine tenths of its
peak rate, fewer multiplications are what is left to gain.

Shape legend: N images, C channels, H x W pixels, h = ceil(H / 6) x w = ceil(W / 6) tiles.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.polynomial.polynomial import polyfromroots
from torch import Tensor, nn

from dcpose.models.blocks import BasicBlock

OUTPUTS, INPUTS = 6, 8
"""Sides of a tile, in pixels that it gives and in pixels that they are computed from."""
_BIAS_PLACE = INPUTS + 1
"""A constant at (1, 1) of the domain is added to all outputs: column 1 of A^T is all ones."""
_TILES_AT_ONCE = 200
"""Tiles of images that go through a chain together, at least: they share a reading of kernels."""
_NUMBERS_AT_ONCE = 20_000
"""Tiles times channels of a piece of work, at most, unless one row of tiles is more: 5 MB in the
domain. Half as many take longer where kernels are large, twice as many where they are small."""

_POINTS = 0, 1, -1, 2, -2, 1 / 2, -1 / 2
"""Where the polynomials are evaluated that a convolution multiplies; the last point is infinity."""


class WinogradBlocks(nn.Module):
    """A chain of basic blocks of one width without BatchNorm, (N, C, H, W) to (N, C, H, W) >= 0.

    For float32 maps on a CPU, without gradients. Between the convolutions maps keep a border of
    zeros, so that none is copied to be padded; shortcut and ReLU are applied as outputs are put in
    their places. The kernels take seven times the memory of those given.

    Args:
        blocks: with their BatchNorms folded (`fast.fold_batch_norms`) and without projections.
    """

    kernels: Tensor
    biases: Tensor
    into_rows: Tensor
    into_columns: Tensor
    out_of: Tensor

    def __init__(self, blocks: Iterable[BasicBlock]) -> None:
        super().__init__()
        convs = [conv for block in blocks for conv in (block.conv1, block.conv2)]
        into, kernel_side, out_of = transforms()
        into, out_of = into.float(), out_of.float()
        both_sides = torch.kron(kernel_side, kernel_side)
        channels = convs[0].out_channels
        kernels = _empty(len(convs), INPUTS**2, channels, channels)
        for kernel, conv in zip(kernels, convs, strict=True):
            kernel.copy_(_kernel(conv.weight, both_sides))
        self.register_buffer("kernels", kernels)
        self.register_buffer("biases", torch.stack([_bias(conv) for conv in convs]))
        # First rows, then columns: fewer operations than one matrix for both, as `out_of` is, where
        # it makes no difference.
        self.register_buffer("into_rows", into)
        self.register_buffer("into_columns", into.expand(INPUTS, -1, -1).contiguous())
        self.register_buffer("out_of", torch.kron(out_of, out_of))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps, channels last in memory."""
        together = -(-_TILES_AT_ONCE // (_tiles_along(x.shape[2]) * _tiles_along(x.shape[3])))
        out = torch.empty_like(x, memory_format=torch.channels_last)
        for images, place in zip(x.split(together), out.split(together), strict=True):
            self._chain(images.permute(0, 2, 3, 1), place.permute(0, 2, 3, 1))
        return out

    def _chain(self, pixels: Tensor, out: Tensor) -> None:
        """Send (N, H, W, C) through all blocks."""
        state, between, following = (_Maps(role, pixels.shape) for role in _Maps.ROLES)
        state.pixels.copy_(pixels)
        for layer in range(0, len(self.kernels), 2):
            for rows, outputs in self._convolve(layer, state):
                torch.clamp_min(outputs, 0, out=between.outputs[:, rows])
            between.clear_overhang()
            for rows, outputs in self._convolve(layer + 1, between):
                total = following.outputs[:, rows]
                torch.add(outputs, state.outputs[:, rows], out=total).clamp_min_(0)
            following.clear_overhang()
            state, following = following, state
        out.copy_(state.pixels)

    def _convolve(self, layer: int, maps: _Maps) -> Iterator[tuple[slice, Tensor]]:
        """Yield rows of tiles and their outputs (N, rows, 6, w, 6, C), as `_Maps.outputs` are."""
        kernel, bias = self.kernels[layer], self.biases[layer]
        num, rows_in_all, _, tiles_in_row, _, channels = maps.outputs.shape
        rows_at_once = max(1, _NUMBERS_AT_ONCE // (num * tiles_in_row * channels))
        for row in range(0, rows_in_all, rows_at_once):
            rows = slice(row, row + rows_at_once)
            inputs = maps.inputs[:, :, :, rows]
            squares = _memory.take("squares", inputs.shape).copy_(inputs).flatten(2)
            half = _memory.take("products", squares.shape)
            torch.mm(self.into_rows, squares.flatten(1), out=half.flatten(1))
            torch.bmm(self.into_columns, half, out=squares)
            factors = squares.view(INPUTS**2, -1, channels)
            products = _memory.take("products", factors.shape)
            torch.bmm(factors, kernel, out=products)
            products[_BIAS_PLACE] += bias
            outputs = _memory.take("squares", (OUTPUTS**2, products[0].numel()))
            torch.mm(self.out_of, products.flatten(1), out=outputs)
            outputs = outputs.view(OUTPUTS, OUTPUTS, num, -1, tiles_in_row, channels)
            yield rows, outputs.permute(2, 3, 0, 4, 1, 5)


class _Maps:
    """Maps of some images with a border of zeros, seen as tiles.

    Args:
        role: which of `ROLES`; one memory serves all maps with a role.
        shape: N, H, W, C.

    Attributes:
        inputs: (8, 8, N, h, w, C) view of what each tile is computed from; they overlap.
        outputs: (N, h, 6, w, 6, C) view of what each tile gives.
        pixels: (N, H, W, C) view of the maps.
    """

    ROLES = "state", "between", "following"

    def __init__(self, role: str, shape: Sequence[int]) -> None:
        num, height, width, channels = shape
        sides = (_tiles_along(side) * OUTPUTS + 2 for side in (height, width))
        self._padded = _memory.take(role, (num, *sides, channels))
        self.inputs = _tiles(self._padded, INPUTS).permute(4, 5, 0, 1, 2, 3)
        self.outputs = _tiles(self._padded[:, 1:-1, 1:-1], OUTPUTS).permute(0, 1, 4, 2, 5, 3)
        self.pixels = self._padded[:, 1 : height + 1, 1 : width + 1]
        self._padded[:, :1] = 0
        self._padded[:, :, :1] = 0
        self._clear_ends()

    def clear_overhang(self) -> None:
        """Set to zero what tiles that reach over the edge have given beyond it."""
        _, height, width, _ = self.pixels.shape
        if height % OUTPUTS or width % OUTPUTS:
            self._clear_ends()

    def _clear_ends(self) -> None:
        _, height, width, _ = self.pixels.shape
        self._padded[:, height + 1 :] = 0
        self._padded[:, :, width + 1 :] = 0


def _empty(*shape: int) -> Tensor:
    """Return float32 memory of NumPy, which asks for large pages.

    A process gets memory in pages, cleared one by one as they are touched first; in small pages
    that can take as long as what is computed here.
    """
    return torch.from_numpy(np.empty(shape, np.float32))


class _Memory(threading.local):
    """Memory that a thread uses again and again, so that the system need not find it anew."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}

    def take(self, role: str, shape: Sequence[int]) -> Tensor:
        """Return float32 memory of a shape, which lasts until its role is taken again."""
        numbers = math.prod(shape)
        if role not in self._tensors or len(self._tensors[role]) < numbers:
            with torch.inference_mode(False):  # or it would be of no use outside of that mode
                self._tensors[role] = _empty(numbers)
        return self._tensors[role][:numbers].view(*shape)


_memory = _Memory()


def _tiles_along(side: int) -> int:
    return -(-side // OUTPUTS)


def _tiles(maps: Tensor, side: int) -> Tensor:
    """View maps (N, Y, X, C) as tiles of a side, one every six pixels: (N, h, w, C, side, side)."""
    return maps.unfold(1, side, OUTPUTS).unfold(2, side, OUTPUTS)


def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return B^T (8, 8), G (8, 3) and A^T (6, 8) of one dimension, in float64.

    Six outputs of a filter g of three numbers over eight inputs d are A^T (G g * B^T d): the method
    of Toom and Cook, transposed (Lavin and Gray, section 4).
    """
    into = np.zeros((INPUTS, INPUTS))
    kernel, out_of = np.zeros((INPUTS, 3)), np.zeros((OUTPUTS, INPUTS))
    for i, point in enumerate(_POINTS):
        others = [other for other in _POINTS if other != point]
        into[i, :-1] = polyfromroots(others)
        kernel[i] = float(point) ** np.arange(3) / np.prod(np.subtract(point, others))
        out_of[:, i] = float(point) ** np.arange(OUTPUTS)
    into[-1] = polyfromroots(_POINTS)
    kernel[-1, -1] = out_of[-1, -1] = 1
    return torch.from_numpy(into), torch.from_numpy(kernel), torch.from_numpy(out_of)


def _kernel(weight: Tensor, transform: Tensor) -> Tensor:
    """Return weights (O, C, 3, 3) in the domain, (64, C, O), by G on both sides (64, 9)."""
    squares = weight.detach().double().flatten(2).permute(2, 1, 0)
    domain = transform @ squares.flatten(1)
    return domain.view(-1, *squares.shape[1:])


def _bias(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
