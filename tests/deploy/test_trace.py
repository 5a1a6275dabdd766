"""Traced networks: any number of clips, both forms, half weights; and no traces are left behind."""

import pytest
import torch

from dcpose.deploy.fast import prepare_for_inference
from dcpose.deploy.trace import CropsToJoints, trace
from dcpose.heatmap import decode
from dcpose.structures import normalise


def lively(model, formula_weights):
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(formula_weights(shapes, 0))
    return model.eval()


@pytest.fixture(scope="module")
def model(small_dcpose, formula_weights):
    return lively(small_dcpose(), formula_weights).requires_grad_(False)


def inputs(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(count, 3, 3, 64, 64, generator=generator)
    return frames, torch.randint(1, 3, (count, 2), generator=generator).float()


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


def operators(program):
    """Names of all that is called; what is outside of autocast has graphs of its own."""
    parts = [part for part in program.graph_module.modules() if hasattr(part, "graph")]
    nodes = [node for part in parts for node in part.graph.nodes]
    return {str(node.target) for node in nodes if node.op == "call_function"}


@pytest.mark.parametrize("form", ["deform_conv", "grid_sample"])
def test_any_number_of_clips(model, form):
    program = trace(model, inputs(2), form)
    network = program.module()
    for count in (1, 2, 5):
        clips = inputs(count, seed=count)
        assert relative(network(*clips), model(*clips)) < 1e-5
    called = operators(program)
    assert any("grid_sampler" in name for name in called) == (form == "grid_sample")
    assert any("deform_conv2d" in name for name in called) == (form == "deform_conv")
    assert not any("batch_norm" in name for name in called)


def test_weights_in_half_of_the_bytes(model):
    program = trace(model, inputs(2), half_weights=True)
    weights = [tensor for tensor in program.state_dict.values() if tensor.dim() > 1]
    half = [tensor for tensor in weights if tensor.dtype == torch.float16]
    assert sum(t.numel() for t in half) > 0.9 * sum(t.numel() for t in weights)
    clips = inputs(3, seed=3)
    assert 0 < relative(program.module()(*clips), model(*clips)) < 2e-3


def test_from_crops_to_joints(model):
    generator = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (3, 3, 64, 64, 3), dtype=torch.uint8, generator=generator)
    gaps = torch.ones(3, 2)
    whole = CropsToJoints(model, (4.0, 4.0), decode).eval()
    joints, scores = trace(whole, (crops[:2], gaps[:2])).module()(crops, gaps)
    right, peaks = decode(model(normalise(crops), gaps))
    torch.testing.assert_close(joints, 4 * right)
    torch.testing.assert_close(scores, peaks, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_traced_is_refused(model, small_dcpose):
    with pytest.raises(ValueError, match="has 1 clips, expected at least 2"):
        trace(model, inputs(1))
    with pytest.raises(ValueError, match=r"training mode, call eval\(\)"):
        trace(small_dcpose().train(), inputs(2))


@torch.inference_mode()
def test_a_traced_network_that_is_prepared_still_computes(model):
    """Of an export nothing may stay in the process, such as memory without values."""
    fast = prepare_for_inference(model, inputs(2))
    expected = fast(*inputs(2))
    fresh = prepare_for_inference(model, inputs(2))
    with torch.inference_mode(False):
        torch.export.export(fresh.network, inputs(1))
    assert torch.equal(fresh(*inputs(2)), expected)
    assert torch.equal(fast(*inputs(2)), expected)
