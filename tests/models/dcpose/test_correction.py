"""The pose correction network."""

import itertools
import math

import pytest
import torch

from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.dcpose.inspect import correction_samples
from dcpose.models.initialise import init_weights


def test_released_size_and_shape():
    # Offset convolutions 881,280, mask convolutions 440,640, deformable convolutions 13,090.
    pcn = PoseCorrectionNetwork(64, 17, 17)
    parts = (pcn.offset_convs, pcn.mask_convs, pcn.deform_convs)
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [
        881_280,
        440_640,
        13_090,
    ]
    out = pcn(torch.randn(2, 17, 8, 6), torch.randn(2, 64, 8, 6))
    assert out.shape == (2, 17, 8, 6)


def test_output_is_the_mean_over_dilations():
    pcn = PoseCorrectionNetwork(5, 3, 3, dilations=(1, 2, 4))
    merged, features = torch.randn(2, 3, 8, 6), torch.randn(2, 5, 8, 6)
    with torch.no_grad():
        parts = [
            pcn.deform_convs[i](merged, pcn.offset_convs[i](features), pcn.mask_convs[i](features))
            for i in range(3)
        ]
        torch.testing.assert_close(pcn(merged, features), sum(parts) / 3)


def test_merged_maps_and_joints_may_differ_in_number():
    pcn = PoseCorrectionNetwork(5, 6, 3, dilations=(1,))
    assert pcn(torch.randn(1, 6, 8, 6), torch.randn(1, 5, 8, 6)).shape == (1, 3, 8, 6)


def test_new_network_puts_out_nearly_nothing_and_learns_its_masks():
    pcn = PoseCorrectionNetwork(64, 17, 17)
    init_weights(pcn, torch.Generator().manual_seed(0))
    merged, features = torch.rand(1, 17, 8, 6), torch.rand(1, 64, 8, 6)
    out = pcn(merged, features)
    assert out.abs().max() < 0.1
    out.sum().backward()
    assert all(conv.weight.grad.abs().max() > 0 for conv in pcn.mask_convs)


def test_no_dilations_are_refused():
    with pytest.raises(ValueError, match="at least one dilation"):
        PoseCorrectionNetwork(5, 3, 3, dilations=())


def test_sigmoid_masks_lie_between_0_and_1():
    # With offsets and mask inputs of 0 every mask is sigmoid(0) = 1 / 2, and an identity
    # convolution returns half of what it reads.
    pcn = PoseCorrectionNetwork(5, 3, 3, dilations=(1,), masks="sigmoid")
    init_weights(pcn)
    merged = torch.randn(1, 3, 8, 6)
    torch.testing.assert_close(pcn(merged, torch.zeros(1, 5, 8, 6)), merged / 2)
    raw = PoseCorrectionNetwork(5, 3, 3, dilations=(1,))
    init_weights(raw)
    assert raw(merged, torch.zeros(1, 5, 8, 6)).eq(0).all()


def bilinear(image, x, y):
    """Value of an (H, W) map between its pixels, zeros around it."""
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for row, column in itertools.product((top, top + 1), (left, left + 1)):
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            total += (1 - abs(x - column)) * (1 - abs(y - row)) * image[row, column].item()
    return total


@pytest.mark.parametrize("masks", ["raw", "sigmoid"])
def test_samples_are_what_the_output_is_made_of(masks):
    generator = torch.Generator().manual_seed(0)
    pcn = PoseCorrectionNetwork(5, 2, 3, dilations=(1, 2), masks=masks)
    for parameter in pcn.parameters():
        parameter.data.normal_(0, 0.4, generator=generator)
    merged, features = (torch.randn(1, n, 8, 6, generator=generator) for n in (2, 5))
    with torch.no_grad():
        expected, samples = pcn(merged, features), correction_samples(pcn, features)
    assert [one.dilation for one in samples] == [1, 2]
    for (x, y), joint in itertools.product([(0, 0), (3, 4), (5, 7)], range(3)):
        total = 0.0
        for one, conv in zip(samples, pcn.deform_convs, strict=True):
            total += conv.bias[joint].item()
            for channel, tap in itertools.product(range(2), range(9)):
                at = one.moved[0, channel, tap, :, y, x].tolist()
                factor = one.masks[0, channel, tap, y, x] * one.weights[joint, channel, tap]
                total += factor.item() * bilinear(merged[0, channel], *at)
        assert total / 2 == pytest.approx(expected[0, joint, y, x].item(), abs=1e-5)
    # row-major taps around the pixel
    assert samples[1].regular[:, :, 4, 3].tolist() == [
        [x, y] for y in (2, 4, 6) for x in (1, 3, 5)
    ]  # fmt: skip
