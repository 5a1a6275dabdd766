"""The loss, by hand and by derivative."""

import pytest
import torch

from dcpose.losses import JointsMSELoss


def test_value_by_hand():
    # Two people, two joints, maps of 1 x 2 pixels. Squared weighted differences:
    #   person 0: joint 0 (1, 4), joint 1 left out; person 1: joint 0 (0, 0), joint 1 0.25 (4, 0).
    # Mean over people and pixels: joint 0 5/4, joint 1 1/4; mean over joints 3/4.
    predicted = torch.tensor([[[[1.0, 2.0]], [[9.0, 9.0]]], [[[3.0, 3.0]], [[2.0, 5.0]]]])
    target = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]]], [[[3.0, 3.0]], [[0.0, 5.0]]]])
    weights = torch.tensor([[1.0, 0.0], [1.0, 0.5]])
    assert JointsMSELoss()(predicted, target, weights).item() == pytest.approx(0.75)


def test_equals_the_mean_of_channel_means():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 3, 17, 4, 5, generator=generator)
    weights = torch.randint(0, 2, (3, 17), generator=generator).float()
    channels = [
        ((weights[:, j, None, None] * (predicted[:, j] - target[:, j])) ** 2).mean()
        for j in range(17)
    ]
    torch.testing.assert_close(JointsMSELoss()(predicted, target, weights), sum(channels) / 17)


def test_gradient():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 2, 3, 2, 2, generator=generator, dtype=torch.float64)
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 1.0]], dtype=torch.float64)
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: JointsMSELoss()(p, target, weights), predicted)
    JointsMSELoss()(predicted, target, weights).backward()
    assert not predicted.grad[weights == 0].any()
    # d/dP of (w (P - G))^2 / 24 pixels.
    expected = 2 * weights[..., None, None] ** 2 * (predicted - target).detach() / 24
    torch.testing.assert_close(predicted.grad, expected)


def test_half_precision_predictions_are_widened_under_autocast():
    # The square of 1e-4 vanishes next to 1 in bfloat16, and underflows in float16.
    predicted, target = torch.full((1, 1, 2, 2), 1e-4).bfloat16(), torch.zeros(1, 1, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = JointsMSELoss()(predicted, target, torch.ones(1, 1))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1e-8, rel=0.02)


@pytest.mark.parametrize(
    ("target_shape", "weights_shape"), [((2, 3, 4, 4), (2, 1)), ((2, 1, 4, 4), (2, 3))]
)
def test_shapes_that_would_broadcast_are_refused(target_shape, weights_shape):
    with pytest.raises(ValueError, match=r"got \(2, 3, 4, 4\)"):
        JointsMSELoss()(
            torch.zeros(2, 3, 4, 4), torch.zeros(target_shape), torch.zeros(weights_shape)
        )
