"""Names and shapes: every entry of a file is accounted for, or the file is refused."""

import pytest
import torch
from safetensors.torch import save_file

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.simple_baseline import SimpleBaseline
from dcpose.models.posewarper import HeatmapWarper, PoseWarper
from dcpose.models.single_frame import SingleFrame
from dcpose.weights.loading import load_backbone_weights, load_weights
from dcpose.weights.strict import WeightsMismatchError


@pytest.fixture
def single_frame():
    return SingleFrame(HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4))


def _filled(model, value):
    """State dict of a model with every entry set to `value`."""
    return {name: torch.full_like(tensor, value) for name, tensor in model.state_dict().items()}


def _save(content, tmp_path):
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def _holds_only(module, value):
    return all(bool((tensor == value).all()) for tensor in module.state_dict().values())


@pytest.mark.parametrize("key", ["model", "state_dict", None])
def test_own_checkpoints_load_whole(small_dcpose, tmp_path, key):
    model = small_dcpose()
    state = _filled(model, 2)
    content = state if key is None else {key: state, "epoch": 3, "config": {"seed": 0}}
    report = load_weights(model, _save(content, tmp_path))
    assert _holds_only(model, 2)
    assert (report.layout, report.num_tensors, report.notes) == ("dcpose", len(state), ())
    assert str(report).endswith(f"weights.pth: {len(state)} tensors, dcpose layout")


def test_safetensors_load(small_dcpose, tmp_path):
    model = small_dcpose()
    save_file(_filled(model, 2), tmp_path / "weights.safetensors")
    load_weights(model, tmp_path / "weights.safetensors")
    assert _holds_only(model, 2)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_stray_prefix_is_removed_and_reported(small_dcpose, tmp_path, prefix):
    model = small_dcpose()
    state = {prefix + name: tensor for name, tensor in _filled(model, 2).items()}
    report = load_weights(model, _save({"state_dict": state}, tmp_path))
    assert _holds_only(model, 2)
    assert f"removed from {len(state)} names" in str(report)


def test_name_with_and_without_prefix_is_refused(small_dcpose, tmp_path):
    model = small_dcpose()
    state = _filled(model, 2)
    state["module.backbone.conv1.weight"] = state["backbone.conv1.weight"]
    with pytest.raises(ValueError, match=r"weights.pth holds 'backbone.conv1.weight' twice"):
        load_weights(model, _save(state, tmp_path))


def test_official_backbone_file_loads(single_frame, small_dcpose, tmp_path):
    file = _save(_filled(single_frame.backbone, 2), tmp_path)
    assert load_weights(single_frame, file).layout == "HRNet pose"
    assert _holds_only(single_frame, 2)
    model = small_dcpose()
    assert load_backbone_weights(model.backbone, file).layout == "HRNet pose"
    assert _holds_only(model.backbone, 2)
    assert not _holds_only(model.fusion, 2)


def test_backbone_of_our_checkpoints_loads(single_frame, small_dcpose, tmp_path):
    model = small_dcpose()
    report = load_backbone_weights(
        model.backbone, _save({"model": _filled(single_frame, 2)}, tmp_path)
    )
    assert _holds_only(model.backbone, 2)
    assert report.notes == ()
    whole = _filled(small_dcpose(), 3)
    report = load_backbone_weights(model.backbone, _save({"model": whole}, tmp_path))
    assert _holds_only(model.backbone, 3)
    head = len(whole) - report.num_tensors
    assert head == sum(not name.startswith("backbone.") for name in whole)
    assert report.notes == (f"{head} entries of a head left out",)


def test_counters_of_old_files_may_be_missing(single_frame, tmp_path):
    state = _filled(single_frame, 2)
    old = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    report = load_weights(single_frame, _save(old, tmp_path))
    assert report.num_tensors == len(old)
    assert report.notes == (
        f"{len(state) - len(old)} BatchNorm counters not in the file, left as they are",
    )


