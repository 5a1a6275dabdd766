"""Layouts of convolutional networks: recognised, each name accounted for, in both directions."""

import json
from pathlib import Path

import pytest
import torch
import torchvision

from dcpose.build.weights import network_of
from dcpose.weights.layouts.convnets import CONVNETS, RELEASED
from dcpose.weights.layouts.naming import name_weights, recognise
from dcpose.weights.loading import check_fit
from dcpose.weights.recognise import config_of, settings_of
from dcpose.weights.strict import WeightsMismatchError

FILE = Path("weights.pth")
TITLES = [layout.title for layout in CONVNETS]
FULL_SIZE = {  # key list: layout, entries, of these left out
    "dcpose": ("released DCPose", 2215, 0),
    "hrnet_w48": ("HRNet pose", 1754, 0),
    "mmpose_hrnet_w48": ("mmpose 1.x", 1754, 0),
    "timm_hrnet_w48": ("HRNet ImageNet", 1956, 204),
    "posewarper": ("PoseWarper", 2010, 0),
    "simplebaseline_resnet50": ("SimpleBaseline", 338, 0),
    "simplebaseline_resnet152": ("SimpleBaseline", 950, 0),
    "mmpose_resnet50": ("mmpose 1.x", 338, 0),
    "mmpose_resnet152": ("mmpose 1.x", 950, 0),
}


def _without_memory(shapes):
    return {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}


def _expected(named):
    """Names and shapes that our networks want of a layout."""
    settings = settings_of(named.state)
    expected = network_of(config_of(settings)).state_dict()
    return {k: v for k, v in expected.items() if not k.startswith(named.layout.without)}


@pytest.fixture(scope="module")
def full_size(shared_dir):
    def read(name):
        shapes = json.loads((shared_dir / "reference" / f"{name}_state_dict.json").read_text())
        return _without_memory(shapes)

    return read


@pytest.mark.parametrize("name", FULL_SIZE)
def test_every_entry_of_the_published_networks_is_accounted_for(name, full_size):
    title, entries, left_out = FULL_SIZE[name]
    state = full_size(name)
    named = name_weights(state, FILE)
    assert (named.layout.title, len(state), len(named.left_out)) == (title, entries, left_out)
    expected = _expected(named)
    check_fit(named, expected, FILE)
    assert len(expected) == entries - left_out


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_every_entry_of_torchvision_is_accounted_for(depth):
    with torch.device("meta"):
        state = getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict()
    named = name_weights(state, FILE)
    assert named.layout.title == "ResNet ImageNet"
    assert named.left_out == ("fc.weight", "fc.bias")
    assert settings_of(named.state)["backbone.depth"] == depth
    check_fit(named, _expected(named), FILE)


def test_resnets_of_another_kind_are_refused():
    with torch.device("meta"):
        state = torchvision.models.wide_resnet50_2(weights=None).state_dict()
    named = name_weights(state, FILE)
    with pytest.raises(WeightsMismatchError, match=r"layer1\.0\.conv1\.weight"):
        check_fit(named, _expected(named), FILE)


@pytest.mark.parametrize("title", TITLES)
def test_layouts_are_recognised_and_names_go_there_and_back(title, foreign_shapes):
    shapes = foreign_shapes[title]
    named = name_weights(_without_memory(shapes), FILE)
    assert named.layout.title == title
    assert len(named.state) + len(named.left_out) == len(shapes)
    back = {named.layout.to_theirs(name) for name in named.state}
    assert back | set(named.left_out) == set(shapes)
    check_fit(named, _expected(named), FILE)


