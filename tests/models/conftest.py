"""Fixtures of the network tests: tiny networks, and their weights in the layouts of others."""

import pytest
import torch
import torchvision

from dcpose.models.blocks import residual_chain
from dcpose.models.correction import PoseCorrectionNetwork
from dcpose.models.dcpose import DCPose
from dcpose.models.hrnet import HRNet
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.simple_baseline import SimpleBaseline
from dcpose.models.temporal import PoseResidualFusion, PoseTemporalMerger
from dcpose.models.weight_layouts import to_released_name


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
        dcpose, baseline = _small_dcpose(), SimpleBaseline(18, 3, deconv_channels=8)
        posewarper = PoseWarper(hrnet, HeatmapWarper(3, blocks=2, channels=8))
        resnet = torchvision.models.resnet18(weights=None)
    no_output = {k: v for k, v in _shapes(hrnet).items() if not k.startswith("final_layer.")}
    released = {"warper.chain.": "offset_feats."}
    in_mmpose = {
        "backbone.final_layer.": "neck.trans_layer.", "warper.chain.": "neck.offset_feats."
    }  # fmt: skip
    for i in range(5):
        released[f"warper.offset_convs.{i}."] = f"offsets{i + 1}."
        released[f"warper.deform_convs.{i}."] = f"deform_conv{i + 1}."
        in_mmpose[f"warper.offset_convs.{i}."] = f"neck.offset_layers.{i}."
        in_mmpose[f"warper.deform_convs.{i}."] = f"neck.deform_conv_layers.{i}."

    def renamed(beginnings):
        def rename(name):
            ours = next((ours for ours in beginnings if name.startswith(ours)), "")
            return beginnings.get(ours, "") + name.removeprefix(ours)

        return rename

    return {
        "dcpose": _shapes(dcpose),
        "released DCPose": _shapes(dcpose, to_released_name),
        "HRNet pose": _shapes(hrnet),
        "HRNet ImageNet": {**no_output, **CLASSIFICATION},
        "mmpose 1.x": _shapes(hrnet, _mmpose("head")),
        "mmpose 0.x": _shapes(hrnet, _mmpose("keypoint_head")),
        "mmpose 0.x PoseWarper": _shapes(posewarper, renamed(in_mmpose)),
        "PoseWarper": _shapes(posewarper, renamed({**released, "backbone.": ""})),
        "SimpleBaseline": _shapes(baseline),
        "ResNet ImageNet": _shapes(resnet),
    }
