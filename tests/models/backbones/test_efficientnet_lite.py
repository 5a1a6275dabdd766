"""EfficientNet-Lite0: shapes, names, and the same numbers as an independent implementation."""

import pytest
import torch

from dcpose.models.backbones.efficientnet_lite import (
    STAGES,
    EfficientNetLite,
    EfficientNetLiteTrunk,
)
from dcpose.structures import IMAGE_MEAN, IMAGE_STD


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EfficientNetLite(num_joints=5, channels=8).eval()


def images(height=64, width=96):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_shapes(network):
    with torch.inference_mode():
        features = network.features(images())
        heatmaps = network(images())
        assert torch.equal(network.head(features), heatmaps)
        levels = network.trunk(images())
    assert features.shape == (2, 8, 16, 24)
    assert heatmaps.shape == (2, 5, 16, 24)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3),
    ]  # fmt: skip


def test_layout_of_the_memory_does_not_matter(network):
    last = images().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        levels = network.trunk(images())
        torch.testing.assert_close(network(images()), network(last))
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in levels)


def test_number_of_parameters():
    # the published 4,652,008 without the last convolution and the classifier
    published, convolution, classifier = 4_652_008, 320 * 1280 + 2 * 1280, 1281 * 1000
    found = sum(parameter.numel() for parameter in EfficientNetLiteTrunk().parameters())
    assert found == published - convolution - classifier


@pytest.mark.parametrize("size", [(60, 96), (64, 100)])
def test_sides_are_multiples_of_32(network, size):
    with pytest.raises(ValueError, match="image sides must be multiples of 32, got"):
        network(images(*size))


def test_frozen_blocks_and_kept_statistics():
    network = EfficientNetLite(2, channels=4, frozen_blocks=3, keep_statistics=True).train()
    network(images()).square().sum().backward()
    moved = {name for name, p in network.named_parameters() if p.grad is not None}
    assert not any(name.startswith(("trunk.conv_stem", "trunk.bn0")) for name in moved)
    blocks = {int(name.split(".")[2]) for name in moved if name.startswith("trunk.blocks.")}
    assert blocks == set(range(3, 16))
    assert not any(m.training for m in network.trunk.modules())
    assert network.pyramid.training
    statistics = network.trunk.blocks[5].bn1
    assert int(statistics.num_batches_tracked) == 0


def test_frozen_blocks_keep_their_statistics_in_any_case():
    network = EfficientNetLite(2, channels=4, frozen_blocks=3).train()
    training = [block.training for block in network.trunk.blocks]
    assert training == [False] * 3 + [True] * 13
    assert not network.trunk.bn0.training


def test_levels_equal_timm():
    timm = pytest.importorskip("timm", reason="compares with timm's network")
    other = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4))
    generator = torch.Generator().manual_seed(2)
    for name, value in other.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1, generator=generator)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2, generator=generator)
    ours = EfficientNetLiteTrunk().eval()
    state = {_our_name(name): value for name, value in other.state_dict().items()}
    ours.load_state_dict(state)
    pixels = torch.rand(2, 3, 96, 64, generator=generator) * 255
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (IMAGE_MEAN, IMAGE_STD))
    with torch.inference_mode():
        expected = other.eval()((pixels - 127) / 128)
        found = ours((pixels / 255 - mean) / std)
    for level, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(level, reference, rtol=1e-5, atol=1e-5 * reference.abs().max())


def _our_name(name: str) -> str:
    """Name of a parameter of timm's network in ours."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name.replace("bn1.", "bn0.")
    stage, block = int(parts[1]), int(parts[2])
    number = sum(repeats for repeats, *_ in STAGES[:stage]) + block
    if stage == 0:  # no expansion
        layers = {
            "conv_dw": "depthwise_conv",
            "bn1": "bn1",
            "conv_pw": "project_conv",
            "bn2": "bn2",
        }
    else:
        layers = {"conv_pw": "expand_conv", "bn1": "bn0", "conv_dw": "depthwise_conv",
                  "bn2": "bn1", "conv_pwl": "project_conv", "bn3": "bn2"}  # fmt: skip
    return ".".join(["blocks", str(number), layers[parts[3]], *parts[4:]])
