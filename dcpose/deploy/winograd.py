"""Chains of residual blocks with fewer multiplications, in plain operations of an ONNX graph.

Winograd's minimal filtering, F(m x m, 3 x 3) of Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks" (CVPR 2016): a tile of m x m outputs follows from n x n inputs, n = m + 2, by n^2
products instead of 9 m^2. Between its transforms a 3x3 convolution is n^2 products of matrices, one
for each place of a tile. A chain of residual blocks keeps its maps in tiles from end to end, so
that all of it is matrix products, sums and copies of whole rows, which a CPU does well.

Shape legend: N images, C channels, H x W pixels, in S x T tiles; a place is one of the m x m pixels
of a tile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dcpose.files.packages import require

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

POINTS = {2: ("0", "1", "-1"), 3: ("0", "1", "-1", "2"), 4: ("0", "1", "-1", "2", "-2")}
"""By m: where the polynomials are evaluated, besides infinity; larger m round too much."""

LEAST_CHANNELS = {4: 48, 3: 64, 2: 128}
"""By m, the best first: with fewer channels the transforms cost what the products save."""

LEAST_CHANNELS_OF_ONE_BLOCK = 64
"""With fewer, the way into tiles and out of them costs more than a single block saves."""

_DIRECT = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1], "dilations": [1, 1]}


def use_winograd(path: Path) -> int:
    """Write the wide chains of residual blocks of an ONNX file in Winograd's form, in place.

    Args:
        path: file with all weights inside.

    Returns:
        how many chains there were.
    """
    onnx = require("onnx")
    model = onnx.load(path)
    graph = model.graph
    sizes = _sizes(graph)
    writer = _Writer(graph)
    written: dict[str, list[NodeProto]] = {}
    replaced: set[str] = set()
    for chain in _chains(graph):
        channels, height, width = sizes.get(chain[0].input, (0, 0, 0))
        tile = _tile(channels, height, width)
        pays = len(chain) > 1 or channels >= LEAST_CHANNELS_OF_ONE_BLOCK
        if tile is not None and pays:
            form = _Winograd(writer, tile, (height // tile, width // tile), channels)
            written[chain[-1].output] = form.nodes(chain)
            replaced.update(name for block in chain for name in block.inside)
            replaced.update(block.output for block in chain[:-1])
    nodes = []
    for node in graph.node:
        if node.output[0] not in replaced:
            nodes += written.get(node.output[0], [node])
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)
    return len(written)


class _Block(NamedTuple):
    """relu(conv(relu(conv(x))) + x), by the names of values.

    Attributes:
        input, output: x, and what comes out.
        weights, biases: of both convolutions; no bias is "".
        inside: what is computed on the way.
    """

    input: str
    output: str
    weights: tuple[str, str]
    biases: tuple[str, str]
    inside: tuple[str, ...]


def _chains(graph: GraphProto) -> list[list[_Block]]:
    """Return residual blocks in a row, of which nothing else reads what is between them."""
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    chains: dict[str, list[_Block]] = {}  # by the output of the last
    for block in _blocks(graph, uses):
        before = chains.pop(block.input, []) if uses[block.input] == 2 else []
        chains[block.output] = [*before, block]
    return list(chains.values())


def _blocks(graph: GraphProto, uses: Counter[str]) -> Iterator[_Block]:
    made_by = {name: node for node in graph.node for name in node.output}

    def maker(name: str, kind: str) -> NodeProto | None:
        node = made_by.get(name)
        return node if node is not None and node.op_type == kind and uses[name] == 1 else None

    for last in graph.node:
        if last.op_type != "Relu" or (total := maker(last.input[0], "Add")) is None:
            continue
        for inner, shortcut in (total.input, reversed(total.input)):
            second = maker(inner, "Conv")
            relu = second and maker(second.input[0], "Relu")
            first = relu and maker(relu.input[0], "Conv")
            if not (first and second and relu) or first.input[0] != shortcut:
                continue
            if all(_is_direct(conv) for conv in (first, second)):
                yield _Block(
                    input=shortcut,
                    output=last.output[0],
                    weights=(first.input[1], second.input[1]),
                    biases=(_bias(first), _bias(second)),
                    inside=tuple(node.output[0] for node in (first, relu, second, total)),
                )
                break


def _bias(conv: NodeProto) -> str:
    return conv.input[2] if len(conv.input) > 2 else ""


def _is_direct(conv: NodeProto) -> bool:
    """Return whether it is a padded 3x3 convolution in one group, without strides."""
    onnx = require("onnx")
    found = {item.name: onnx.helper.get_attribute_value(item) for item in conv.attribute}
    plain = all(found.get(name, expected) == expected for name, expected in _DIRECT.items())
    padded = found.get("pads") == _DIRECT["pads"] and found.get("auto_pad", b"NOTSET") == b"NOTSET"
    return plain and padded and found.get("group", 1) == 1


def _sizes(graph: GraphProto) -> dict[str, tuple[int, int, int]]:
    """Return C, H, W of the maps whose sizes are known."""
    sizes = {}
    for value in (*graph.input, *graph.value_info):
        dimensions = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if len(dimensions) == 4:
            sizes[value.name] = (dimensions[1], dimensions[2], dimensions[3])
    return sizes


def _tile(channels: int, height: int, width: int) -> int | None:
    """Return the m that pays and whose tiles fill the maps, None where there is none."""
    fitting = (m for m, least in LEAST_CHANNELS.items() if channels >= least)
    return next((m for m in fitting if height % m == width % m == 0), None)


class _Writer:
    """Makes nodes and constants of a graph."""

    def __init__(self, graph: GraphProto) -> None:
        self._onnx = require("onnx")
        self._graph = graph
        self._constants: dict[bytes, str] = {}
        self._count = 0
        self.nodes: list[NodeProto] = []

    def __call__(
        self, kind: str, *inputs: str, output: str = "", **settings: int | str | Sequence[int]
    ) -> str:
        """Add a node with its settings, and return the name of what it computes."""
        self._count += 1
        name = output or f"winograd_{self._count}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **settings))
        return name

    def constant(self, value: np.ndarray | Sequence[int]) -> str:
        """Return the name of a constant, which is kept once; integers are int64."""
        array = value if isinstance(value, np.ndarray) else np.array(value, np.int64)
        key = repr((array.dtype, array.shape)).encode() + array.tobytes()
        if key not in self._constants:
            self._constants[key] = name = f"winograd_constant_{len(self._constants)}"
            self._graph.initializer.append(self._onnx.numpy_helper.from_array(array, name))
        return self._constants[key]


class _Winograd:
    """Writes a chain of residual blocks on maps in tiles, (m, m, N, S, T, C).

    Args:
        write: makes nodes.
        tile: m.
        tiles: S, T.
        channels: C.
    """

    def __init__(self, write: _Writer, tile: int, tiles: tuple[int, int], channels: int) -> None:
        self.write, self.tile, self.tiles, self.channels = write, tile, tiles, channels
        self.places = (tile + 2) ** 2
        inputs, kernels, outputs = transforms(tile)
        self.inputs, self.outputs = (
            write.constant(x.astype(np.float32)) for x in (inputs, outputs)
        )
        self.kernels = write.constant(np.kron(kernels, kernels).astype(np.float32))

    def nodes(self, chain: Sequence[_Block]) -> list[NodeProto]:
        """Return the nodes that compute a chain."""
        write = self.write
        write.nodes = []
        x = self._into_tiles(chain[0].input)
        for block in chain:
            inner = write("Relu", self._convolve(x, block.weights[0], block.biases[0]))
            inner = self._convolve(inner, block.weights[1], block.biases[1])
            x = write("Relu", write("Add", inner, x))
        self._out_of_tiles(x, chain[-1].output)
        return write.nodes

    def _into_tiles(self, x: str) -> str:
        """Return maps in tiles of (N, C, H, W)."""
        m, (rows, columns) = self.tile, self.tiles
        x = self.write("Transpose", x, perm=[0, 2, 3, 1])  # now the next one copies whole rows
        x = self._reshape(x, [-1, rows, m, columns, m, self.channels])
        return self.write("Transpose", x, perm=[2, 4, 0, 1, 3, 5])

    def _out_of_tiles(self, x: str, output: str) -> None:
        """Compute (N, C, H, W) of maps in tiles."""
        m, (rows, columns) = self.tile, self.tiles
        x = self.write("Transpose", x, perm=[2, 3, 0, 4, 1, 5])
        x = self._reshape(x, [-1, rows * m, columns * m, self.channels])
        self.write("Transpose", x, perm=[0, 3, 1, 2], output=output)

    def _convolve(self, x: str, weight: str, bias: str) -> str:
        """Return a convolution of maps in tiles, with (C, C, 3, 3) and (C), or no bias."""
        write, m, channels = self.write, self.tile, self.channels
        # constant: a runtime computes it once, when it loads the file, which so stays small
        kernel = self._reshape(weight, [channels, channels, 9])
        kernel = write("Einsum", self.kernels, kernel, equation="pk,oik->pio")
        # one axis after the other; both at once would be three times the multiplications
        x = self._reshape(self._with_neighbours(x, 0), [m + 2, -1])
        x = self._reshape(write("MatMul", self.inputs, x), [m + 2, m, -1, *self.tiles, channels])
        x = self._reshape(self._with_neighbours(x, 1), [m + 2, m + 2, -1])
        x = self._reshape(write("MatMul", self.inputs, x), [self.places, -1, channels])
        x = self._reshape(write("MatMul", x, kernel), [m + 2, m + 2, -1])
        x = self._reshape(write("MatMul", self.outputs, x), [m + 2, -1])
        x = self._reshape(write("MatMul", self.outputs, x), [m, m, -1, *self.tiles, channels])
        return write("Add", x, bias) if bias else x

    def _with_neighbours(self, x: str, axis: int) -> str:
        """Lengthen an axis of places by those of the tiles before and after."""
        end, tiles = np.iinfo(np.int64).max, axis + 3
        before = self._slice(self._slice(x, axis, -1, end), tiles, 0, -1)
        after = self._slice(self._slice(x, axis, 0, 1), tiles, 1, end)
        zeros = [int(other == tiles) for other in range(6)]
        before = self.write("Pad", before, self.write.constant([*zeros, *[0] * 6]))
        after = self.write("Pad", after, self.write.constant([*[0] * 6, *zeros]))
        return self.write("Concat", before, x, after, axis=axis)

    def _slice(self, x: str, axis: int, start: int, end: int) -> str:
        return self.write("Slice", x, *(self.write.constant([v]) for v in (start, end, axis)))

    def _reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.write("Reshape", x, self.write.constant(shape))


def transforms(tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the transforms of F(m, 3) along one axis: of inputs, of kernels and to outputs.

    Made after Toom and Cook in exact fractions: a product of polynomials follows from its values at
    n points, and filtering is that product transposed.

    Args:
        tile: m, one of `POINTS`.

    Returns:
        (n, n), (n, 3) and (m, n) float64.
    """
    points = [Fraction(point) for point in POINTS[tile]]
    inputs, kernels = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        inputs.append([*_polynomial(others), Fraction(0)])
        kernels.append([point**power / scale for power in range(3)])
    inputs.append(_polynomial(points))
    kernels.append([Fraction(0), Fraction(0), Fraction(1)])
    outputs = [
        [*(point**row for point in points), Fraction(int(row == tile - 1))] for row in range(tile)
    ]
    return _array(inputs), _array(kernels), _array(outputs)


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients of the polynomial with these roots, the lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        raised, kept = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [a - root * b for a, b in zip(raised, kept, strict=True)]
    return coefficients


def _array(rows: Sequence[Sequence[Fraction]]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)
