"""Batches filled up to recorded sizes; recording itself needs CUDA."""

import pytest
import torch
from torch import nn

from dcpose.deploy.cuda_graphs import GraphedNetwork


class Mean(nn.Module):
    """Heatmaps that tell clip and gap apart."""

    def forward(self, frames, gaps):
        return frames.mean(dim=(1, 2))[:, None] + gaps.sum(1).view(-1, 1, 1, 1)


class Recorder:
    """Runs the network anew on the recorded inputs, into the same memory, as a graph does."""

    def __init__(self):
        self.sizes = []

    def __call__(self, network, inputs):
        self.sizes.append(len(inputs[0]))
        output = network(*inputs)
        assert torch.isfinite(output).all()
        return lambda: output.copy_(network(*inputs))


def clips(count, seed=0, num_frames=3):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(count, num_frames, 3, 8, 8, generator=generator)
    return frames, torch.ones(count, num_frames - 1)


@pytest.mark.parametrize("num_frames", [1, 3, 5])
@torch.inference_mode()
def test_any_number_of_clips(num_frames):
    recorder = Recorder()
    graphed = GraphedNetwork(Mean(), sizes=(1, 2, 4), recorder=recorder)
    first = graphed(*clips(3, 0, num_frames))
    assert recorder.sizes == [4]
    torch.testing.assert_close(first, Mean()(*clips(3, 0, num_frames)))
    kept = first.clone()
    for count in (4, 1, 9, 2):  # 9 is cut into 4, 4, 1
        torch.testing.assert_close(
            graphed(*clips(count, 1, num_frames)), Mean()(*clips(count, 1, num_frames))
        )
    assert recorder.sizes == [4, 1, 2]
    assert torch.equal(first, kept)  # later calls do not write to what was returned


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@torch.inference_mode()
def test_a_recorded_network_computes_the_same():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).cuda().eval()

    class Clip(nn.Module):
        def forward(self, frames, gaps):
            return network(frames[:, 1]) + gaps.sum(1).view(-1, 1, 1, 1)

    graphed = GraphedNetwork(Clip(), sizes=(2, 4))
    for count, seed in ((1, 0), (4, 1), (3, 2), (1, 3)):
        frames, gaps = (tensor.cuda() for tensor in clips(count, seed))
        torch.testing.assert_close(graphed(frames, gaps), Clip()(frames, gaps))
