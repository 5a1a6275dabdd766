"""How projects name the weights of the same networks, and what they are called here.

Layouts are recognised by their names. Each is a pair of functions between its names and ours, so
that messages can speak of either; shapes and values are never changed.

    dcpose              our own files, of any model (backbone.*, ptm.*, ...)
    released DCPose     rough_pose_estimation_net.*, diff_temporal_fuse.*, ...
    HRNet pose          the backbone's names without a prefix
    HRNet ImageNet      the same with a classification head in place of the pose output: timm's
    mmpose              backbone.* and head.* (1.x) or keypoint_head.* (0.x), HRNet or ResNet
    PoseWarper          HRNet pose and the warper, as released or in mmpose 0.x
    SimpleBaseline      ResNet, deconv_layers.*, final_layer.*
    ResNet ImageNet     ResNet and fc.*: torchvision's and timm's
    EfficientNet-Lite ImageNet    _conv_stem.*, _blocks.*, ... and a classification head
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

Source = Literal[
    "dcpose",
    "hrnet",
    "mmpose",
    "timm",
    "torchvision",
    "posewarper",
    "simple_baseline",
    "efficientnet_lite",
]
Pairs = tuple[tuple[str, str], ...]
"""Beginnings of names, theirs and ours; # stands for the same number in both."""

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

_LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"

_CLASSIFICATION = re.compile(
    rf"(incre_modules\.\d\.\d\.(conv\d|bn\d|downsample\.\d)|downsamp_modules\.\d\.\d|"
    rf"classifier|final_layer\.\d|stage4\.last\.fuse_layers\.[123](\.\d)+)\.{_LEAF}"
)
"""The head of HRNet's ImageNet networks, and outputs of stage 4 that the pose network lacks."""

_POSEWARPER: Pairs = (
    ("offset_feats.", "warper.chain."),
    *((f"offsets{i + 1}.", f"warper.offset_convs.{i}.") for i in range(5)),
    *((f"deform_conv{i + 1}.", f"warper.deform_convs.{i}.") for i in range(5)),
)

_MMPOSE_POSEWARPER: Pairs = (
    ("neck.trans_layer.", "backbone.final_layer."),
    ("neck.offset_feats.", "warper.chain."),
    ("neck.offset_layers.#.", "warper.offset_convs.#."),
    ("neck.deform_conv_layers.#.", "warper.deform_convs.#."),
)

_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True)
class Layout:
    """One way to name weights.

    Attributes:
        title: what messages call it.
        source: what `scripts/convert_weights.py --from` calls it.
        to_ours: our name for one of its names; unknown names come back in some form that no model
            has, so that they are found to be unexpected.
        to_theirs: the other way.
        left_out: its names that are no part of our networks (`last` stands for the last module
            of a stage).
        without: beginnings of our names that it does not have; a backbone loaded from it gets
            these initialised anew.
        colours: channel order of the images that it was trained on.
        terms: what is known of its licence.
    """

    title: str
    source: Source
    to_ours: Callable[[str], str]
    to_theirs: Callable[[str], str]
    terms: str
    left_out: re.Pattern[str] = _NOTHING
    without: tuple[str, ...] = ()
    colours: Literal["RGB", "BGR"] = "RGB"


@dataclass(frozen=True)
class NamedWeights:
    """Weights under our names.

    Attributes:
        layout: how the file names them.
        state: names and tensors.
        left_out: names in the file of entries that are no part of our networks.
    """

    layout: Layout
    state: dict[str, Tensor]
    left_out: tuple[str, ...]


def from_released_name(name: str) -> str:
    """Return our name of an entry of the released DCPose layout; unknown names stay as they are."""
    return _swap(name, _RELEASED)


def to_released_name(name: str) -> str:
    """Return the name that the released DCPose layout has for one of ours."""
    return _swap(name, _turned(_RELEASED))


