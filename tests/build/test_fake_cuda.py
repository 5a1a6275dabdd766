"""Branches that only a CUDA device takes: no tensor of the host meets one of the device.

The device is faked: shapes, number formats and devices are right, there are no values.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from dcpose import load_config, structures
from dcpose.build.data import build_clip_options
from dcpose.build.model import build_model
from dcpose.build.training import build_target_encoder
from dcpose.deploy.bf16_branches import convert_parts, low_precision_parts
from dcpose.deploy.fast import FastNetwork, channels_last, convert
from dcpose.deploy.fuse import fuse
from dcpose.engine import inference
from dcpose.engine.supervised import SupervisedModel
from dcpose.heatmap import DECODERS
from dcpose.losses import JointsMSELoss
from dcpose.skeleton import POSETRACK
from dcpose.structures import ClipBatch, PersonRecord

# autocast is off where there is no CUDA; half precision comes in with converted networks
pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available")
CUDA = torch.device("cuda", 0)
VIT = "{name: vit, width: 16, depth: 1, heads: 2, decoder_channels: 8, image_wh: [32, 32]}"
WARPER = "model.warper={blocks: 1, channels: 8, dilations: [1, 2]}"
MODELS = {
    "dcpose": [],
    "dcpose, vit": [f"model.backbone={VIT}"],
    "single_frame": ["model.name=single_frame"],
    "posewarper": ["model.name=posewarper", WARPER],
    "tar, vit": ["model.name=tar", "model.jta={layers: 1, heads: 2}", f"model.backbone={VIT}"],
    "fami": ["model.name=fami"],
}


@pytest.fixture(autouse=True)
def _without_traces():
    """Constants that are kept per device are faked ones here; cuDNN's operators cannot be."""
    with torch.backends.cudnn.flags(enabled=False):
        yield
    structures._normalisation.cache_clear()


def on_cuda(network):
    """Put a network on the faked device, in place: what it holds there has no values."""
    for module in network.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in kept.items():
                if tensor is None:
                    continue
                there = torch.empty(tensor.shape, dtype=tensor.dtype, device=CUDA)
                learns = tensor.requires_grad
                kept[name] = nn.Parameter(there, learns) if kept is module._parameters else there
    return network


def clips(cfg, training):
    """Two clips in host memory, as the loader gives them."""
    num_frames = build_clip_options(cfg, training=training).num_frames
    box = np.array([1.0, 2, 30, 40])
    return ClipBatch(
        people=[PersonRecord("video", 7, frame, box) for frame in range(2)],
        frames=torch.zeros(2, num_frames, 32, 32, 3, dtype=torch.uint8),
        gaps=torch.ones(2, num_frames - 1),
        crop_to_image=torch.zeros(2, 2, 3, dtype=torch.float64),
        joints=torch.zeros(2, 17, 2) if training else None,
        joint_weights=torch.ones(2, 17) if training else None,
    )


def compute_on_cuda(cfg, network, dtype, decoding="quarter"):
    with FakeTensorMode(allow_non_fake_inputs=True):
        batch = clips(cfg, training=False).to(CUDA)
        reading = inference._Reading(4, "classic", DECODERS[decoding])
        poses = inference._compute(
            on_cuda(network), batch, reading=reading, dtype=dtype, flip=POSETRACK
        )
    assert (tuple(poses.shape), poses.device, poses.dtype) == ((2, 17, 3), CUDA, torch.float64)


@pytest.mark.parametrize("name", MODELS)
def test_poses_of_the_network_as_it_is_trained(tiny_cfg, name):
    cfg = load_config(tiny_cfg, MODELS[name])
    compute_on_cuda(cfg, build_model(cfg), torch.bfloat16, "dark")


@pytest.mark.parametrize("name", MODELS)
def test_poses_of_the_prepared_network(tiny_cfg, name):
    cfg = load_config(tiny_cfg, MODELS[name])
    network = build_model(cfg).requires_grad_(False)
    fuse(network)
    channels_last(network)
    convert(network, torch.bfloat16)
    compute_on_cuda(cfg, FastNetwork(network, torch.bfloat16), torch.float32)


def test_poses_of_branches_in_half_precision(tiny_cfg):
    cfg = load_config(tiny_cfg)
    network = build_model(cfg).requires_grad_(False)
    fuse(network)
    convert_parts(network, low_precision_parts(network), torch.bfloat16)
    compute_on_cuda(cfg, FastNetwork(network, torch.float32), torch.float32)


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_of_a_training_step(tiny_cfg, name):
    """Gradients are left out: autograd asks for the driver."""
    cfg = load_config(tiny_cfg, MODELS[name])
    model = build_model(cfg).train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        batch = clips(cfg, training=True).to(CUDA)
        targets, weights = build_target_encoder(cfg, model.stride)(batch)
        supervised = SupervisedModel(on_cuda(model), JointsMSELoss(), torch.bfloat16)
        loss = supervised(batch, targets, weights)
    assert (loss.device, loss.dtype, loss.shape) == (CUDA, torch.float32, ())
    assert loss.requires_grad


def test_what_is_mixed_is_found():
    """The mode sees what these tests are about."""
    with (
        FakeTensorMode(),
        pytest.raises(RuntimeError, match="found at least two devices"),
    ):
        torch.ones(2, device=CUDA) + torch.ones(2, 1)
