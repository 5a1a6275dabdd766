"""Pieces of work for single threads, and calls of a network that are alike."""

import pytest
import torch
import torchvision
from torch import nn

from dcpose.deploy.fast import prepare_for_inference
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.threads import IMAGES_PER_CALL, in_equal_calls, one_thread_each


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_are_in_order_and_of_one_thread_each(threads):
    results = one_thread_each(lambda piece: (piece, torch.get_num_threads()), range(7))
    assert results == [(piece, 1) for piece in range(7)]
    assert torch.get_num_threads() == threads


def test_errors_come_through(threads):
    with pytest.raises(ZeroDivisionError):
        one_thread_each(lambda piece: 1 // piece, [1, 0])
    assert torch.get_num_threads() == threads


class Recorder(nn.Module):
    """Means of images times their other input; keeps how it was called."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.calls = []

    def forward(self, images, numbers):
        self.calls.append((tuple(images.shape), images.stride()[-3:], torch.get_num_threads()))
        return self.scale * images.flatten(1).mean(1, keepdim=True) * numbers


@pytest.mark.parametrize("num", [1, 4, 6])
@pytest.mark.parametrize("frames", [(), (2,)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_all_calls_are_alike(threads, num, frames, channels_last):
    images = torch.arange(float(num)).view(num, *(1 for _ in frames), 1, 1, 1)
    images = images.expand(num, *frames, 3, 2, 5).contiguous()
    if channels_last:
        images = images.movedim(-3, -1).contiguous().movedim(-1, -3)
    network, numbers = Recorder(), torch.arange(1.0, num + 1)[:, None]
    outputs = in_equal_calls(network, images, numbers)
    rows = 1 if frames else IMAGES_PER_CALL
    assert network.calls == [((rows, *frames, 3, 2, 5), (1, 15, 3), 1)] * -(-num // rows)
    assert outputs.flatten().tolist() == [float(i * (i + 1)) for i in range(num)]
    assert not outputs.requires_grad


def test_autocast_reaches_all_threads(threads):
    with torch.autocast("cpu", torch.bfloat16):
        outputs = in_equal_calls(nn.Conv2d(3, 2, 1), torch.ones(9, 3, 4, 4))
    assert outputs.dtype == torch.bfloat16
    assert len(in_equal_calls(nn.Conv2d(3, 2, 1), torch.ones(0, 3, 4, 4))) == 0


def lively(network):
    """Give a network random weights that keep the scale of the signal, and eval mode."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
        elif tensor.is_floating_point() and not name.endswith("running_var"):
            tensor.uniform_(0.1, 1.0, generator=generator)
    return network.eval()


NETWORKS = {
    "narrow": lambda: HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4),
    "odd": lambda: HRNet(17, 5, modules=(1, 1, 1), blocks=1, stem_channels=12),
    "wide": lambda: HRNet(48, 3, modules=(1, 1, 1), blocks=1),
    "resnet": lambda: SimpleBaseline(18, 3, 8),
    "transformer": lambda: torchvision.models.VisionTransformer(64, 16, 2, 4, 64, 128),
}
"""Few and many channels, transposed convolutions and matrix products round in their own ways."""


@pytest.mark.same_bits
@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_outputs_depend_on_their_own_image_alone(name, prepared):
    """Whatever the other images, their number, the place among them and the order in memory."""
    network = lively(NETWORKS[name]())
    if prepared:
        network = prepare_for_inference(network, [torch.randn(2, 3, 64, 64)])
    images = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    (alone,) = in_equal_calls(network, images[:1])
    assert float(alone.std()) > 0
    for place in range(IMAGES_PER_CALL):
        others = images.roll(place, 0)
        assert torch.equal(in_equal_calls(network, others)[place], alone)
        last = others[: place + 1].contiguous(memory_format=torch.channels_last)
        assert torch.equal(in_equal_calls(network, last)[place], alone)
