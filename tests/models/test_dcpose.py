"""The whole network: sizes, freezing, and equality with the released one."""

import numpy as np
import pytest
import torch

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger
from dcpose.models.weights import load_weights


def _released(width=48, prf=(2, 34), ptm=(1, 17), fusion=(2, 64), dilations=(3, 6, 9, 12, 15)):
    """The released architecture for 17 joints; pairs are (blocks, channels)."""
    return DCPose(
        HRNet(width, 17),
        PoseTemporalMerger(17, *ptm),
        PoseResidualFusion(17, *prf),
        residual_chain(prf[1] + ptm[1], fusion[1], fusion[0]),
        PoseCorrectionNetwork(fusion[1], ptm[1], 17, dilations),
    )


def test_default_has_the_released_size():
    with torch.device("meta"):
        model = _released()
    parameters = list(model.parameters())
    assert sum(p.numel() for p in parameters) == 65_198_798
    assert sum(p.numel() for p in parameters if p.requires_grad) == 1_603_053


def _golden_input(case):
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    values = draws.normal(0, 1, (case["batch"], 9, *case["image_hw"])).astype(np.float32)
    cur, prev, next_ = torch.from_numpy(values).unflatten(1, (3, 3)).unbind(1)
    return torch.stack([prev, cur, next_], dim=1), torch.tensor(case["margins"])


def _assert_equals_golden(actual, arrays, name):
    """Recorded are every 4th row and column, and position and value of every map's maximum."""
    expected = arrays[name]
    tolerance = 1e-3 * expected.std()
    assert np.abs(actual[..., ::4, ::4].numpy() - expected).max() <= tolerance
    # Two pixels may lie closer than rounding, so the value at the recorded position is compared,
    # and no other pixel may exceed it by more than the tolerance.
    maps = actual.flatten(-2).numpy()
    positions = arrays[f"{name}_argmax"][..., None].astype(np.int64)
    at_positions = np.take_along_axis(maps, positions, axis=-1)[..., 0]
    assert np.abs(at_positions - arrays[f"{name}_max"]).max() <= tolerance
    assert (maps.max(axis=-1) - at_positions).max() <= tolerance


@pytest.mark.parametrize("name", ["release_w32_small", "release_w48"])
def test_equals_the_released_network(name, golden_case, formula_weights, tmp_path):
    # Made with the released network on weights and inputs by formula, torch 2.13 on CPU.
    case, arrays = golden_case(name)
    file = tmp_path / "released.pth"
    torch.save({"state_dict": formula_weights(case["keys"], case["seed"])}, file)
    sizes = case["model"]
    chains = {
        ours: (sizes[theirs]["blocks"], sizes[theirs]["channels"])
        for ours, theirs in (("prf", "prf"), ("ptm", "ptm"), ("fusion", "combine"))
    }
    model = _released(sizes["width"], dilations=sizes["dilations"], **chains).eval()
    report = load_weights(model, file)
    assert report.layout == "released DCPose"
    assert report.num_tensors == len(case["keys"])

    frames, gaps = _golden_input(case)
    with torch.no_grad():
        initial, merged, corrected = model.stages(frames, gaps)
        residuals = model.prf(initial, gaps)
        features = model.fusion(torch.cat([residuals, merged], dim=1))
    released_order = torch.cat([initial[:, 1], initial[:, 0], initial[:, 2]])
    _assert_equals_golden(released_order, arrays, "backbone_heatmaps")
    _assert_equals_golden(residuals, arrays, "prf")
    _assert_equals_golden(merged, arrays, "ptm")
    _assert_equals_golden(features, arrays, "combined")
    _assert_equals_golden(corrected, arrays, "output")


def test_forward_is_head_of_initial_heatmaps(small_dcpose, clips):
    frames, gaps = clips
    model = small_dcpose().eval()
    assert model.uses_neighbors
    with torch.no_grad():
        stages = model.stages(frames, gaps)
        assert stages.initial.shape == (2, 3, 3, 16, 24)
        assert stages.merged.shape == stages.corrected.shape == (2, 3, 16, 24)
        assert torch.equal(stages.corrected, model(frames, gaps))
        assert torch.equal(stages.corrected, model.head(stages.initial, gaps))
        for frame in range(3):
            expected = model.backbone(frames[:, frame])
            torch.testing.assert_close(stages.initial[:, frame], expected)


def test_backbone_is_called_once(small_dcpose, clips):
    model, shapes = small_dcpose(), []
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
    outputs = model.training_outputs(*clips)
    sum(output.square().mean() for output in outputs).backward()
    optimizer.step()
    after = model.state_dict()
    return outputs, [name for name in before if not torch.equal(before[name], after[name])]


def test_frozen_backbone_does_not_move(small_dcpose, clips):
    model = small_dcpose()
    outputs, changed = _train_one_step(model, clips)
    assert len(outputs) == 1
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
    assert [output.shape for output in outputs] == [(2, 3, 16, 24)] * 2
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
        (corrected,) = model.training_outputs(*clips)
    assert corrected.dtype == torch.float32
    corrected.square().mean().backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(gradient.isfinite().all() for gradient in gradients)