def test_every_difference_is_listed_and_nothing_loaded(small_dcpose, tmp_path):
    model = small_dcpose()
    state = _filled(model, 2)
    del state["ptm.chain.0.merge.conv.bias"]
    state["pcn.scale"] = torch.zeros(1)
    state["backbone.final_layer.bias"] = torch.zeros(4)
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(model, _save(state, tmp_path))
    error = caught.value
    assert error.missing == ["ptm.chain.0.merge.conv.bias"]
    assert error.unexpected == ["pcn.scale"]
    assert error.misshapen == [("backbone.final_layer.bias", (4,), (3,))]
    assert str(error).endswith(
        "weights.pth does not fit the model: 1 misshapen: backbone.final_layer.bias (4,), "
        "expected (3,); 1 missing: ptm.chain.0.merge.conv.bias; 1 unexpected: pcn.scale"
    )
    assert not _holds_only(model, 2)
    assert not (model.backbone.conv1.weight == 2).any()


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"width": 8}, r"model.backbone.width 8 \(here 4\)"),
        ({"num_joints": 5}, r"model.num_joints 5 \(here 3\)"),
        ({"blocks": 2}, r"model.prf.blocks 2 \(here 1\)"),
        ({"dilations": (1, 2, 3)}, r"model.pcn.dilations \(how many\) 3 \(here 2\)"),
    ],
)
def test_message_says_which_settings_would_fit(small_dcpose, tmp_path, settings, hint):
    file = _save(small_dcpose(**settings).state_dict(), tmp_path)
    with pytest.raises(WeightsMismatchError, match=f"The file would fit .*{hint}") as caught:
        load_weights(small_dcpose(), file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 8000  # long lists are cut, the counts stay


def test_message_says_when_the_other_model_would_fit(single_frame, small_dcpose, tmp_path):
    file = _save(single_frame.state_dict(), tmp_path)
    with pytest.raises(WeightsMismatchError, match="single-frame network: give it as"):
        load_weights(small_dcpose(), file)
    file = _save(small_dcpose().state_dict(), tmp_path)
    with pytest.raises(WeightsMismatchError, match=r"whole DCPose: load it with model\.name dcp"):
        load_weights(single_frame, file)
    posewarper = PoseWarper(single_frame.backbone, HeatmapWarper(3, blocks=1, channels=4))
    file = _save(posewarper.state_dict(), tmp_path)
    with pytest.raises(WeightsMismatchError, match="whole PoseWarper: load it with"):
        load_weights(SingleFrame(single_frame.backbone), file)


def test_unknown_layout_is_refused(single_frame, tmp_path):
    file = _save({"encoder.weight": torch.zeros(2)}, tmp_path)
    with pytest.raises(ValueError, match=r"weights.pth has an unknown layout.*encoder.weight"):
        load_weights(single_frame, file)


@pytest.fixture
def foreign_file(foreign_shapes, formula_weights, tmp_path):
    """Function: title of a layout -> file of a small network in it, and its content."""

    def write(title):
        state = formula_weights(foreign_shapes[title], 7)
        return _save({"state_dict": state}, tmp_path), state

    return write


@pytest.mark.parametrize(
    "title",
    [
        "HRNet pose", "mmpose 1.x", "mmpose 0.x", "released DCPose", "dcpose", "PoseWarper",
        "mmpose 0.x PoseWarper", "SimpleBaseline",
    ],
)  # fmt: skip
def test_foreign_files_load_whole_with_equal_values(
    title, foreign_file, single_frame, small_dcpose
):
    file, state = foreign_file(title)
    if "DCPose" in title or title == "dcpose":
        model = small_dcpose()
    elif "PoseWarper" in title:
        model = PoseWarper(single_frame.backbone, HeatmapWarper(3, blocks=2, channels=8))
    elif title == "SimpleBaseline":
        model = SingleFrame(SimpleBaseline(18, 3, deconv_channels=8))
    else:
        model = single_frame
    report = load_weights(model, file)
    assert ("BGR" in str(report)) == (title == "SimpleBaseline")
    assert (report.layout, report.num_tensors) == (title, len(state))
    loaded = sorted(model.state_dict().values(), key=lambda t: (t.numel(), t.double().sum()))
    given = sorted(state.values(), key=lambda t: (t.numel(), t.double().sum()))
    assert all(torch.equal(a, b) for a, b in zip(loaded, given, strict=True))


@pytest.mark.parametrize(
    "title", ["HRNet pose", "HRNet ImageNet", "mmpose 1.x", "PoseWarper", "mmpose 0.x PoseWarper"]
)
def test_backbones_come_out_of_foreign_files(title, foreign_file, small_dcpose):
    file, state = foreign_file(title)
    backbone = small_dcpose(frozen=False).backbone
    fresh = backbone.final_layer.weight.clone()
    report = load_backbone_weights(backbone, file)
    weight = next(
        t for name, t in state.items() if name.endswith("stage4.0.branches.3.0.conv2.weight")
    )
    assert torch.equal(backbone.stage4[0].branches[3][0].conv2.weight, weight)
    assert torch.equal(backbone.final_layer.weight, fresh) == (title == "HRNet ImageNet")
    if title == "HRNet ImageNet":
        assert report.notes == (
            "9 entries left out that pose networks do not have",
            "backbone.final_layer.* not in such files, 2 entries initialised anew",
        )
    if "PoseWarper" in title:
        # two blocks of 12 entries, 6 more for the projected shortcut, 2 for each of 5 dilations
        assert report.notes == ("40 entries of a head left out",)


def test_imagenet_files_are_refused_as_a_whole_model(foreign_file, single_frame):
    file, _ = foreign_file("HRNet ImageNet")
    with pytest.raises(WeightsMismatchError, match=r"no pose output: give it as model\.backbone"):
        load_weights(single_frame, file)


def test_imagenet_files_do_not_fill_a_frozen_backbone(foreign_file, small_dcpose):
    file, _ = foreign_file("HRNet ImageNet")
    model = small_dcpose(frozen=True)
    before = model.backbone.conv1.weight.clone()
    with pytest.raises(ValueError, match=r"no pose output .*would stay random.*frozen=false"):
        load_backbone_weights(model.backbone, file)
    assert torch.equal(model.backbone.conv1.weight, before)


def test_lost_output_of_a_pose_file_is_no_imagenet_file(foreign_file, small_dcpose, tmp_path):
    _, state = foreign_file("HRNet pose")
    del state["final_layer.weight"]
    with pytest.raises(WeightsMismatchError, match=r"1 missing: backbone\.final_layer\.weight"):
        load_backbone_weights(small_dcpose(frozen=False).backbone, _save(state, tmp_path))


def test_resnet_files_fill_a_network_of_that_kind_only(foreign_file, small_dcpose):
    file, state = foreign_file("ResNet ImageNet")
    resnet = SimpleBaseline(18, 3, deconv_channels=8)
    report = load_backbone_weights(resnet, file)
    assert torch.equal(resnet.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert report.notes[1].startswith("backbone.deconv_layers.*, backbone.final_layer.* not in")
    with pytest.raises(ValueError, match="holds a ResNet-18, the model's backbone is HRNet"):
        load_backbone_weights(small_dcpose(frozen=False).backbone, file)
    file, state = foreign_file("SimpleBaseline")
    report = load_backbone_weights(resnet, file)
    assert report.num_tensors == len(state)
    assert report.notes == ("trained on BGR images, here they are RGB: a start for training",)
    assert torch.equal(resnet.deconv_layers[6].weight, state["deconv_layers.6.weight"])
    file, _ = foreign_file("HRNet pose")
    with pytest.raises(ValueError, match="holds HRNet, the model's backbone is a ResNet-18"):
        load_backbone_weights(resnet, file)


def test_messages_have_the_names_of_the_file(foreign_file, small_dcpose, tmp_path):
    _, state = foreign_file("released DCPose")
    name = "support_temporal_fuse.layers.0.conv_bn_relu2_3_1.conv.weight"
    state[f"{name}_x"] = state.pop(name)
    with pytest.raises(WeightsMismatchError) as caught:
        load_weights(small_dcpose(), _save(state, tmp_path))
    ours = "ptm.chain.0.steps.2.0.conv.weight"
    assert f"1 missing: {ours} (in this layout {name}); 1 unexpected: " in str(caught.value)
    assert f"(in this layout {name}_x)" in str(caught.value)
    assert caught.value.missing == [ours]


def test_imagenet_resnets_do_not_fill_a_frozen_backbone(foreign_file):
    file, _ = foreign_file("ResNet ImageNet")
    frozen = SimpleBaseline(18, 3, deconv_channels=8).requires_grad_(False)
    with pytest.raises(ValueError, match=r"deconv_layers.*would stay random"):
        load_backbone_weights(frozen, file)
