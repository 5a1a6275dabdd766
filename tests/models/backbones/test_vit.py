"""ViT: equality with the official network is in weights/test_vitpose.py; here sizes, properties."""

import pytest
import torch

from dcpose.models.backbones.vit import ViT, resampled

TINY = {"width": 16, "depth": 2, "heads": 2, "num_joints": 3, "image_wh": (32, 64)}


def tiny(**options):
    model = ViT(**{**TINY, "decoder_channels": 8, **options})
    model.init(torch.Generator().manual_seed(0))
    return model.eval()


def images_of(height, width, number=2):
    return torch.randn(number, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("width", "depth", "heads", "simple", "classic"),
    [
        (384, 12, 12, 21_722_513, 24_290_577),
        (768, 12, 12, 85_912_337, 89_994_513),
        (1024, 24, 16, 303_453_201, 308_544_785),
        (1280, 32, 16, 631_107_857, 637_208_849),
    ],
    ids="SBLH",
)
def test_published_sizes(width, depth, heads, simple, classic):
    # the files have one row of positions more, which belongs to no cell
    for decoder, expected in (("simple", simple), ("classic", classic)):
        with torch.device("meta"):
            model = ViT(width, depth, heads, decoder=decoder)
        assert sum(p.numel() for p in model.parameters()) + width == expected


@pytest.mark.parametrize("decoder", ["classic", "simple"])
@pytest.mark.parametrize(("height", "width"), [(64, 32), (96, 80), (16, 16)])
def test_any_multiple_of_16_goes_in(decoder, height, width):
    model, images = tiny(decoder=decoder), images_of(height, width)
    with torch.no_grad():
        features = model.features(images)
        heatmaps = model(images)
    assert features.shape == (2, 16, height // model.feature_stride, width // model.feature_stride)
    assert heatmaps.shape == (2, 3, height // model.stride, width // model.stride)
    with torch.no_grad():
        assert torch.equal(model.head(features), heatmaps)


@pytest.mark.parametrize(("height", "width"), [(60, 32), (64, 40)])
def test_other_sides_are_refused(height, width):
    with pytest.raises(ValueError, match=f"multiples of 16, got {width} x {height}"):
        tiny()(images_of(height, width))
    with pytest.raises(ValueError, match="multiples of 16"):
        ViT(**{**TINY, "image_wh": (width, height)})


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="3 heads do not divide a width of 16"):
        tiny(heads=3)


def test_positions_of_another_grid():
    # a constant table is the same for every grid; of its own grid a table stays as it is
    table = torch.randn(1, 4, 16, 12, generator=torch.Generator().manual_seed(0))
    assert resampled(table, (16, 12)) is table
    larger = resampled(table, (24, 18))
    assert larger.shape == (1, 4, 24, 18)
    expected = torch.nn.functional.interpolate(table, (24, 18), mode="bicubic")
    assert torch.equal(larger, expected)
    constant = torch.full((1, 1, 16, 12), 0.7)
    torch.testing.assert_close(resampled(constant, (24, 18)), torch.full((1, 1, 24, 18), 0.7))


def test_positions_matter_and_an_offset_common_to_all_equals_one_of_the_patches():
    model, images = tiny(), images_of(64, 32)
    with torch.no_grad():
        before = model.features(images)
        offset = torch.linspace(-1, 1, 16)
        model.positions += offset.view(1, -1, 1, 1)
        moved = model.features(images)
        model.positions -= offset.view(1, -1, 1, 1)
        model.patch_embed.bias += offset
        torch.testing.assert_close(model.features(images), moved, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(moved, before, atol=1e-2)


def test_simple_decoder_sees_positive_features_alone():
    model = tiny(decoder="simple")
    torch.nn.init.uniform_(model.final_layer.bias)
    with torch.no_grad():
        heatmaps = model.head(torch.full((1, 16, 4, 2), -2.0))
    expected = model.final_layer.bias.detach().view(1, 3, 1, 1).expand(1, 3, 16, 8)
    torch.testing.assert_close(heatmaps, expected)


def test_images_do_not_see_each_other():
    model, images = tiny(), images_of(64, 32, 3)
    with torch.no_grad():
        together = model(images)
        alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-7)


def test_drop_path_rises_with_depth_and_only_in_training():
    model, images = tiny(depth=3, drop_path=0.4), images_of(64, 32)
    assert [block.drop_path.p for block in model.blocks] == pytest.approx([0, 0.2, 0.4])
    with torch.no_grad():
        assert torch.equal(model(images), model(images))
        model.train()
        torch.manual_seed(0)
        first = model.features(images)
        assert not torch.equal(model.features(images), first)


def test_every_parameter_is_trained():
    model = tiny().train()
    for decoder in ("classic", "simple"):
        model = tiny(decoder=decoder).train()
        model(images_of(96, 64)).square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        assert model.positions.grad.any()


def test_initialisation_follows_the_generator():
    first, second, other = tiny().state_dict(), tiny().state_dict(), ViT(**TINY)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["positions"].std() == pytest.approx(0.02, rel=0.3)
    assert first["final_layer.weight"].std() == pytest.approx(0.001, rel=0.5)
    assert not other.positions.any()


def test_bf16_stays_near():
    model, images = tiny(), images_of(96, 80)
    with torch.no_grad():
        exact = model.features(images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.features(images)
        half = model.to(torch.bfloat16).features(images.to(torch.bfloat16))
    for features in (rounded.float(), half.float()):
        assert (features - exact).abs().max() < 0.1 * exact.std()
