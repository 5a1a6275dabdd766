"""Winograd's form of residual chains: exact transforms, equal maps, and what is left as it is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dcpose.deploy import winograd
from dcpose.deploy.runtimes import load_onnx
from dcpose.deploy.save import save_onnx
from dcpose.deploy.trace import trace
from dcpose.deploy.winograd import LEAST_CHANNELS, POINTS, transforms, use_winograd
from dcpose.models.blocks import basic_chain

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

BLOCK = ["conv x", "relu y", "conv y", "add y x", "relu y"]
"""A residual block: x is what comes in, y what the line before gave."""


def test_the_transforms_of_two_outputs_are_those_of_the_paper():
    """Lavin and Gray, equation 7; a row of one and a row of the other may change signs together."""
    inputs, kernels, outputs = transforms(2)
    signs = np.diag([-1, 1, 1, -1])
    np.testing.assert_array_equal(
        signs @ inputs, [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
    )
    np.testing.assert_array_equal(
        signs @ kernels, [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, -1]]
    )
    np.testing.assert_array_equal(outputs, [[1, 1, 1, 0], [0, 1, -1, 1]])


@given(st.sampled_from(sorted(POINTS)), st.integers(0, 2**32 - 1))
def test_transforms_filter(tile, seed):
    inputs, kernels, outputs = transforms(tile)
    generator = np.random.default_rng(seed)
    values, kernel = generator.integers(-9, 10, tile + 2), generator.integers(-9, 10, 3)
    found = outputs @ ((kernels @ kernel) * (inputs @ values))
    np.testing.assert_allclose(found, np.correlate(values, kernel, "valid"), atol=1e-9)


class Graph:
    """Nodes on maps of the same size, in a file.

    Args:
        path: of the file.
        channels, size: C; H, W.
    """

    def __init__(self, path, channels, size):
        self.path, self.shape = path, [channels, *size]
        self.nodes, self.weights = [], []
        self.generator = np.random.default_rng(0)

    def add(self, *lines, x="frames", **attributes):
        """Add nodes, "conv", "relu" or "add", each of the names of their inputs; return the last.

        x is the input, y what the line before gave.
        """
        y = x
        for line in lines:
            kind, *inputs = line.split()
            inputs = [{"x": x, "y": y}[name] for name in inputs]
            y, channels = f"value_{len(self.nodes)}", self.shape[0]
            if kind == "conv":
                inputs += [
                    self._weight(channels, channels, 3, 3, scale=0.5 / channels**0.5),
                    self._weight(channels, scale=0.2),
                ]
            made = {"kernel_shape": [3, 3], "pads": [1] * 4, **attributes} if kind == "conv" else {}
            self.nodes.append(onnx.helper.make_node(kind.capitalize(), inputs, [y], **made))
        return y

    def _weight(self, *shape, scale):
        array = self.generator.normal(0, scale, shape).astype(np.float32)
        self.weights.append(onnx.numpy_helper.from_array(array, f"weight_{len(self.weights)}"))
        return self.weights[-1].name

    def rewrite(self, output):
        """Rewrite the graph; return the number of chains and the operators that are left.

        What it computes for 1, 2 and 5 images has to be what it computed.
        """
        value = onnx.helper.make_tensor_value_info
        kind, shape = onnx.TensorProto.FLOAT, ["B", *self.shape]
        inside = [value(name, kind, shape) for node in self.nodes for name in node.output]
        graph = onnx.helper.make_graph(
            self.nodes,
            "graph",
            [value("frames", kind, shape), value("gaps", kind, ["B", 2])],
            [value(output, kind, shape)],
            self.weights,
            value_info=inside,
        )
        opset = [onnx.helper.make_opsetid("", 20)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), self.path)
        batches = [self._batch(count) for count in (1, 2, 5)]
        expected = [load_onnx(self.path, [output])(*batch) for batch in batches]
        chains = use_winograd(self.path)
        onnx.checker.check_model(self.path, full_check=True)
        found = [load_onnx(self.path, [output])(*batch) for batch in batches]
        for before, after in zip(expected, found, strict=True):
            peak = np.abs(before[0]).max()
            np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-5 * peak)
        return chains, [node.op_type for node in onnx.load(self.path).graph.node]

    def _batch(self, count):
        frames = self.generator.normal(size=(count, *self.shape))
        return frames.astype(np.float32), np.ones((count, 2), np.float32)


@pytest.fixture
def any_width(monkeypatch):
    """Chains of few channels, which would be left alone, are written, too."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", dict.fromkeys(LEAST_CHANNELS, 1))
    monkeypatch.setattr(winograd, "LEAST_CHANNELS_OF_ONE_BLOCK", 1)


