"""Layouts of convolutional networks: DCPose, HRNet, PoseWarper and SimpleBaseline.

dcpose              our own files, of any model (backbone.*, ptm.*, ...)
released DCPose     rough_pose_estimation_net.*, diff_temporal_fuse.*, ...
HRNet pose          the backbone's names without a prefix
HRNet ImageNet      the same with a classification head in place of the pose output: timm's
mmpose              backbone.* and head.* (1.x) or keypoint_head.* (0.x), HRNet or ResNet
PoseWarper          HRNet pose and the warper, as released or in mmpose 0.x
SimpleBaseline      ResNet, deconv_layers.*, final_layer.*
ResNet ImageNet     ResNet and fc.*: torchvision's and timm's
"""

import re

from dcpose.weights.layouts.layout import (
    LEAF,
    MMPOSE_TERMS,
    TRAINING_DATA,
    Layout,
    Pairs,
    by_pairs,
)

_RELEASED_CHAINS: Pairs = (
    ("diff_temporal_fuse.layers", "prf.chain"),
    ("support_temporal_fuse.layers", "ptm.chain"),
    ("offset_mask_combine_conv.layers", "fusion"),
)

_RELEASED_UNITS: Pairs = (
    ("conv_bn_relu1", "split"),
    ("conv_bn_relu3", "merge"),
    ("downsample", "shortcut"),
    *(
        (f"conv_bn_relu2_{row + 1}_{step + 1}", f"steps.{row}.{step}")
        for row in range(4)
        for step in range(row + 1)
    ),
)

_RELEASED: Pairs = (
    ("rough_pose_estimation_net.", "backbone."),
    *(
        (f"{chain}.#.{unit}.", f"{our_chain}.#.{our_unit}.")
        for chain, our_chain in _RELEASED_CHAINS
        for unit, our_unit in _RELEASED_UNITS
    ),
    ("offsets_list.#.0.", "pcn.offset_convs.#."),
    ("masks_list.#.0.", "pcn.mask_convs.#."),
    ("modulated_deform_conv_list.#.deform_conv.", "pcn.deform_convs.#."),
)

_CLASSIFICATION = re.compile(
    rf"(incre_modules\.\d\.\d\.(conv\d|bn\d|downsample\.\d)|downsamp_modules\.\d\.\d|"
    rf"classifier|final_layer\.\d|stage4\.last\.fuse_layers\.[123](\.\d)+)\.{LEAF}"
)
"""The head of HRNet's ImageNet networks, and outputs of stage 4 that the pose network lacks."""

_POSEWARPER: Pairs = (
    ("offset_feats.", "warper.chain."),
    *((f"offsets{i + 1}.", f"warper.offset_convs.{i}.") for i in range(5)),
    *((f"deform_conv{i + 1}.", f"warper.deform_convs.{i}.") for i in range(5)),
    ("", "backbone."),
)

_MMPOSE_POSEWARPER: Pairs = (
    ("neck.trans_layer.", "backbone.final_layer."),
    ("neck.offset_feats.", "warper.chain."),
    ("neck.offset_layers.#.", "warper.offset_convs.#."),
    ("neck.deform_conv_layers.#.", "warper.deform_convs.#."),
)


_BACKBONE: Pairs = (("", "backbone."),)


def _mmpose(*heads: str) -> Pairs:
    parts = ("final_layer", "deconv_layers")
    return tuple((f"{head}.{part}.", f"backbone.{part}.") for head in heads for part in parts)


PREPROCESSOR = re.compile(r"data_preprocessor\.(mean|std)")

OURS = Layout("dcpose", "dcpose", *by_pairs(()), "as whoever trained or converted them states")
RELEASED = Layout(
    "released DCPose",
    "dcpose",
    *by_pairs(_RELEASED),
    "DCPose was published without a licence: ask its authors before passing the weights on",
)
HRNET_POSE = Layout(
    "HRNet pose",
    "hrnet",
    *by_pairs(_BACKBONE),
    "see the LICENSE of the official HRNet repository" + TRAINING_DATA,
)
HRNET_IMAGENET = Layout(
    "HRNet ImageNet",
    "timm",
    *by_pairs(_BACKBONE),
    "see the model card at timm or the LICENSE of the official HRNet repository" + TRAINING_DATA,
    left_out=_CLASSIFICATION,
    without=("backbone.final_layer.",),
)
MMPOSE_1 = Layout(
    "mmpose 1.x",
    "mmpose",
    *by_pairs(_mmpose("head", "keypoint_head")),
    MMPOSE_TERMS,
    left_out=PREPROCESSOR,
)
MMPOSE_0 = Layout(
    "mmpose 0.x",
    "mmpose",
    *by_pairs(_mmpose("keypoint_head", "head")),
    MMPOSE_TERMS,
    left_out=PREPROCESSOR,
)
MMPOSE_POSEWARPER = Layout(
    "mmpose 0.x PoseWarper",
    "mmpose",
    *by_pairs(_MMPOSE_POSEWARPER),
    MMPOSE_TERMS,
)
POSEWARPER = Layout(
    "PoseWarper",
    "posewarper",
    *by_pairs(_POSEWARPER),
    "PoseWarper: Apache-2.0" + TRAINING_DATA,
)
SIMPLE_BASELINE = Layout(
    "SimpleBaseline",
    "simple_baseline",
    *by_pairs(_BACKBONE),
    "SimpleBaseline: MIT" + TRAINING_DATA,
    colours="BGR",
)
RESNET_IMAGENET = Layout(
    "ResNet ImageNet",
    "torchvision",
    *by_pairs(_BACKBONE),
    "see torchvision's (BSD-3-Clause) or timm's model page" + TRAINING_DATA,
    left_out=re.compile(r"fc\.(weight|bias)"),
    without=("backbone.deconv_layers.", "backbone.final_layer."),
)


def _from_efficientnet(name: str) -> str:
    parts = (part.removeprefix("_") for part in name.split("."))
    return f"backbone.trunk.{'.'.join(parts)}"


def _to_efficientnet(name: str) -> str:
    parts = name.removeprefix("backbone.trunk.").split(".")
    # all but numbers and the last part, which belongs to torch, begin with an underscore
    named = [part if part.isdigit() else f"_{part}" for part in parts[:-1]]
    return ".".join([*named, parts[-1]])


EFFICIENTNET_LITE_IMAGENET = Layout(
    "EfficientNet-Lite ImageNet",
    "efficientnet_lite",
    _from_efficientnet,
    _to_efficientnet,
    "Apache-2.0" + TRAINING_DATA,
    left_out=re.compile(rf"(_conv_head|_bn1|_fc)\.{LEAF}"),
    without=("backbone.pyramid.", "backbone.final_layer."),
)

CONVNETS = (
    OURS,
    RELEASED,
    HRNET_POSE,
    HRNET_IMAGENET,
    MMPOSE_1,
    MMPOSE_0,
    MMPOSE_POSEWARPER,
    POSEWARPER,
    SIMPLE_BASELINE,
    RESNET_IMAGENET,
    EFFICIENTNET_LITE_IMAGENET,
)
