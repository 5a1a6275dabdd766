"""Networks of timm as backbones, at tiny sizes and with random weights: nothing is fetched."""

import sys

import pytest
import torch

from dcpose.models.backbones.timm_features import TimmBackbone
from dcpose.structures import normalise

timm = pytest.importorskip("timm", reason="the extra timm is not installed")

FAMILIES = ["test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_mambaout",
            "test_byobnet", "mobilenetv3_small_050", "tf_efficientnet_lite0"]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    network = TimmBackbone(name, num_joints=3, channels=8, image_wh=(64, 96))
    images = torch.randn(2, 3, 96, 64)
    features = network.features(images)
    assert features.shape == (2, 8, 24, 16)
    heatmaps = network(images)
    assert heatmaps.shape == (2, 3, 24, 16)
    heatmaps.square().sum().backward()
    assert all(p.grad is not None for p in network.pyramid.parameters())
    assert 96 % network.side_multiple == 0


def test_images_reach_the_network_as_it_knows_them():
    network = TimmBackbone("tf_efficientnet_lite0", num_joints=2, channels=4)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    seen = normalise(pixels) * network.input_scale + network.input_offset
    expected = (pixels.movedim(-1, 1) / 255 - 0.5) / 0.5  # mean and std of timm's file
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-5)


def test_pretrained_weights_come_from_timm(monkeypatch):
    theirs, create = TimmBackbone("test_resnet", 2, 4).network, timm.create_model

    def fetch(name, pretrained=False, **options):
        return theirs if pretrained else create(name, **options)

    network = TimmBackbone("test_resnet", 2, 4)
    assert not torch.equal(network.network.conv1[0].weight, theirs.conv1[0].weight)
    monkeypatch.setattr(timm, "create_model", fetch)
    network.load_pretrained()
    assert torch.equal(network.network.conv1[0].weight, theirs.conv1[0].weight)


def test_wrong_name_gets_the_nearest():
    with pytest.raises(ValueError, match=r"timm has no 'resnet5'; near to it are .*resnet50"):
        TimmBackbone("resnet5")


def test_size_of_images():
    network = TimmBackbone("test_resnet", num_joints=2, channels=4)
    with pytest.raises(ValueError, match="image sides must be multiples of 32, got 60 x 64"):
        network(torch.zeros(1, 3, 64, 60))


def test_a_table_of_positions_is_for_one_size():
    network = TimmBackbone("test_vit", num_joints=2, channels=4, image_wh=(64, 96))
    with pytest.raises(ValueError, match=r"image_wh: test_vit is built for .* 64 x 96, got 96 x"):
        network(torch.zeros(1, 3, 64, 96))


def test_without_timm_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"name=timm needs .* pip install -U 'dcpose\[timm\]'"):
        TimmBackbone("test_resnet")
