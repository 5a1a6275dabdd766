"""What travels: the normalised input of the network."""

import numpy as np
import pytest
import torch

from dcpose.structures import IMAGE_MEAN, IMAGE_STD, ClipBatch


def batch_of(frames):
    empty = torch.zeros(len(frames), 2)
    return ClipBatch([None] * len(frames), frames, empty, empty)


def test_network_input_is_normalised_rgb_channels_first():
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), np.uint8))
    expected = (frames.double() / 255 - torch.tensor(IMAGE_MEAN)) / torch.tensor(IMAGE_STD)
    found = batch_of(frames).network_input()
    assert found.dtype == torch.float32
    assert found.shape == (2, 3, 3, 4, 5)
    torch.testing.assert_close(found.double(), expected.permute(0, 1, 4, 2, 3), rtol=0, atol=1e-6)


def test_normalising_leaves_the_batch_alone_and_may_meet_gradients():
    frames = torch.full((1, 1, 2, 32, 3), 7, dtype=torch.uint8)
    batch = batch_of(frames)
    with torch.inference_mode():
        batch.network_input()
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (batch.network_input() * weight).sum().backward()
    values = (7 / 255 - np.array(IMAGE_MEAN)) / np.array(IMAGE_STD)
    assert weight.grad.flatten().tolist() == pytest.approx(64 * values, rel=1e-5)
    assert (batch.frames == 7).all()
