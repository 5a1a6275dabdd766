"""The whole network: sizes and freezing; equality with the released one is in test_build.py."""

import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.blocks import residual_chain
from dcpose.models.dcpose.correction import PoseCorrectionNetwork
from dcpose.models.dcpose.network import DCPose
from dcpose.models.dcpose.temporal import PoseResidualFusion, PoseTemporalMerger


def test_default_has_the_released_size():
    with torch.device("meta"):
        model = DCPose(
            HRNet(),
            PoseTemporalMerger(17, 1, 17),
            PoseResidualFusion(17, 2, 34),
            residual_chain(51, 64, 2),
            PoseCorrectionNetwork(64, 17, 17),
        )
        model.freeze_backbone()
    parameters = list(model.parameters())
    assert sum(p.numel() for p in parameters) == 65_198_798
    assert sum(p.numel() for p in parameters if p.requires_grad) == 1_603_053


def test_forward_is_decode_of_encode(small_dcpose, clips):
    frames, gaps = clips
    model = small_dcpose().eval()
    with torch.no_grad():
        encoded = model.encode(frames)
        stages = model.stages(encoded, gaps)
        assert encoded.shape == (2, 3, 3, 16, 24)
        assert list(stages) == ["initial", "merged", "corrected"]
        assert all(maps.shape == (2, 3, 16, 24) for maps in stages.values())
        assert torch.equal(stages["initial"], encoded[:, 1])
        assert torch.equal(stages["corrected"], model(frames, gaps))
        assert torch.equal(stages["corrected"], model.decode(encoded, gaps))
        for frame in range(3):
            expected = model.backbone(frames[:, frame])
            torch.testing.assert_close(encoded[:, frame], expected)


@pytest.mark.parametrize("training", [False, True])
def test_identity_start_gives_the_initial_heatmaps_and_learns(small_dcpose, clips, training):
    frames, gaps = clips
    torch.manual_seed(0)  # so few channels may all be dead
    model = small_dcpose(start="identity")
    model.init_head(torch.Generator().manual_seed(0))
    model.train(training)
    encoded = model.encode(frames)
    corrected = model.decode(encoded, gaps)
    assert torch.equal(corrected, encoded[:, 1])
    assert torch.equal(model.stages(encoded, gaps)["corrected"], corrected)
    corrected.square().sum().backward()
    assert all(conv.weight.grad.any() for conv in model.pcn.mask_convs)


def test_identity_start_with_sigmoid_masks_zeroes_the_kernels():
    correction = PoseCorrectionNetwork(6, 3, 3, (1, 2), masks="sigmoid")
    correction.init_to_zero()
    features, merged = torch.rand(1, 6, 8, 8), torch.rand(1, 3, 8, 8)
    output = correction(merged, features)
    assert not output.any()
    output.sum().backward()
    assert all(conv.weight.grad.any() for conv in correction.deform_convs)


@pytest.mark.parametrize(
    ("training", "options"),
    [
        (False, {}),
        (True, {}),
        (True, {"frozen_bn": False}),  # statistics over all frames, as in the release
        (True, {"frozen": False}),
    ],
)
def test_one_call_of_the_backbone(small_dcpose, clips, training, options):
    model, shapes = small_dcpose(**options).train(training), []
    model.backbone.register_forward_hook(lambda module, args, out: shapes.append(out.shape))
    model(*clips)
    assert shapes == [(6, 3, 16, 24)]


def test_frames_without_neighbours_are_refused(small_dcpose):
    with pytest.raises(ValueError, match=r"prev, cur, next; got \(2, 1, 3, 64, 64\)"):
        small_dcpose()(torch.zeros(2, 1, 3, 64, 64), torch.ones(2, 2))


def _train_one_step(model, clips):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    frames, gaps = clips
    outputs = model.training_outputs(model.encode(frames), gaps)
    assert all(output.weight == 1 for output in outputs.values())
    sum(output.heatmaps.square().mean() for output in outputs.values()).backward()
    optimizer.step()
    after = model.state_dict()
    return outputs, [name for name in before if not torch.equal(before[name], after[name])]


def test_frozen_backbone_does_not_move(small_dcpose, clips):
    model = small_dcpose()
    outputs, changed = _train_one_step(model, clips)
    assert list(outputs) == ["corrected"]
    assert all(p.grad is None and not p.requires_grad for p in model.backbone.parameters())
    assert not [name for name in changed if name.startswith("backbone.")]
    assert {name.split(".")[0] for name in changed} == {"ptm", "prf", "fusion", "pcn"}
    trained = [p for n, p in model.named_parameters() if not n.startswith("backbone.")]
    assert all(p.grad is not None for p in trained)


def test_statistics_drift_where_only_parameters_are_frozen(small_dcpose, clips):
    model = small_dcpose(frozen_bn=False)
    _, changed = _train_one_step(model, clips)
    kinds = {name.split(".")[-1] for name in changed if name.startswith("backbone.")}
    assert kinds == {"running_mean", "running_var", "num_batches_tracked"}


def test_unfrozen_backbone_is_trained_and_supervised(small_dcpose, clips):
    model = small_dcpose(frozen=False)
    outputs, changed = _train_one_step(model, clips)
    assert list(outputs) == ["initial", "corrected"]
    assert all(output.heatmaps.shape == (2, 3, 16, 24) for output in outputs.values())
    assert "backbone.conv1.weight" in changed
    assert "backbone.bn1.running_mean" in changed


def test_frozen_backbone_stays_in_eval_mode(small_dcpose):
    model = small_dcpose()
    assert not model.backbone.training  # also before anybody sets a mode
    assert not model.train().backbone.training
    assert model.ptm.training
    assert not model.eval().ptm.training
    assert small_dcpose(frozen_bn=False).train().backbone.training
    assert small_dcpose(frozen=False).train().backbone.training


def test_init_head_leaves_the_backbone(small_dcpose):
    model = small_dcpose()
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    model.init_head(torch.Generator().manual_seed(0))
    after = model.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.fusion[0].split.conv.weight.abs().max() < 0.01


def test_bf16_autocast_trains(small_dcpose, clips):
    model = small_dcpose()
    with torch.autocast("cpu", torch.bfloat16):
        frames, gaps = clips
        corrected = model.training_outputs(model.encode(frames), gaps)["corrected"].heatmaps
    assert corrected.dtype == torch.float32
    corrected.square().mean().backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    ("neighbors", "seen", "cur"), [(("next",), [1, 2], 0), (("prev",), [0, 1], 1)]
)
def test_backbone_does_not_see_a_removed_neighbour(clips, neighbors, seen, cur):
    frames, gaps = clips
    model = DCPose(
        HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4),
        PoseTemporalMerger(3, 1, 3, neighbors),
        PoseResidualFusion(3, 1, 6, neighbors),
        residual_chain(9, 6, 1),
        PoseCorrectionNetwork(6, 3, 3, (1,)),
        neighbors=neighbors,
    ).eval()
    with torch.no_grad():
        encoded = model.encode(frames)
        initial, corrected = (
            one.heatmaps for one in model.training_outputs(encoded, gaps).values()
        )
        torch.testing.assert_close(initial, model.backbone(frames[:, 1]))
        torch.testing.assert_close(encoded[:, model.cur], initial)
        torch.testing.assert_close(encoded[:, 1 - cur], model.backbone(frames[:, seen[1 - cur]]))
        removed = ({0, 1, 2} - set(seen)).pop()
        frames[:, removed] = float("nan")
        assert torch.equal(model(frames, gaps), corrected)
    assert model.cur == cur
