"""--inspect on files of ViTPose, MAE, TAR and FAMI: what they are, and which entry is wrong."""

import pytest
import torch

from dcpose.jobs.commands import convert_weights
from dcpose.jobs.commands.convert_weights import fitting_configs
from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.vit import ViT
from dcpose.models.fami import FAMI
from dcpose.models.single_frame import SingleFrame
from dcpose.models.tar import TAR
from dcpose.weights.layouts import temporal, vit
from dcpose.weights.layouts.vit import POSITIONS
from dcpose.weights.recognise import config_of, settings_of


def tiny_vit(decoder="classic", image_wh=(32, 48)):
    return ViT(16, 2, 2, 3, decoder=decoder, decoder_channels=8, image_wh=image_wh)


def in_layout(model, layout, first_row=True):
    """Entries of a model under the names of a layout, positions as a list of rows."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in model.state_dict().items():
        values = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
        names = layout.to_theirs(name).split(", ")  # query, key and value of transformers
        if name == POSITIONS:
            values = values.flatten(2).transpose(1, 2)
            if first_row:
                values = torch.cat([torch.zeros(1, 1, values.shape[2]), values], dim=1)
        parts = values.chunk(len(names)) if len(names) > 1 else [values]
        state.update(zip(names, parts, strict=True))
    return state


def plus(state, experts=3, part=4):
    """Split the last layers of a file of ViTPose into a shared part and those of experts."""
    for name in [name for name in state if ".mlp.fc2." in name]:
        shared, own = state[name].split([len(state[name]) - part, part])
        state[name] = shared
        for number in range(experts):
            state[name.replace("fc2", f"experts.{number}")] = own + number
    return state


def mae():
    model = SingleFrame(tiny_vit(image_wh=(32, 32)))
    names = in_layout(model, vit.VIT_IMAGENET)
    state = {k: t for k, t in names.items() if not k.startswith(("deconv_layers", "final_layer"))}
    return {"model": state | {"cls_token": torch.zeros(1, 1, 16)}}


def tar():
    return {"model_state_dict": in_layout(TAR(tiny_vit(), 3, 2, 2), temporal.TAR, False)}


def fami():
    hrnet = HRNet(4, 3, modules=(1, 1, 1), blocks=1, stem_channels=4)
    return in_layout(FAMI(hrnet, 3, channels=4, offset_groups=2), temporal.FAMI)


VIT = "model.backbone.name=vit"
FILES = {
    "ViTPose": (
        lambda: {"state_dict": in_layout(SingleFrame(tiny_vit()), vit.VITPOSE)},
        "backbone.blocks.1.mlp.fc1.weight",
        [VIT, "model.name=single_frame", "width=16", "depth=2", "decoder=classic", "num_joints=3"],
    ),
    "ViTPose plus": (
        lambda: {"state_dict": plus(in_layout(SingleFrame(tiny_vit()), vit.VITPOSE))},
        "backbone.blocks.1.mlp.experts.2.weight",
        [VIT, "model.name=single_frame", "width=16", "decoder_channels=8"],
    ),
    "ViTPose hub": (
        lambda: in_layout(SingleFrame(tiny_vit("simple")), vit.VITPOSE_HUB),
        "backbone.encoder.layer.1.mlp.fc1.weight",
        [VIT, "model.name=single_frame", "depth=2", "decoder=simple"],
    ),
    "mmpose 1.x ViTPose": (
        lambda: {"state_dict": in_layout(SingleFrame(tiny_vit()), vit.MMPOSE_VITPOSE, False)},
        "head.deconv_layers.0.weight",
        [VIT, "model.name=single_frame", "width=16", "decoder=classic"],
    ),
    "ViT ImageNet": (mae, "blocks.0.attn.qkv.weight", [VIT, "width=16", "depth=2"]),
    "TAR-ViTPose": (
        tar,
        "masked_attention_layers.1.mha.in_proj_weight",
        [VIT, "model.name=tar", "model.jta.layers=2", "num_joints=3"],
    ),
    "FAMI-Pose": (
        fami,
        "dcn_offset_2.conv.weight",
        ["model.name=fami", "model.backbone.name=hrnet", "model.channels=4", "model.frames=5"],
    ),
}
"""By what is inspected: a function that gives the file's content, an entry, parts of the config."""


@pytest.fixture
def inspect(tmp_path, capsys, monkeypatch):
    """Function (content of a file) -> exit code, and what --inspect says, on an error in one line.

    Which of the shipped configs fit is left out: they are many to read.
    """
    monkeypatch.setattr(convert_weights, "fitting_configs", lambda config: [])

    def run(content):
        torch.save(content, tmp_path / "weights.pth")
        code = convert_weights.main(["--inspect", str(tmp_path / "weights.pth")])
        return code, "".join(capsys.readouterr())

    return run


@pytest.mark.parametrize("title", FILES)
def test_what_a_file_is(title, inspect):
    make, _, told = FILES[title]
    code, text = inspect(make())
    assert code == 0, text
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["file"].split(",")[0].endswith("weights.pth")
    assert lines["layout"].startswith(f"{title.removesuffix(' plus')}: ")
    words = lines["config"].split()
    for part in told:
        assert any(word.endswith(part) for word in words), part
    assert lines["problem"] == "none"


@pytest.mark.parametrize("title", FILES)
def test_one_wrong_entry_is_named(title, inspect):
    make, key, _ = FILES[title]
    content = make()
    state = next((value for value in content.values() if isinstance(value, dict)), content)
    right = state[key]
    faults = {
        "missing": {},
        "renamed": {f"{key}_x": right},
        "misshapen": {key: right.transpose(0, 1).contiguous()},
        "truncated": {key: right[:, :-1].clone()},
    }
    for fault, instead in faults.items():
        changed = {name: value for name, value in state.items() if name != key} | instead
        code, text = inspect(changed)
        assert code in (1, 2), fault  # 2 where parts have to be put together first
        assert key in text, fault


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (lambda: SingleFrame(ViT()), "configs/coco/single_frame_vit_b.yaml"),
        (lambda: TAR(ViT(1024, 24, 16)), "configs/posetrack18/tar_vit_l.yaml"),
        (lambda: FAMI(HRNet()), "configs/posetrack21/fami_hrnet_w48.yaml"),
        (lambda: FAMI(ViT()), "configs/posetrack17/fami_vit_b.yaml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_published_sizes_fit_a_shipped_config(model, config):
    with torch.device("meta"):
        state = model().state_dict()
    assert config in fitting_configs(config_of(settings_of(state)))
