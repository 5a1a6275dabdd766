"""An HRNet with some of its branches in bfloat16."""

import pytest
import torch

from dcpose.deploy.bf16_branches import low_precision_parts
from dcpose.deploy.fast import prepare_for_inference
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline


def lively(model, formula_weights):
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(formula_weights(shapes, 0))
    return model.eval()


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


def test_names_of_the_parts():
    network = HRNet(4, 3, modules=(2, 2, 1), blocks=1, stem_channels=4)
    first = [f"stage2.{module}.branches.{i}" for module in range(2) for i in range(2)]
    last = [*(f"stage3.0.branches.{i}" for i in range(3)), "stage4.0.branches.3"]
    assert low_precision_parts(network) == first + last


def test_other_networks_have_none():
    with pytest.raises(ValueError, match="bf16_branches is for HRNet backbones"):
        low_precision_parts(SimpleBaseline(18, 3, 8))


@torch.inference_mode()
def test_branches_alone(small_dcpose, clips, formula_weights):
    model = lively(small_dcpose(), formula_weights)
    parts = low_precision_parts(model)
    assert all(part.startswith("backbone.stage") for part in parts)
    fast = prepare_for_inference(model, clips, torch.bfloat16, parts)
    half = {n for n, p in fast.named_parameters() if p.dtype == torch.bfloat16}
    beginnings = tuple(f"network.{part}." for part in parts)
    assert half == {n for n, _ in fast.named_parameters() if n.startswith(beginnings)}
    assert all(any(name.startswith(part) for name in half) for part in beginnings)
    everywhere = prepare_for_inference(model, clips, torch.bfloat16)
    heatmaps, expected = fast(*clips), model(*clips)
    assert heatmaps.dtype == torch.float32
    assert 0 < relative(heatmaps, expected) < relative(everywhere(*clips), expected)


@torch.inference_mode()
def test_shortcuts_stay_in_float32(small_dcpose, formula_weights):
    """Of blocks whose convolutions add nothing, what is given comes out to the last bit."""
    backbone = lively(small_dcpose(), formula_weights).backbone
    chain = backbone.stage4[0].branches[3]
    for parameter in chain.parameters():
        parameter.zero_()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    parts = low_precision_parts(backbone)
    fast = prepare_for_inference(backbone, [images], torch.bfloat16, parts)
    x = torch.rand(1, 32, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fast.network.stage4[0].branches[3](x), x)
