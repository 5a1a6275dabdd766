"""Which modules a CPU computes in another way, and that it makes no difference."""

import pytest
import torch
from torch import nn

from dcpose.deploy.cpu import speed_up_on_cpu
from dcpose.deploy.fast import prepare_for_inference
from dcpose.deploy.winograd import WinogradBlocks
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.blocks import conv1x1


def names_of(kind, network):
    return [name for name, module in network.named_modules() if isinstance(module, kind)]


@pytest.fixture(scope="module")
def wide(formula_weights):
    """An HRNet with 48 channels in its finest branch, and weights under which all matters."""
    network = HRNet(48, 3, modules=(1, 1, 1), blocks=1, stem_channels=8)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    network.load_state_dict(formula_weights(shapes, 0))
    return network.eval()


@torch.inference_mode()
def test_wide_branches_go_winograds_way(wide):
    fast = prepare_for_inference(wide)
    branches = [f"stage{2 + k}.0.branches.{i}" for k in range(3) for i in range(min(3, 2 + k))]
    assert names_of(WinogradBlocks, fast.network) == branches
    images = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = wide(images)
    assert float((fast(images) - expected).abs().max() / expected.abs().max()) < 1e-4


def test_other_formats_and_narrow_branches_do_not(wide):
    assert not names_of(WinogradBlocks, prepare_for_inference(wide, torch.bfloat16))
    narrow = HRNet(32, 3, modules=(1, 1, 1), blocks=1, stem_channels=8).eval()
    found = names_of(WinogradBlocks, prepare_for_inference(narrow).network)
    assert found == [name for name in found if not name.endswith("branches.0")]
    assert len(found) == 5  # 64 channels in all three stages, 128 in two


@pytest.mark.parametrize("num", [1, 15, 16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_pointwise_convolutions(num, memory_format):
    torch.manual_seed(0)
    network = nn.Sequential(conv1x1(5, 7), nn.Conv2d(7, 3, 1, stride=2)).requires_grad_(False)
    network.to(memory_format=memory_format)
    x = torch.randn(num, 5, 6, 9).to(memory_format=memory_format)
    expected = network(x)
    speed_up_on_cpu(network)
    torch.testing.assert_close(network(x), expected)


@torch.inference_mode()
def test_images_of_a_pointwise_convolution_become_rows():
    """PyTorch's own way for few images is slower: none of fewer than 16 may reach it."""
    network = nn.Sequential(conv1x1(4, 4)).to(memory_format=torch.channels_last)
    speed_up_on_cpu(network)
    seen = []
    network[0].conv.register_forward_hook(lambda conv, args, out: seen.append(args[0].shape))
    network(torch.randn(2, 4, 24, 18).to(memory_format=torch.channels_last))
    assert seen == [(48, 4, 1, 18)]
