"""The person detector's places, and what it gives at them."""

import pytest
import torch

from dcpose.models.person_detector.network import STRIDES, PersonDetector, places

CPU = torch.device("cpu")


def test_places():
    middles, strides = places(64, 32, CPU)
    assert len(middles) == len(strides) == 8 * 4 + 4 * 2 + 2
    assert middles[:2].tolist() == [[4, 4], [12, 4]]
    assert middles[8].tolist() == [4, 12]
    assert middles[-2:].tolist() == [[16, 16], [48, 16]]
    assert [strides[0], strides[32], strides[-1]] == list(STRIDES)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PersonDetector(channels=8).eval()


def test_one_score_and_one_box_for_each_place(network):
    images = torch.randn(2, 3, 64, 96)
    logits, boxes = network(images)
    middles, _ = places(96, 64, CPU)
    assert logits.shape == (2, len(middles))
    assert boxes.shape == (2, len(middles), 4)
    # a place lies inside its box, and nobody is expected at the start
    assert (boxes[..., :2] < middles).all()
    assert (boxes[..., 2:] > middles).all()
    assert logits.max() < -2


def test_an_image_is_looked_at_by_itself(network):
    images = torch.randn(2, 3, 64, 64)
    both, alone = network(images), network(images[1:])
    for one, other in zip(both, alone, strict=True):
        torch.testing.assert_close(one[1:], other, rtol=1e-4, atol=1e-4)


def test_every_parameter_learns():
    torch.manual_seed(0)
    network = PersonDetector(channels=8)
    logits, boxes = network(torch.randn(2, 3, 64, 64))
    (logits.square().mean() + boxes.mean()).backward()
    assert all(value.grad.abs().sum() > 0 for value in network.heads.parameters())
    assert network.trunk.conv_stem.weight.grad.abs().sum() > 0
