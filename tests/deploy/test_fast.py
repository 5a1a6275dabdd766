"""The network made ready for inference against the network as it is trained."""

import pytest
import torch
from torch import nn

from dcpose.deploy import fast as fast_module
from dcpose.deploy.fast import prepare_for_inference
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.models.backbones.vit import ViT
from dcpose.models.fami import FAMI
from dcpose.models.interface import Backbone
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame
from dcpose.models.tar import TAR


def lively(model, formula_weights):
    """Give a model weights under which every layer matters, and eval mode."""
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(formula_weights(shapes, 0))
    return model.eval()


def hrnet():
    return HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


class Tokens(Backbone):
    """Patches, LayerNorm, Linear, attention; a parameter and a buffer of its own."""

    stride, side_multiple, feature_channels = 4, 4, 8

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.place = nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.register_buffer("scale", torch.ones(8))
        self.norm, self.qkv, self.last = nn.LayerNorm(8), nn.Linear(8, 24), nn.Conv2d(8, 3, 1)

    def features(self, images):
        maps = self.patches(images) + self.place
        tokens = self.norm(maps.flatten(2).transpose(1, 2)) * self.scale
        queries, keys, values = self.qkv(tokens).chunk(3, dim=-1)
        seen = nn.functional.scaled_dot_product_attention(queries, keys, values)
        return (tokens + seen).transpose(1, 2).unflatten(2, maps.shape[2:])

    def head(self, features):
        return self.last(features)


def vit():
    return ViT(16, 2, 2, 3, decoder_channels=8, image_wh=(48, 64))


NETWORKS = {
    "single_frame": lambda: SingleFrame(hrnet()),
    "posewarper": lambda: PoseWarper(hrnet(), HeatmapWarper(3, 2, 8, (1, 2))),
    "resnet": lambda: SingleFrame(SimpleBaseline(18, 3, 8)),
    "tokens": lambda: SingleFrame(Tokens()),
    "vit": lambda: SingleFrame(vit()),
    "tar": lambda: TAR(vit(), 3, layers=2, heads=2),
    "tar_on_hrnet": lambda: TAR(hrnet(), 3, layers=2, heads=2),
    "fami": lambda: FAMI(hrnet(), 3, num_frames=3, channels=4, offset_groups=2),
    "fami_on_vit": lambda: FAMI(vit(), 3, num_frames=3, channels=4, offset_groups=2),
}


@pytest.fixture(params=["dcpose", "dcpose_sigmoid", *NETWORKS])
def network(request, small_dcpose, formula_weights):
    if request.param.startswith("dcpose"):
        model = small_dcpose()
        model.pcn.masks = "sigmoid" if request.param.endswith("sigmoid") else "raw"
    else:
        model = NETWORKS[request.param]()
    return lively(model, formula_weights)


@pytest.fixture
def inputs(network, clips):
    """Two clips as the network wants them."""
    frames, gaps = clips
    return (frames[:, :2] if isinstance(network, PoseWarper) else frames), gaps


@torch.inference_mode()
def test_the_same_heatmaps(network, inputs):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    fast = prepare_for_inference(network, inputs)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    expected, heatmaps = network(*inputs), fast(*inputs)
    assert heatmaps.shape == expected.shape
    assert relative(heatmaps, expected) < 1e-4
    after = network.state_dict()  # the original still trains
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert norms == sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_of_every_layer_but_sampling(network, inputs, dtype):
    fast = prepare_for_inference(network, inputs, dtype)
    for name, parameter in fast.named_parameters():
        assert parameter.dtype == (torch.float32 if "deform_conv" in name else dtype), name
    floats = [buffer for buffer in fast.buffers() if buffer.is_floating_point()]
    assert all(buffer.dtype == dtype for buffer in floats)
    heatmaps = fast(*inputs)
    assert heatmaps.dtype == torch.float32
    assert 0 < relative(heatmaps, network(*inputs)) < 0.05  # 8 bits, 20 layers


@torch.inference_mode()
def test_channels_last_and_bf16_of_the_network_as_it_is_trained(network, inputs):
    """The figures at full width: docs/benchmarks/precision_cpu.md."""
    expected, (frames, gaps) = network(*inputs), inputs
    last = frames.movedim(2, -1).contiguous().movedim(-1, 2)
    assert relative(network(last, gaps), expected) < 1e-4
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(frames, gaps).float()
    assert 0 < relative(rounded, expected) < 0.05


class Swapped(nn.Module):
    """A convolution and a norm that stand one behind the other, but are not called so."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(2)
        self.norm.running_var.fill_(3)

    def forward(self, x):
        return self.conv(self.norm(x).relu())


def test_a_copy_that_computes_something_else_is_refused():
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"computes something else: .* set test.fast=false"):
        prepare_for_inference(Swapped().eval(), [images])
    with pytest.raises(ValueError, match="computes something else"):
        prepare_for_inference(Swapped().eval(), [images], torch.bfloat16)


def test_numbers_too_large_for_half_precision_are_refused():
    network = nn.Conv2d(3, 1, 1).eval().requires_grad_(False)
    network.weight.fill_(1e6)
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"NaN or infinite heatmaps in torch\.float16"):
        prepare_for_inference(network, [images], torch.float16)
    prepare_for_inference(network, [images], torch.bfloat16)


def test_the_proof_sees_a_difference_of_a_hundredth(monkeypatch, small_dcpose, formula_weights):
    model = lively(small_dcpose(), formula_weights)
    frames = torch.randn(2, 3, 3, 64, 64), torch.ones(2, 2)

    def spoil(network):
        network.backbone.final_layer.bias += 0.05

    monkeypatch.setattr(fast_module, "fuse", spoil)
    with pytest.raises(ValueError, match="computes something else"):
        prepare_for_inference(model, frames)


@pytest.mark.same_bits
@torch.inference_mode()
def test_clips_do_not_see_each_other(network, inputs):
    fast = prepare_for_inference(network, inputs)
    frames, gaps = inputs
    alone = torch.cat([fast(frames[i : i + 1], gaps[i : i + 1]) for i in range(2)])
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            together = fast(frames, gaps)
        finally:
            torch.set_num_threads(before)
        assert torch.equal(together, alone)


def test_training_mode_is_refused(small_dcpose, clips):
    with pytest.raises(ValueError, match=r"eval\(\)"):
        prepare_for_inference(small_dcpose().train(), clips)


@torch.inference_mode()
def test_no_clips_are_fine(small_dcpose, clips):
    fast = prepare_for_inference(small_dcpose().eval(), clips)
    assert fast(*(x[:0] for x in clips)).shape == (0, 3, 16, 24)
