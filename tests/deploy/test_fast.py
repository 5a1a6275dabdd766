"""The network made ready for inference against the network as it is trained."""

import pytest
import torch
from torch import nn

from dcpose.deploy.fast import fold_batch_norms, prepare_for_inference
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame


def lively(model, formula_weights):
    """Give a model weights under which every layer matters, and eval mode."""
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(formula_weights(shapes, 0))
    return model.eval()


def hrnet():
    return HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


@pytest.fixture(params=["dcpose", "dcpose_sigmoid", "single_frame", "posewarper", "resnet"])
def network(request, small_dcpose, formula_weights):
    if request.param.startswith("dcpose"):
        model = small_dcpose()
        model.pcn.masks = "sigmoid" if request.param.endswith("sigmoid") else "raw"
    elif request.param == "single_frame":
        model = SingleFrame(hrnet())
    elif request.param == "posewarper":
        model = PoseWarper(hrnet(), HeatmapWarper(3, 2, 8, (1, 2)))
    else:
        model = SingleFrame(SimpleBaseline(18, 3, 8))
    return lively(model, formula_weights)


@torch.inference_mode()
def test_the_same_heatmaps(network, clips):
    frames, gaps = clips
    frames = frames[:, :2] if isinstance(network, PoseWarper) else frames
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast = prepare_for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    expected, heatmaps = network(frames, gaps), fast(frames, gaps)
    assert heatmaps.shape == expected.shape
    assert relative(heatmaps, expected) < 1e-4
    after = network.state_dict()  # the original still trains
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@torch.inference_mode()
def test_half_precision_stays_out_of_sampling(small_dcpose, clips, formula_weights):
    model = lively(small_dcpose(), formula_weights)
    fast = prepare_for_inference(model, torch.bfloat16)
    kinds = {name: parameter.dtype for name, parameter in fast.named_parameters()}
    assert {k for n, k in kinds.items() if "deform_convs" in n} == {torch.float32}
    assert {k for n, k in kinds.items() if "deform_convs" not in n} == {torch.bfloat16}
    heatmaps = fast(*clips)
    assert heatmaps.dtype == torch.float32
    assert 0 < relative(heatmaps, model(*clips)) < 0.05  # 8 bits, 20 layers


@torch.inference_mode()
def test_robust_parts_alone(small_dcpose, clips, formula_weights):
    model = lively(small_dcpose(), formula_weights)
    fast = prepare_for_inference(model, torch.bfloat16, robust_parts_alone=True)
    half = {n for n, p in fast.named_parameters() if p.dtype == torch.bfloat16}
    chains = [f"stage{2 + k}.0.branches.{i}" for k in range(2) for i in range(2 + k)]
    parts = tuple(f"network.backbone.{chain}." for chain in [*chains, "stage4.0.branches.3"])
    in_parts = {n for n, _ in fast.named_parameters() if n.startswith(parts)}
    assert half == in_parts
    assert all(any(name.startswith(part) for name in half) for part in parts)
    everywhere = prepare_for_inference(model, torch.bfloat16)
    heatmaps, expected = fast(*clips), model(*clips)
    assert heatmaps.dtype == torch.float32
    assert 0 < relative(heatmaps, expected) < relative(everywhere(*clips), expected)
    with pytest.raises(ValueError, match="mixed is for HRNet backbones"):
        prepare_for_inference(SimpleBaseline(18, 3, 8).eval(), robust_parts_alone=True)


@torch.inference_mode()
def test_shortcuts_of_robust_parts_stay_in_float32(small_dcpose, formula_weights):
    """Of blocks whose convolutions add nothing, what is given comes out to the last bit."""
    backbone = lively(small_dcpose(), formula_weights).backbone
    chain = backbone.stage4[0].branches[3]
    for parameter in chain.parameters():
        parameter.zero_()
    fast = prepare_for_inference(backbone, torch.bfloat16, robust_parts_alone=True)
    x = torch.rand(1, 32, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fast.network.stage4[0].branches[3](x), x)


def test_one_convolution_per_dilation(small_dcpose, clips):
    calls = []
    fast = prepare_for_inference(small_dcpose(dilations=(1, 2, 3)).eval())
    for module in fast.network.pcn.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, args, out: calls.append(out.shape[1]))
    fast(*(x[:1] for x in clips))
    assert calls == [3 * 9 * 3] * 3  # (dy, dx, mask) of 9 taps of 3 joints


@pytest.mark.same_bits
@torch.inference_mode()
def test_clips_do_not_see_each_other(network, clips):
    fast = prepare_for_inference(network)
    frames, gaps = clips
    frames = frames[:, :2] if isinstance(network, PoseWarper) else frames
    alone = torch.cat([fast(frames[i : i + 1], gaps[i : i + 1]) for i in range(2)])
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            together = fast(frames, gaps)
        finally:
            torch.set_num_threads(before)
        assert torch.equal(together, alone)


def test_training_mode_is_refused(small_dcpose):
    with pytest.raises(ValueError, match=r"eval\(\)"):
        prepare_for_inference(small_dcpose().train())


def test_a_lonely_batch_norm_is_refused():
    with pytest.raises(ValueError, match=r"Sequential\.1 follows no convolution"):
        fold_batch_norms(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)).eval())


@torch.inference_mode()
def test_no_clips_are_fine(small_dcpose, clips):
    fast = prepare_for_inference(small_dcpose().eval())
    assert fast(*(x[:0] for x in clips)).shape == (0, 3, 16, 24)
