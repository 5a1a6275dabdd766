"""The backbone."""

import json

import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet


def _shapes(module):
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


def _parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def w48():
    with torch.device("meta"):  # names and shapes need no memory
        return HRNet()


def test_default_has_the_published_sizes(w48):
    # Sub-module counts of HRNet-W48 with 17 joints, as in the released checkpoint.
    assert _parameters(w48) == 63_595_745
    expected = {
        "layer1": 286_208,
        "transition1": 332_064,
        "stage2": 878_112,
        "transition2": 166_272,
        "stage3": 15_335_040,
        "transition3": 664_320,
        "stage4": 45_894_048,
        "final_layer": 833,
    }
    assert {name: _parameters(getattr(w48, name)) for name in expected} == expected


def test_names_and_order_are_the_official_ones(w48, shared_dir):
    reference = json.loads((shared_dir / "reference" / "hrnet_w48_state_dict.json").read_text())
    assert list(_shapes(w48).items()) == list(reference.items())


@pytest.mark.parametrize("size", [(64, 32), (96, 64)])
def test_small_variant_makes_quarter_size_heatmaps(size):
    net = HRNet(8, num_joints=5, modules=(1, 2, 1), blocks=1, stem_channels=8)
    out = net(torch.randn(2, 3, *size))
    assert out.shape == (2, 5, size[0] // 4, size[1] // 4)
    out.sum().backward()
    untrained = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert untrained == []


def test_every_image_is_independent_in_eval_mode():
    net = HRNet(4, num_joints=2, modules=(1, 1, 1), blocks=1, stem_channels=4).eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(images)[1:2], net(images[1:2]))


def test_size_that_branches_cannot_halve_is_refused():
    net = HRNet(4, modules=(1, 1, 1), blocks=1, stem_channels=4)
    with pytest.raises(ValueError, match="multiples of 32, got 80 x 64"):
        net(torch.zeros(1, 3, 64, 80))