def name_weights(state: Mapping[str, Tensor], path: Path) -> NamedWeights:
    """Recognise the layout of a file by its names, and give the entries our names.

    Args:
        state: names and tensors of the file, see `weights.reading.read_weights`.
        path: the file, for messages.

    Raises:
        ValueError: if the layout is unknown, or two entries would get the same name.
    """
    layout = recognise(state, path)
    left_out = dict.fromkeys(_names_left_out(layout, state))
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name in left_out:
            continue
        own = layout.to_ours(name)
        if own in ours:
            raise ValueError(f"{path} holds two entries for {own!r}, one of them is {name!r}")
        ours[own] = tensor
    return NamedWeights(layout, ours, tuple(left_out))


def recognise(names: Iterable[str], path: Path) -> Layout:
    """Return the layout that some of the names tell; no single name decides.

    Raises:
        ValueError: if it is none of `LAYOUTS`.
    """
    names = list(names)

    def has(*beginnings: str) -> bool:
        return any(name.startswith(beginnings) for name in names)

    rules: tuple[tuple[Layout, bool], ...] = (
        (RELEASED, has("rough_pose_estimation_net.", "offset_mask_combine_conv.")),
        (MMPOSE_POSEWARPER, has("neck.offset_feats.", "neck.offset_layers.")),
        (MMPOSE_0, has("keypoint_head.")),
        (MMPOSE_1, has("head.final_layer.", "head.deconv_layers.")),
        (OURS, has("backbone.")),
        (POSEWARPER, has("offset_feats.")),
        (HRNET_IMAGENET, has("stage2.") and bool(_names_left_out(HRNET_IMAGENET, names))),
        (HRNET_POSE, has("stage2.")),
        (SIMPLE_BASELINE, has("layer4.") and has("deconv_layers.")),
        (RESNET_IMAGENET, has("layer4.")),
        (EFFICIENTNET_LITE_IMAGENET, has("_blocks.")),
    )
    layout = next((layout for layout, fits in rules if fits), None)
    if layout is None:
        raise ValueError(
            f"{path} has an unknown layout, its names begin {', '.join(names[:3])}; expected one "
            f"of {', '.join(dict.fromkeys(layout.title for layout in LAYOUTS))}"
        )
    return layout


def _names_left_out(layout: Layout, names: Iterable[str]) -> list[str]:
    names = list(names)
    modules = [int(m[1]) for name in names if (m := re.match(r"stage4\.(\d+)\.", name))]
    last = f"stage4.{max(modules, default=0)}."
    return [
        name for name in names if layout.left_out.fullmatch(name.replace(last, "stage4.last.", 1))
    ]


def _turned(pairs: Pairs) -> Pairs:
    return tuple((ours, theirs) for theirs, ours in pairs)


def _swap(name: str, pairs: Pairs) -> str:
    for before, after in pairs:
        match = _pattern(before).match(name)
        if match:
            number = match[1] if "#" in before else ""
            return after.replace("#", number) + name[match.end() :]
    return name


@functools.cache
def _pattern(beginning: str) -> re.Pattern[str]:
    return re.compile(re.escape(beginning).replace(r"\#", r"(\d+)"))


def _unchanged(name: str) -> str:
    return name


def _with_backbone(name: str) -> str:
    return f"backbone.{name}"


def _without_backbone(name: str) -> str:
    return name.removeprefix("backbone.")


def _from_posewarper(name: str) -> str:
    own = _swap(name, _POSEWARPER)
    return f"backbone.{name}" if own == name else own


def _to_posewarper(name: str) -> str:
    return _swap(name, _turned(_POSEWARPER)).removeprefix("backbone.")


def _from_mmpose(name: str) -> str:
    return _swap(name, (("head.", "backbone."), ("keypoint_head.", "backbone.")))


def _to_mmpose(name: str, head: str) -> str:
    parts = ("final_layer.", "deconv_layers.")
    return _swap(name, tuple((f"backbone.{part}", f"{head}.{part}") for part in parts))


