"""Fixtures of the network tests: tiny networks, and their weights in the layouts of others."""

import pytest
import torch
import torchvision

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.simple_baseline import SimpleBaseline
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger
from dcpose.models.weight_layouts import to_released_name
from dcpose.models.weight_settings import warper_entries


def _small_dcpose(*, num_joints=3, width=4, blocks=1, dilations=(1, 2), **flags):
    return DCPose(
        HRNet(width, num_joints, modules=(1, 1, 1), blocks=1, stem_channels=4),
        PoseTemporalMerger(num_joints, 1, num_joints),
        PoseResidualFusion(num_joints, blocks, 2 * num_joints),
        residual_chain(3 * num_joints, 6, 1),
        PoseCorrectionNetwork(6, num_joints, num_joints, dilations),
        **flags,
    )


@pytest.fixture(scope="session")
def small_dcpose():
    """Function that builds a DCPose of 3 joints in milliseconds."""
    return _small_dcpose


@pytest.fixture
def clips():
    """Two clips of 64 x 96 pixels (H x W) and their gaps."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(2, 3, 3, 64, 96, generator=generator)
    return frames, torch.tensor([[1.0, 1.0], [1.0, 3.0]])


# What an ImageNet HRNet of one module per stage has besides: names and shapes, a few of each kind
CLASSIFICATION = {
    "incre_modules.0.0.conv1.weight": (8, 4, 1, 1),
    "incre_modules.3.0.downsample.1.running_var": (8,),
    "downsamp_modules.2.1.num_batches_tracked": (),
    "stage4.0.fuse_layers.1.0.0.0.weight": (8, 4, 3, 3),
    "stage4.0.fuse_layers.3.2.0.1.bias": (32,),
    "final_layer.0.weight": (16, 32, 1, 1),
    "final_layer.1.running_mean": (16,),
    "classifier.weight": (10, 16),
    "classifier.bias": (10,),
}


def _shapes(model, rename=lambda name: name):
    return {rename(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _mmpose(head, parts=("final_layer", "deconv_layers")):
    return lambda name: f"{head}.{name}" if name.split(".")[0] in parts else f"backbone.{name}"


@pytest.fixture(scope="session")
def foreign_shapes():
    """Title of a layout -> names and shapes of a small network of 3 joints in that layout."""
    with torch.device("meta"):
        hrnet = HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)
        dcpose, heads = _small_dcpose(), SimpleBaseline(18, 3, deconv_channels=8)
        resnet = torchvision.models.resnet18(weights=None)
    warper = {name: tuple(tensor.shape) for name, tensor in warper_entries(3).items()}
    no_output = {k: v for k, v in _shapes(hrnet).items() if not k.startswith("final_layer.")}
    names_0x = {"final_layer": "neck.trans_layer", "offset_feats": "neck.offset_feats"}
    for i in range(1, 6):
        names_0x[f"offsets{i}"] = f"neck.offset_layers.{i - 1}"
        names_0x[f"deform_conv{i}"] = f"neck.deform_conv_layers.{i - 1}"

    def in_mmpose_0x(name):
        part, rest = name.split(".", 1)
        return f"{names_0x[part]}.{rest}" if part in names_0x else f"backbone.{name}"

    posewarper = {**_shapes(hrnet), **warper}
    return {
        "dcpose": _shapes(dcpose),
        "released DCPose": _shapes(dcpose, to_released_name),
        "HRNet pose": _shapes(hrnet),
        "HRNet ImageNet": {**no_output, **CLASSIFICATION},
        "mmpose 1.x": _shapes(hrnet, _mmpose("head")),
        "mmpose 0.x": _shapes(hrnet, _mmpose("keypoint_head")),
        "mmpose 0.x PoseWarper": {in_mmpose_0x(name): v for name, v in posewarper.items()},
        "PoseWarper": posewarper,
        "SimpleBaseline": _shapes(heads),
        "ResNet ImageNet": _shapes(resnet),
    }