@pytest.mark.parametrize("title", TITLES)
def test_no_single_name_decides_the_layout(title, foreign_shapes):
    names = list(foreign_shapes[title])
    for name in names[:: max(1, len(names) // 40)]:
        others = [other for other in names if other != name]
        assert recognise([*others, f"{name}_x"], FILE).title == title


def _faults(name, tensor):
    """Yields a fault, and what takes the entry's place."""
    yield "missing", {}
    yield "renamed", {f"{name}_x": tensor}
    if tensor.ndim > 1:
        yield "transposed", {name: tensor.permute(*reversed(range(tensor.ndim)))}
    if tensor.ndim > 0:
        yield "truncated", {name: tensor[:-1]}


@pytest.mark.parametrize("name", [*FULL_SIZE, "resnet50"])
def test_one_wrong_entry_is_named(name, full_size):
    if name == "resnet50":
        with torch.device("meta"):
            state = torchvision.models.resnet50(weights=None).state_dict()
    else:
        state = full_size(name)
    whole = name_weights(state, FILE)
    expected = _expected(whole)
    optional = {*whole.left_out, *(key for key in state if key.endswith("num_batches_tracked"))}
    wanted = [key for key in state if key not in optional]
    for key in [*wanted[:: len(wanted) // 12], wanted[-1]]:
        for fault, instead in _faults(key, state[key]):
            changed = {k: v for k, v in state.items() if k != key} | instead
            if changed.keys() == state.keys() and changed[key].shape == state[key].shape:
                continue  # a square matrix, transposed
            with pytest.raises(WeightsMismatchError) as caught:
                check_fit(name_weights(changed, FILE), expected, FILE)
            assert key in str(caught.value), fault
            assert len(caught.value.missing + caught.value.misshapen) == 1
            assert len(caught.value.unexpected) == (fault == "renamed")


def test_renamed_entry_of_a_classification_head_is_named(foreign_shapes):
    state = _without_memory(foreign_shapes["HRNet ImageNet"])
    state["classifier.weights"] = state.pop("classifier.weight")
    named = name_weights(state, FILE)
    with pytest.raises(WeightsMismatchError, match=r"1 unexpected: .*classifier\.weights"):
        check_fit(named, _expected(named), FILE)


def test_outputs_of_earlier_modules_are_not_left_out(full_size):
    left_out = name_weights(full_size("timm_hrnet_w48"), FILE).left_out
    modules = {name.split(".")[1] for name in left_out if name.startswith("stage4.")}
    assert modules == {"2"}


def test_two_names_for_one_entry_are_refused(foreign_shapes):
    state = _without_memory(foreign_shapes["mmpose 1.x"])
    state["keypoint_head.final_layer.bias"] = state["head.final_layer.bias"]
    with pytest.raises(ValueError, match=r"holds two entries for 'backbone\.final_layer\.bias'"):
        name_weights(state, FILE)


def test_image_statistics_of_mmpose_are_left_out(foreign_shapes):
    state = _without_memory({**foreign_shapes["mmpose 1.x"], "data_preprocessor.mean": (3, 1, 1)})
    assert name_weights(state, FILE).left_out == ("data_preprocessor.mean",)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"unknown layout, its names begin a\.b, c; expected one"):
        recognise(["a.b", "c"], FILE)


@pytest.mark.parametrize(
    ("released", "ours"),
    [
        ("rough_pose_estimation_net.conv1.weight", "backbone.conv1.weight"),
        (
            "diff_temporal_fuse.layers.1.conv_bn_relu2_4_3.bn.bias",
            "prf.chain.1.steps.3.2.bn.bias",
        ),
        ("support_temporal_fuse.layers.0.downsample.conv.bias", "ptm.chain.0.shortcut.conv.bias"),
        ("masks_list.4.0.weight", "pcn.mask_convs.4.weight"),
        ("modulated_deform_conv_list.12.deform_conv.bias", "pcn.deform_convs.12.bias"),
        ("something.else", "something.else"),
    ],
)
def test_released_names(released, ours):
    assert RELEASED.to_ours(released) == ours
    assert RELEASED.to_theirs(ours) == released


HEAD = {
    "num_joints": 5,
    "prf.blocks": 1,
    "prf.channels": 7,
    "ptm.blocks": 2,
    "ptm.channels": 6,
    "fusion.blocks": 3,
    "fusion.channels": 8,
    "pcn.dilations (how many)": 2,
    "neighbors": ("prev", "next"),
}
HRNET = {
    "backbone.name": "hrnet",
    "backbone.width": 6,
    "backbone.stem_channels": 8,
    "backbone.modules": (1, 2, 3),
    "backbone.blocks": 2,
}
RESNET = {
    "backbone.name": "simple_baseline",
    "backbone.depth": 34,
    "backbone.deconv_channels": 8,
}
LITE = {"backbone.name": "efficientnet_lite", "backbone.neck.channels": 8}


@pytest.mark.parametrize("head", [HEAD, {"num_joints": 5}], ids=["dcpose", "single_frame"])
@pytest.mark.parametrize("backbone", [HRNET, RESNET, LITE], ids=lambda b: b["backbone.name"])
def test_settings_are_read_from_shapes(backbone, head):
    settings = {**backbone, **head}
    state = network_of(config_of(settings)).state_dict()
    assert settings_of(state) == settings
    first = list(state)[:60:7]  # no single entry decides
    for name in first:
        assert settings_of({k: v for k, v in state.items() if k != name}) == settings
