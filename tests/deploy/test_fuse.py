"""Rewritten networks compute the same; what cannot be rewritten stays."""

import pytest
import torch
from torch import nn

from dcpose.deploy.fuse import fold_batch_norms, fuse
from dcpose.models.dcpose.correction import PoseCorrectionNetwork


def lively(network):
    """Give BatchNorms statistics under which it matters where they are."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(generator=generator)
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval().requires_grad_(False)


def num_norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_norm_goes_into_its_convolution(kind, bias):
    network = lively(nn.Sequential(kind(3, 5, 3, bias=bias), nn.BatchNorm2d(5), nn.ReLU()))
    x = torch.randn(2, 3, 6, 7)
    expected = network(x)
    fold_batch_norms(network)
    assert num_norms(network) == 0
    torch.testing.assert_close(network(x), expected)


class SamePadding(nn.Conv2d):
    """A subclass that is a convolution like others, with more to configure."""


class WithoutBias(nn.Conv2d):
    """A subclass that never looks at its bias."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight, None, padding=1)


class Activated(nn.BatchNorm2d):
    """A BatchNorm with the activation inside, as some libraries have them."""

    def forward(self, x):
        return super().forward(x).relu()


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ((SamePadding(3, 3, 3), nn.BatchNorm2d(3)), 0),
        ((WithoutBias(3, 3, 3), nn.BatchNorm2d(3)), 1),
        ((nn.Conv2d(3, 3, 3), Activated(3)), 1),
        ((nn.ReLU(), nn.BatchNorm2d(3)), 1),
        ((nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)), 1),
        ((nn.Conv2d(3, 6, 1), nn.PixelShuffle(1), nn.BatchNorm2d(6)), 1),
    ],
    ids=["subclass", "no bias", "activation inside", "no convolution", "before", "between"],
)
def test_what_is_more_than_a_convolution_and_a_norm_stays(layers, left):
    torch.manual_seed(0)
    network = lively(nn.Sequential(*layers))
    x = torch.randn(2, 3, 6, 7)
    expected = network(x)
    fold_batch_norms(network)
    assert num_norms(network) == left
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("masks", ["raw", "sigmoid"])
def test_offsets_and_masks_of_a_dilation_in_one_convolution(masks):
    torch.manual_seed(0)

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.pcn = PoseCorrectionNetwork(5, 3, 3, dilations=(1, 2, 4), masks=masks)

        def forward(self, *inputs):
            return self.pcn(*inputs)

    head = Head().eval().requires_grad_(False)
    for parameter in head.parameters():
        parameter.normal_(0, 0.3)
    inputs = torch.randn(2, 3, 8, 6), torch.randn(2, 5, 8, 6)
    expected = head(*inputs)
    fuse(head)
    calls = []
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, args, out: calls.append(out.shape[1]))
    torch.testing.assert_close(head(*inputs), expected)
    assert calls == [3 * 9 * 3] * 3  # (dy, dx, mask) of 9 taps of 3 maps