def _from_efficientnet(name: str) -> str:
    parts = (part.removeprefix("_") for part in name.split("."))
    return f"backbone.trunk.{'.'.join(parts)}"


def _to_efficientnet(name: str) -> str:
    parts = name.removeprefix("backbone.trunk.").split(".")
    # all but numbers and the last part, which belongs to torch, begin with an underscore
    named = [part if part.isdigit() else f"_{part}" for part in parts[:-1]]
    return ".".join([*named, parts[-1]])


_MMPOSE_TERMS = "mmpose: Apache-2.0"
_TRAINING_DATA = "; the terms of the training data (COCO, PoseTrack, ImageNet) apply besides"
_PREPROCESSOR = re.compile(r"data_preprocessor\.(mean|std)")

OURS = Layout(
    "dcpose", "dcpose", _unchanged, _unchanged, "as whoever trained or converted them states"
)
RELEASED = Layout(
    "released DCPose",
    "dcpose",
    from_released_name,
    to_released_name,
    "DCPose was published without a licence: ask its authors before passing the weights on",
)
HRNET_POSE = Layout(
    "HRNet pose",
    "hrnet",
    _with_backbone,
    _without_backbone,
    "see the LICENSE of the official HRNet repository" + _TRAINING_DATA,
)
HRNET_IMAGENET = Layout(
    "HRNet ImageNet",
    "timm",
    _with_backbone,
    _without_backbone,
    "see the model card at timm or the LICENSE of the official HRNet repository" + _TRAINING_DATA,
    left_out=_CLASSIFICATION,
    without=("backbone.final_layer.",),
)
MMPOSE_1 = Layout(
    "mmpose 1.x",
    "mmpose",
    _from_mmpose,
    lambda name: _to_mmpose(name, "head"),
    _MMPOSE_TERMS + _TRAINING_DATA,
    left_out=_PREPROCESSOR,
)
MMPOSE_0 = Layout(
    "mmpose 0.x",
    "mmpose",
    _from_mmpose,
    lambda name: _to_mmpose(name, "keypoint_head"),
    _MMPOSE_TERMS + _TRAINING_DATA,
    left_out=_PREPROCESSOR,
)
MMPOSE_POSEWARPER = Layout(
    "mmpose 0.x PoseWarper",
    "mmpose",
    lambda name: _swap(name, _MMPOSE_POSEWARPER),
    lambda name: _swap(name, _turned(_MMPOSE_POSEWARPER)),
    _MMPOSE_TERMS + _TRAINING_DATA,
)
POSEWARPER = Layout(
    "PoseWarper",
    "posewarper",
    _from_posewarper,
    _to_posewarper,
    "PoseWarper: Apache-2.0" + _TRAINING_DATA,
)
SIMPLE_BASELINE = Layout(
    "SimpleBaseline",
    "simple_baseline",
    _with_backbone,
    _without_backbone,
    "SimpleBaseline: MIT" + _TRAINING_DATA,
    colours="BGR",
)
RESNET_IMAGENET = Layout(
    "ResNet ImageNet",
    "torchvision",
    _with_backbone,
    _without_backbone,
    "see torchvision's (BSD-3-Clause) or timm's model page" + _TRAINING_DATA,
    left_out=re.compile(r"fc\.(weight|bias)"),
    without=("backbone.deconv_layers.", "backbone.final_layer."),
)
EFFICIENTNET_LITE_IMAGENET = Layout(
    "EfficientNet-Lite ImageNet",
    "efficientnet_lite",
    _from_efficientnet,
    _to_efficientnet,
    "Apache-2.0" + _TRAINING_DATA,
    left_out=re.compile(rf"(_conv_head|_bn1|_fc)\.{_LEAF}"),
    without=("backbone.pyramid.", "backbone.final_layer."),
)

LAYOUTS = (
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
