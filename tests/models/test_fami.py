"""FAMI: equality with the official head is in weights/layouts/test_temporal.py."""

import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.vit import ViT
from dcpose.models.fami import FAMI, translated

GAPS = torch.ones(2, 4)


def on_hrnet(**options):
    hrnet = HRNet(12, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)
    model = FAMI(hrnet, **{"num_joints": 3, "channels": 12, **options})
    model.init_head(torch.Generator().manual_seed(2))
    return model


def on_vit(**options):
    vit = ViT(16, 2, 2, 3, decoder_channels=8, image_wh=(32, 64))
    vit.init(torch.Generator().manual_seed(0))
    model = FAMI(vit, **{"num_joints": 3, "channels": 12, **options})
    model.init_head(torch.Generator().manual_seed(2))
    return model


def lively(model):
    """Give a head weights that do something, as training would."""
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and not name.startswith("backbone."):
            std = parameter[0].numel() ** -0.5
            torch.nn.init.normal_(parameter, std=std, generator=generator)
    return model


def train(model):
    return model.training_outputs(model.encode(frames_of()), GAPS)["heatmaps"].heatmaps


def frames_of(number=5, height=64, width=96):
    generator = torch.Generator().manual_seed(number)
    return torch.randn(2, number, 3, height, width, generator=generator)


def test_released_size():
    with torch.device("meta"):
        model = FAMI(HRNet())

    def count(module):
        return sum(p.numel() for p in module.parameters())

    parts = {name: count(part) for name, part in model.named_children()}
    assert sum(parts.values()) - parts["backbone"] == 1_059_459
    assert (parts["shift"], parts["merge"], parts["combine"]) == (35_410, 154_848, 67_104)
    assert (parts["fuse"], parts["output"]) == (150_432, 7_361)


@pytest.mark.parametrize("frames", [2, 3, 5])
@pytest.mark.parametrize("build", [on_hrnet, on_vit])
def test_encoding_and_decoding_are_the_forward_pass(build, frames):
    model, clip = lively(build(num_frames=frames)).eval(), frames_of(frames)
    with torch.no_grad():
        encoded = model.encode(clip)
        output = model(clip, GAPS)
        assert torch.equal(model.decode(encoded, GAPS), output)
        supervised = model.training_outputs(encoded, GAPS)["heatmaps"].heatmaps
        assert torch.equal(supervised, output)
    assert output.shape == (2, 3, 16, 24)
    with pytest.raises(ValueError, match=f"expected clips of {frames} frames, got 4"):
        model(frames_of(4), GAPS)


def test_the_frames_have_their_places():
    model, clip = lively(on_hrnet()).eval(), frames_of()
    with torch.no_grad():
        output = model(clip, GAPS)
        reversed_clip = model(clip.flip(1), GAPS)
    assert (output - reversed_clip).abs().max() > 1e-3 * output.std()


@pytest.mark.parametrize("build", [on_hrnet, on_vit])
def test_training_moves_the_head_and_an_unfrozen_backbone(build):
    for frozen in (True, False):
        model = build().train()
        if frozen:
            model.freeze_backbone()
        lively(model)
        output = train(model)
        output.square().mean().backward()
        moved = {name for name, p in model.named_parameters() if p.grad is not None}
        assert any(name.startswith("backbone.") for name in moved) == (not frozen)
        head = {n for n, _ in model.named_parameters() if not n.startswith("backbone.")}
        assert head <= moved
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_translation_by_hand():
    maps = torch.arange(12.0).view(1, 1, 3, 4)
    right = translated(maps, torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(right[0, 0, 1], torch.tensor([0.0, 4, 5, 6]))
    down = translated(maps, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(down[0, 0, :, 2], torch.tensor([0.0, 2, 6]))
    half = translated(maps, torch.tensor([[-0.5, 0.0]]))
    torch.testing.assert_close(half[0, 0, 0, :3], torch.tensor([0.5, 1.5, 2.5]))
    assert torch.equal(translated(maps, torch.zeros(1, 2)), maps)


def test_shift_learns():
    shifts = torch.tensor([[0.3, -0.2]], requires_grad=True)
    translated(torch.randn(1, 2, 6, 5), shifts).square().sum().backward()
    assert shifts.grad.abs().min() > 0


def test_mutual_information_needs_features_that_the_output_layer_takes():
    with pytest.raises(ValueError, match="12 channels at stride 4, the backbone has 16 at stride"):
        on_vit(mutual_information=0.5)
    with pytest.raises(ValueError, match="needs supporting frames"):
        on_hrnet(num_frames=1)


def test_mutual_information_by_hand():
    # with one pixel every softmax is 1, and kl_div(1, 1) = 1 * (log 1 - 1) = -1
    model = lively(on_hrnet(mutual_information=0.5)).eval()
    one = torch.randn(2, 12, 1, 1)
    stages = model.inside(model.encode(frames_of()))._replace(
        current=one, merged=one + 1, fused=2 * one, output=torch.randn(2, 3, 1, 1)
    )
    expected = -(-0.1 + 0.1 + 1 - 1 + 1 - 1)
    torch.testing.assert_close(model.information_loss(stages), torch.tensor(expected))
    real = model.inside(model.encode(frames_of()))
    loss = model.information_loss(real)
    loss.backward()
    assert loss.isfinite()
    supervised = model.training_outputs(model.encode(frames_of()), GAPS)["heatmaps"]
    torch.testing.assert_close(supervised.penalty, 0.5 * loss)
    assert model.output.weight.grad.isfinite().all()


def test_bf16_autocast_trains():
    model = lively(on_hrnet()).train()
    with torch.autocast("cpu", torch.bfloat16):
        output = train(model)
    output.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_initialisation_follows_the_generator():
    first, second = on_hrnet().state_dict(), on_hrnet().state_dict()
    head = [name for name in first if not name.startswith("backbone.")]
    assert all(torch.equal(first[name], second[name]) for name in head)
    assert first["fuse.0.conv1.weight"].std() == pytest.approx(0.001, rel=0.2)
    assert first["calibrations.0.deform_conv.weight"].std() > 0.02
