"""SimpleBaseline: names, sizes; equality with the official network is in test_baselines.py."""

import json

import pytest
import torch
import torchvision

from dcpose.models.backbones.simple_baseline import SimpleBaseline


@pytest.mark.parametrize(("depth", "parameters"), [(50, 33_999_697), (152, 68_635_473)])
def test_names_shapes_and_order_are_the_official_ones(depth, parameters, shared_dir):
    path = shared_dir / "reference" / f"simplebaseline_resnet{depth}_state_dict.json"
    with torch.device("meta"):  # names and shapes need no memory
        net = SimpleBaseline(depth)
    shapes = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    assert list(shapes.items()) == list(json.loads(path.read_text()).items())
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_trunk_is_named_as_in_torchvision(depth):
    with torch.device("meta"):
        trunk = SimpleBaseline(depth).state_dict()
        imagenet = getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict()
    left = {name for name in trunk if name not in imagenet}
    assert {name.split(".")[0] for name in left} == {"deconv_layers", "final_layer"}
    assert imagenet.keys() - trunk.keys() == {"fc.weight", "fc.bias"}
    assert all(trunk[name].shape == imagenet[name].shape for name in trunk.keys() - left)


@pytest.mark.parametrize("size", [(64, 32), (96, 64)])
def test_heatmaps_have_a_quarter_of_the_size_and_everything_is_trained(size):
    net = SimpleBaseline(18, num_joints=5, deconv_channels=8)
    out = net(torch.randn(2, 3, *size))
    assert out.shape == (2, 5, size[0] // 4, size[1] // 4)
    out.sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_sizes_and_depths_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="a depth of 18, 34, 50, 101, 152, got 20"):
        SimpleBaseline(20)
    with pytest.raises(ValueError, match="multiples of 32, got 80 x 64"):
        SimpleBaseline(18, deconv_channels=8)(torch.zeros(1, 3, 64, 80))
