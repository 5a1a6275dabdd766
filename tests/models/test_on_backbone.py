"""Heatmaps of a backbone that stays as it is."""

import pytest
import torch

from dcpose.models.on_backbone import OnBackbone


@pytest.fixture
def images():
    return torch.rand(6, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.same_bits
@pytest.mark.parametrize("prepared", [False, True])
def test_an_image_in_training_does_not_see_the_others(small_dcpose, images, prepared):
    model = small_dcpose().train()
    if prepared:
        model.speed_up_training(torch.float32)
    together = model.image_heatmaps(images)
    assert not together.requires_grad
    for number in (0, 3, 5):
        alone = model.image_heatmaps(images[number : number + 1])
        assert torch.equal(alone[0], together[number])


def test_prepared_copy_gives_the_same_heatmaps(small_dcpose, images):
    model = small_dcpose().train()
    plain = OnBackbone.image_heatmaps(model, images)
    names = list(model.state_dict())
    model.speed_up_training(torch.float32)
    torch.testing.assert_close(model.image_heatmaps(images), plain, rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == names
