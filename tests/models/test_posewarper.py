"""PoseWarper: start, freezing, frames; equality with the official network: test_baselines.py."""

import json

import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.models.posewarper import AGGREGATION, HeatmapWarper, PoseWarper
from dcpose.weights.layouts.convnets import POSEWARPER


def small(backbone=None, frozen=True, frozen_bn=True):
    backbone = backbone or HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)
    model = PoseWarper(backbone, HeatmapWarper(3, blocks=2, channels=8, dilations=(1, 3)))
    if frozen:
        model.freeze_backbone(frozen_bn)
    model.init_head(torch.Generator().manual_seed(0))
    return model


def frames_of(number):
    return torch.randn(2, number, 3, 64, 96, generator=torch.Generator().manual_seed(number))


GAPS = torch.ones(2, 2)


def test_default_has_the_released_size_and_names(shared_dir):
    with torch.device("meta"):
        model = PoseWarper(HRNet(), HeatmapWarper())
        model.freeze_backbone()
    parameters = list(model.parameters())
    assert sum(p.numel() for p in parameters) == 71_154_350
    trained = [p for p in parameters if p.requires_grad]
    assert (len(trained), sum(p.numel() for p in trained)) == (133, 7_558_605)
    released = json.loads((shared_dir / "reference" / "posewarper_state_dict.json").read_text())
    shapes = {POSEWARPER.to_theirs(k): list(t.shape) for k, t in model.state_dict().items()}
    assert shapes == released


@pytest.mark.parametrize(
    "backbone",
    [HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4), SimpleBaseline(18, 3, 8)],
    ids=["hrnet", "simple_baseline"],
)
def test_starts_as_the_supporting_heatmaps(backbone):
    model, frames = small(backbone).eval(), frames_of(2)
    with torch.no_grad():
        expected = model.encode(frames)[:, 0]
        torch.testing.assert_close(model(frames, GAPS), expected)
        torch.testing.assert_close(model.propagate(frames), expected)


def test_starts_as_the_weighted_sum_of_five_frames():
    model, frames = small().eval(), frames_of(5)
    assert sum(AGGREGATION) == pytest.approx(1)
    with torch.no_grad():
        initial = model.encode(frames)
        expected = sum(w * initial[:, k] for k, w in enumerate((0.1, 0.25, 0.3, 0.25, 0.1)))
        torch.testing.assert_close(model(frames, GAPS), expected)


def supervised(model):
    return model.training_outputs(model.encode(frames_of(2)), GAPS)["heatmaps"].heatmaps


def test_five_frames_are_five_pairs():
    model, frames = small().eval(), frames_of(5)
    torch.nn.init.normal_(model.warper.offset_convs[0].weight, std=0.3)
    with torch.no_grad():
        pairs = [model(frames[:, [k, 2]], GAPS) for k in range(5)]
        expected = sum(w * pair for w, pair in zip(AGGREGATION, pairs, strict=True))
        torch.testing.assert_close(model(frames, GAPS), expected)
    assert not torch.allclose(pairs[0], pairs[1])


def test_first_step_moves_offsets_and_kernels_alone():
    # the chain cannot learn before the offset convolutions have left zero
    model = small().train()
    supervised(model).square().mean().backward()
    moving = {
        n.split(".")[1] for n, p in model.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert moving == {"offset_convs", "deform_convs"}
    assert all(p.grad is None for p in model.backbone.parameters())


def test_backbone_is_trained_where_it_is_not_frozen():
    model = small(frozen=False).train()
    assert model.backbone.training
    supervised(model).square().mean().backward()
    assert model.backbone.conv1.weight.grad.any()


def test_frozen_backbone_keeps_its_statistics_unless_told():
    for frozen_bn in (True, False):
        model = small(frozen_bn=frozen_bn).train()
        before = model.backbone.bn1.running_mean.clone()
        supervised(model)
        assert torch.equal(model.backbone.bn1.running_mean, before) == frozen_bn
        assert not model.eval().backbone.training


@pytest.mark.parametrize("number", [1, 3, 4])
def test_other_numbers_of_frames_are_refused(number):
    with pytest.raises(ValueError, match=rf"t-2 to t\+2; got \(2, {number}, 3, 64, 96\)"):
        small()(frames_of(number), GAPS)


def test_empty_warpers_are_refused():
    for sizes in ({"blocks": 0}, {"dilations": ()}):
        with pytest.raises(ValueError, match="expected blocks and dilations"):
            HeatmapWarper(3, **sizes)
