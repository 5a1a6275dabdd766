"""TAR: equality with the official modules is in weights/layouts/test_temporal.py."""

import json

import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.vit import ViT
from dcpose.models.tar import TAR

GAPS = torch.ones(2, 4)


def on_vit(**options):
    vit = ViT(16, 2, 2, 3, decoder_channels=8, image_wh=(32, 64))
    vit.init(torch.Generator().manual_seed(0))
    torch.nn.init.normal_(vit.final_layer.weight, generator=torch.Generator().manual_seed(1))
    model = TAR(vit, num_joints=3, **{"layers": 2, **options})
    model.init_head(torch.Generator().manual_seed(2))
    return model.eval()


def on_hrnet(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hrnet = HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)
    torch.nn.init.normal_(hrnet.final_layer.weight, generator=torch.Generator().manual_seed(1))
    model = TAR(hrnet, num_joints=3, **{"layers": 2, **options})
    model.init_head(torch.Generator().manual_seed(2))
    return model.eval()


def train(model):
    return model.training_outputs(model.encode(frames_of()), GAPS)["heatmaps"].heatmaps


def frames_of(number=5, height=64, width=32):
    generator = torch.Generator().manual_seed(number)
    return torch.randn(2, number, 3, height, width, generator=generator)


@pytest.mark.parametrize(
    ("width", "depth", "heads", "layer", "gra", "whole"),
    [
        (384, 12, 12, 1_776_000, 592_128, 35_551_377),
        (768, 12, 12, 7_090_944, 2_363_904, 134_929_425),
        (1024, 24, 16, 12_600_320, 4_200_448, 388_380_945),
        (1280, 32, 16, 19_682_560, 6_561_280, 761_907_729),
    ],
    ids="SBLH",
)
def test_published_sizes(width, depth, heads, layer, gra, whole):
    def count(module):
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        model = TAR(ViT(width, depth, heads))
    assert count(model.jta.layers[0]) == layer
    assert count(model.gra) == gra
    assert count(model) == whole


@pytest.mark.parametrize("order", ["paper", "release"])
@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("build", [on_vit, on_hrnet])
def test_encoding_and_decoding_are_the_forward_pass(build, frames, order):
    model, clip = build(token_order=order), frames_of(frames, 64, 96)
    with torch.no_grad():
        encoded = model.encode(clip)
        output = model(clip, GAPS)
        assert torch.equal(model.decode(encoded, GAPS), output)
        supervised = model.training_outputs(encoded, GAPS)["heatmaps"].heatmaps
        (*_, last) = model.stages(encoded, GAPS).values()
        assert torch.equal(last, output)
    assert encoded.shape[:2] == (2, frames)
    assert output.shape == supervised.shape == (2, 3, 16, 24)
    assert output.isfinite().all()


@pytest.mark.parametrize("build", [on_vit, on_hrnet])
def test_order_of_the_other_frames_does_not_matter_to_the_paper(build):
    clip = frames_of()
    others = clip[:, [4, 0, 2, 1, 3]]
    moved = clip[:, [2, 1, 0, 3, 4]]  # another one is the current frame
    with torch.no_grad():
        paper, release = build(), build(token_order="release")
        output = paper(clip, GAPS)
        torch.testing.assert_close(paper(others, GAPS), output, rtol=0, atol=2e-6 * output.std())
        assert (paper(moved, GAPS) - output).abs().max() > 0.1 * output.std()
        output = release(clip, GAPS)
        assert (release(others, GAPS) - output).abs().max() > 1e-5 * output.std()


def test_the_other_frames_matter():
    model, clip = on_vit(), frames_of()
    changed = clip.clone()
    changed[:, 0] += 1
    with torch.no_grad():
        first, second = model(clip, GAPS), model(changed, GAPS)
    assert (first - second).abs().max() > 1e-3 * first.std()


def test_queries_do_not_look_where_the_heatmap_is_low():
    # changing a token that every query of a frame is kept from changes nothing
    model, clip = on_vit(threshold=0.5), frames_of()
    with torch.no_grad():
        encoded = model.encode(clip)
        stages = model.inside(encoded)
    assert stages.blocked.shape == (2, 3, 5 * 8)
    assert 0.1 < stages.blocked.float().mean() < 0.95
    tokens = encoded.flatten(-2).transpose(-1, -2).flatten(1, 2)
    hidden = stages.blocked.all(dim=1)  # (B, F L)
    assert hidden.any()
    with torch.no_grad():
        queries = model.jta(torch.where(hidden[..., None], 100.0, tokens), stages.blocked)
    torch.testing.assert_close(queries, stages.queries, rtol=0, atol=1e-5)


def test_mask_by_hand():
    # two cells a side at stride 16 of one joint and two frames; scaled to 0 .. 1 in each frame
    model = on_vit(threshold=0.5)
    maps = torch.zeros(1, 2, 1, 8, 8)
    maps[0, 0, 0, :4, :4] = 8.0  # the first cell is 1, the others 0
    maps[0, 1, 0] = 5.0
    maps[0, 1, 0, 4:] = 3.0  # the upper cells are 1
    blocked = model._blocked(maps, torch.Size((2, 2)), 0.5)
    assert blocked.tolist() == [[[False, True, True, True, False, False, True, True]]]
    nowhere = model._blocked(torch.zeros(1, 2, 1, 8, 8), torch.Size((2, 2)), 0.5)
    assert not nowhere.any()  # a query that sees nothing would be NaN


def test_without_a_mask_the_decoder_runs_once():
    model, calls = on_vit(threshold=None), []
    model.backbone.final_layer.register_forward_hook(lambda module, args, out: calls.append(out))
    with torch.no_grad():
        stages = model.inside(model.encode(frames_of()))
    assert len(calls) == 1
    assert stages.blocked is None
    assert stages.frame_heatmaps is None


@pytest.mark.parametrize("build", [on_vit, on_hrnet])
def test_training_moves_everything_that_is_not_frozen(build):
    for frozen in (False, True):
        model = build().train()
        if frozen:
            model.freeze_backbone()
        output = train(model)
        output.square().mean().backward()
        moved = {name for name, p in model.named_parameters() if p.grad is not None}
        backbone = {name for name in moved if name.startswith("backbone.")}
        assert bool(backbone) == (not frozen)
        rest = {n for n, _ in model.named_parameters() if not n.startswith("backbone.")}
        assert rest <= moved
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_initialisation_follows_the_generator():
    first, second = on_vit().state_dict(), on_vit().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert 0.5 < first["jta.content"].std() < 1.5


def test_bf16_autocast_trains():
    model = on_vit().train()
    with torch.autocast("cpu", torch.bfloat16):
        output = train(model)
    output.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_names_are_those_of_the_released_file(shared_dir):
    listed = json.loads((shared_dir / "reference/tarvitpose_base_state_dict.json").read_text())
    with torch.device("meta"):
        model = TAR(ViT(768, 12, 12))
    assert len(model.state_dict()) == len(listed) == 279