@pytest.mark.parametrize(
    ("size", "places"), [((8, 12), 36), ((9, 6), 25), ((6, 10), 16)], ids=["4", "3", "2"]
)
@pytest.mark.usefixtures("any_width")
def test_a_chain_computes_the_same(size, places, tmp_path):
    graph = Graph(tmp_path / "chain.onnx", 6, size)
    last = graph.add(*BLOCK)
    last = graph.add(*BLOCK, x=last)
    chains, left = graph.rewrite(last)
    assert chains == 1
    assert "Conv" not in left
    assert left.count("Transpose") == 4  # two into tiles, two out of them
    shapes = [tuple(tensor.dims) for tensor in onnx.load(graph.path).graph.initializer]
    assert (places, 9) in shapes  # what transforms kernels


@pytest.mark.usefixtures("any_width")
def test_what_lies_around_chains_stays(tmp_path):
    graph = Graph(tmp_path / "network.onnx", 4, (8, 8))
    last = graph.add("conv x", "relu y")
    last = graph.add(*BLOCK, x=last)
    last = graph.add("conv x", x=last)
    last = graph.add(*BLOCK, x=last)
    chains, left = graph.rewrite(last)
    assert (chains, left.count("Conv")) == (2, 2)


@pytest.mark.usefixtures("any_width")
def test_maps_that_others_read_leave_their_tiles(tmp_path):
    graph = Graph(tmp_path / "network.onnx", 4, (8, 8))
    between = graph.add(*BLOCK)
    last = graph.add(*BLOCK, x=between)
    graph.nodes.append(onnx.helper.make_node("Add", [between, last], ["sum"]))
    chains, left = graph.rewrite("sum")
    assert (chains, left.count("Conv")) == (2, 0)


@pytest.mark.parametrize(
    ("lines", "attributes"),
    [
        (["conv x", "relu y", "conv y", "add y x"], {}),
        (["conv x", "relu y", "conv y", "relu y"], {}),
        (["conv x", "relu y", "conv y", "add y y", "relu y"], {}),
        (["conv x", "conv y", "add y x", "relu y"], {}),
        (BLOCK, {"pads": [2] * 4, "dilations": [2, 2]}),
    ],
    ids=["no last relu", "no shortcut", "another sum", "no inner relu", "dilated"],
)
@pytest.mark.usefixtures("any_width")
def test_other_layers_stay(lines, attributes, tmp_path):
    graph = Graph(tmp_path / "network.onnx", 4, (8, 8))
    last = graph.add(*lines, **attributes)
    before = [node.op_type for node in graph.nodes]
    assert graph.rewrite(last) == (0, before)


@pytest.mark.parametrize(
    ("channels", "size", "blocks", "chains"),
    [
        (48, (8, 12), 2, 1),
        (48, (8, 12), 1, 0),
        (40, (8, 12), 2, 0),
        (64, (9, 6), 1, 1),
        (48, (9, 6), 2, 0),
        (128, (2, 6), 1, 1),
        (64, (2, 6), 1, 0),
        (128, (7, 8), 1, 0),
    ],
)
def test_which_chains_pay(channels, size, blocks, chains, tmp_path):
    graph = Graph(tmp_path / "chain.onnx", channels, size)
    last = "frames"
    for _ in range(blocks):
        last = graph.add(*BLOCK, x=last)
    assert graph.rewrite(last)[0] == chains


def test_kernels_are_kept_as_they_were(tmp_path):
    """The file does not grow: a runtime transforms kernels when it loads them."""
    graph = Graph(tmp_path / "chain.onnx", 64, (8, 8))
    graph.rewrite(graph.add(*BLOCK))
    weights = sum(len(tensor.raw_data) for tensor in graph.weights)
    assert graph.path.stat().st_size < 1.1 * weights
    kept = {tensor.name: tensor.raw_data for tensor in onnx.load(graph.path).graph.initializer}
    assert all(kept[tensor.name] == tensor.raw_data for tensor in graph.weights)


class Chain(nn.Module):
    """A chain of images and gaps, as networks are traced."""

    def __init__(self):
        super().__init__()
        self.chain = basic_chain(48, 48, 2)

    def forward(self, frames, gaps):
        return self.chain(frames) + 0 * gaps.sum()


@pytest.mark.parametrize("bias", [0, 0.5])
def test_chains_of_traced_networks_are_found(bias, tmp_path):
    """The exporter leaves out biases of zero."""
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    network = Chain().eval().requires_grad_(False)
    nn.init.constant_(network.chain[1].bn1.bias, bias)
    batch = torch.randn(3, 48, 8, 8), torch.ones(3, 2)
    path = tmp_path / "chain.onnx"
    save_onnx(trace(network, batch), path, ("heatmaps",), 20)
    assert use_winograd(path) == 1
    (found,) = load_onnx(path, ["heatmaps"])(*(tensor.numpy() for tensor in batch))
    torch.testing.assert_close(torch.from_numpy(found), network(*batch), rtol=0, atol=2e-5)
