"""Heatmaps of a backbone that stays as it is."""

import pytest
import torch

from dcpose.models.on_backbone import IMAGES_PER_CALL, OnBackbone, heatmaps_one_by_one


@pytest.fixture
def images():
    return torch.rand(IMAGES_PER_CALL + 2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_image_does_not_see_the_others(small_dcpose, images, threads):
    backbone = small_dcpose().eval().backbone
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = heatmaps_one_by_one(backbone, images)
        torch.set_num_threads(1)
        for number in (0, 3, 5):
            alone = heatmaps_one_by_one(backbone, images[number : number + 1])
            assert torch.equal(alone[0], together[number])
    finally:
        torch.set_num_threads(before)
    assert together.is_contiguous()
    assert not together.requires_grad
    torch.testing.assert_close(together, backbone(images).detach())


def test_autocast_reaches_all_threads(small_dcpose, images):
    backbone = small_dcpose().eval().backbone
    with torch.autocast("cpu", torch.bfloat16):
        assert heatmaps_one_by_one(backbone, images).dtype == torch.bfloat16


def test_prepared_copy_gives_the_same_heatmaps(small_dcpose, images):
    model = small_dcpose().train()
    plain = OnBackbone.image_heatmaps(model, images)
    names = list(model.state_dict())
    model.speed_up_training(torch.float32)
    torch.testing.assert_close(model.image_heatmaps(images), plain, rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == names
