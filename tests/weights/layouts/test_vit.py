"""ViTPose's layouts: the official network's numbers, every entry accounted for, wrong ones named.

Recipe of the golden cases: goldens/vitpose/README.md.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dcpose.models.backbones.vit import ViT
from dcpose.models.single_frame import SingleFrame
from dcpose.weights.layouts.naming import name_weights
from dcpose.weights.layouts.vit import fold_experts
from dcpose.weights.loading import check_fit, load_backbone_weights, load_weights
from dcpose.weights.strict import WeightsMismatchError

FILE = Path("weights.pth")
PAIRS = [(i, i + 1) for i in range(1, 17, 2)]


def model_of(case):
    height, width = case["image_hw"]
    vit = ViT(
        case["hidden_size"],
        case["num_hidden_layers"],
        case["num_attention_heads"],
        decoder="simple" if case["use_simple_decoder"] else "classic",
        image_wh=(width, height),
    )
    return SingleFrame(vit).eval()


def input_of(case):
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    images = draws.normal(0, 1, (case["batch"], 3, *case["image_hw"])).astype(np.float32)
    return torch.from_numpy(images)


def check(found, golden, tolerance=1e-4):
    found = np.asarray(found)
    assert found.shape == golden.shape
    assert np.abs(found - golden).max() <= tolerance * golden.std()


HUB_TO_OFFICIAL = {
    "backbone.embeddings.position_embeddings": "backbone.pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "encoder.layer": "blocks",
    "attention.output.dense": "attn.proj",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "backbone.layernorm": "backbone.last_norm",
    "head.deconv1": "keypoint_head.deconv_layers.0",
    "head.batchnorm1": "keypoint_head.deconv_layers.1",
    "head.deconv2": "keypoint_head.deconv_layers.3",
    "head.batchnorm2": "keypoint_head.deconv_layers.4",
    "head.conv": "keypoint_head.final_layer",
}
OFFICIAL_TO_MMPOSE = {
    "patch_embed.proj": "patch_embed.projection",
    "blocks": "layers",
    "norm1": "ln1",
    "norm2": "ln2",
    "mlp.fc1": "ffn.layers.0.0",
    "mlp.fc2": "ffn.layers.1",
    "last_norm": "ln1",
    "keypoint_head": "head",
}


def renamed(state, parts):
    result = {}
    for name, tensor in state.items():
        for theirs, ours in parts.items():
            name = name.replace(theirs, ours)
        result[name] = tensor
    return result


def in_official_layout(state):
    """The entries of a hub file as the authors name them."""
    state = dict(state)
    for name in [name for name in state if ".attention.attention.query." in name]:
        thirds = [state.pop(name.replace("query", third)) for third in ("query", "key", "value")]
        state[name.replace("attention.attention.query", "attn.qkv")] = torch.cat(thirds)
    return renamed(state, HUB_TO_OFFICIAL)


def in_mmpose_layout(state):
    """The entries of a hub file as mmpose 1.x names them; row 0 of the positions is added up."""
    state = renamed(in_official_layout(state), OFFICIAL_TO_MMPOSE)
    table = state["backbone.pos_embed"]
    state["backbone.pos_embed"] = table[:, 1:] + table[:, :1]
    return state


LAYOUTS = {
    "ViTPose hub": dict,
    "ViTPose": in_official_layout,
    "mmpose 1.x ViTPose": in_mmpose_layout,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["vitpose_tiny_simple", "vitpose_tiny_classic"])
def test_equals_the_official_network(name, layout, golden_case, formula_weights, tmp_path):
    case, golden = golden_case(name, "vitpose")
    model, images = model_of(case), input_of(case)
    state = LAYOUTS[layout](formula_weights(case["keys"], case["seed"]))
    if layout == "ViTPose hub":
        path = tmp_path / "model.safetensors"
        save_file(state, path)
    else:
        path = tmp_path / "weights.pth"
        torch.save({"state_dict": state, "meta": {"epoch": 210}}, path)
    assert load_weights(model, path).layout == layout
    with torch.no_grad():
        features = model.backbone.features(images)
        heatmaps = model(images[:, None], torch.ones(len(images), 0))
        mirrored = model.backbone(images.flip(-1)).flip(-1)
    check(features.flatten(2).transpose(1, 2)[:, ::7, ::5], golden["features"])
    check(heatmaps, golden["heatmaps"])
    assert np.array_equal(heatmaps.flatten(2).argmax(-1), golden["heatmaps_argmax"])
    order = torch.arange(17)
    for left, right in PAIRS:
        order[[left, right]] = torch.tensor([right, left])
    check(((heatmaps + mirrored[:, order]) / 2)[:, :, ::4, ::4], golden["flip_mean"])


@pytest.mark.slow
def test_equals_the_official_base(golden_case, formula_weights, tmp_path):
    case, golden = golden_case("vitpose_base_simple", "vitpose")
    model, images = model_of(case), input_of(case)
    save_file(formula_weights(case["keys"], case["seed"]), tmp_path / "model.safetensors")
    load_weights(model, tmp_path / "model.safetensors")
    with torch.no_grad():
        features = model.backbone.features(images)
        heatmaps = model.backbone.head(features)
    check(features.flatten(2).transpose(1, 2)[:, ::7, ::5], golden["features"])
    check(heatmaps, golden["heatmaps"])
    assert np.array_equal(heatmaps.flatten(2).argmax(-1), golden["heatmaps_argmax"])


@pytest.fixture
def plus(golden_case, formula_weights):
    """Case, golden arrays and hub entries of a tiny network of six experts."""
    case, golden = golden_case("vitpose_tiny_plus", "vitpose")
    return case, golden, formula_weights(case["keys"], case["seed"])


def test_each_expert_folded_equals_the_mixture(plus):
    case, golden, state = plus
    model, images = model_of(case), input_of(case)
    for row, expert in enumerate(case["dataset_index"]):
        named = name_weights(fold_experts(state, FILE, expert), FILE)
        model.load_state_dict(check_fit(named, model.state_dict(), FILE)[0])
        with torch.no_grad():
            heatmaps = model.backbone(images[row : row + 1])
        assert np.abs(heatmaps[0].numpy() - golden["heatmaps"][row]).max() <= (
            1e-4 * golden["heatmaps"].std()
        )


def associates(state):
    """Decoders of other data sets, as they lie in official files."""
    heads = {}
    for number, joints in enumerate((14, 16)):
        for name, tensor in state.items():
            if name.startswith("keypoint_head."):
                other = name.replace("keypoint_head", f"associate_keypoint_heads.{number}")
                last = "final_layer" in name
                heads[other] = tensor.new_zeros(joints, *tensor.shape[1:]) if last else tensor
    return heads


@pytest.mark.parametrize("state_of_file", ["hub", "official", "split, experts left in"])
def test_plus_files_are_folded_whatever_their_state(state_of_file, plus, tmp_path):
    case, golden, state = plus
    if state_of_file != "hub":
        state = in_official_layout(state)
        state |= associates(state) | {"backbone.cls_token": torch.zeros(1, 1, 64)}
    if state_of_file.startswith("split"):
        for block in range(2):
            layer = f"backbone.blocks.{block}.mlp"
            for leaf in ("weight", "bias"):
                parts = state[f"{layer}.fc2.{leaf}"], state[f"{layer}.experts.0.{leaf}"]
                state[f"{layer}.fc2.{leaf}"] = torch.cat(parts)
            state[f"{layer}.experts.0.weight"] = torch.full((16, 256), float("nan"))
    torch.save({"state_dict": state}, tmp_path / "plus.pth")
    model = model_of(case)
    report = load_weights(model, tmp_path / "plus.pth")
    left_out = {"hub": 24}.get(state_of_file, 24 + 2 * 14 + 1)
    assert f"{left_out} entries left out" in str(report)
    with torch.no_grad():
        heatmaps = model.backbone(input_of(case)[:1])
    assert np.abs(heatmaps[0].numpy() - golden["heatmaps"][0]).max() <= (
        1e-4 * golden["heatmaps"].std()
    )


PUBLISHED = {
    "vitpose_hf_base_simple": ("ViTPose hub", 199, 0),
    "vitpose_hf_base": ("ViTPose hub", 211, 0),
    "vitpose_hf_plus_base": ("ViTPose hub", 355, 144),
    "vitpose_official_base_simple": ("ViTPose", 151, 0),
    "vitpose_official_base": ("ViTPose", 163, 0),
    "vitpose_official_plus_base": ("ViTPose", 377, 214),
    "vitpose_mmpose_base": ("mmpose 1.x ViTPose", 163, 0),
}


@pytest.fixture
def published(shared_dir):
    """Function name -> (entries without memory, those that our network has)."""

    def read(name):
        listed = json.loads((shared_dir / "reference" / f"{name}_state_dict.json").read_text())
        state = {key: torch.empty(tuple(shape), device="meta") for key, shape in listed.items()}
        with torch.device("meta"):
            model = SingleFrame(ViT(decoder="simple" if "simple" in name else "classic"))
        return state, model.state_dict()

    return read


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_entry_of_the_published_files_is_accounted_for(name, published):
    title, entries, left_out = PUBLISHED[name]
    state, expected = published(name)
    named = name_weights(state, FILE)
    assert (named.layout.title, len(state), len(named.left_out)) == (title, entries, left_out)
    complete, notes = check_fit(named, expected, FILE)
    assert complete.keys() == expected.keys()
    assert not notes


def faults(name, tensor):
    """Yields what takes an entry's place."""
    yield "missing", {}
    yield "renamed", {f"{name}_x": tensor}
    if tensor.ndim > 1 and tensor.shape[0] != tensor.shape[-1]:
        yield "misshapen", {name: tensor.transpose(0, -1)}
    if tensor.ndim > 0:
        yield "truncated", {name: tensor[..., :-1]}


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_wrong_entry_is_named(name, published):
    state, expected = published(name)
    keys = [key for key in state if not key.endswith("num_batches_tracked")]
    chosen = {*keys[:28], *keys[28::41], *keys[-15:]}  # every kind of entry is among them
    for key in sorted(chosen):
        for fault, instead in faults(key, state[key]):
            if fault == "truncated" and re.fullmatch(r"associate.*final_layer\.bias", key):
                continue  # joints of another data set, whose number nobody knows
            changed = {k: v for k, v in state.items() if k != key} | instead
            with pytest.raises(WeightsMismatchError) as caught:
                check_fit(name_weights(changed, FILE), expected, FILE)
            assert key in str(caught.value), fault


def imagenet_state(patch=16, grid=4):
    """Entries of a tiny ImageNet network, as MAE saves them."""
    draws = torch.Generator().manual_seed(0)
    vit = ViT(16, 2, 2, 3, decoder="simple", image_wh=(16 * grid, 16 * grid))
    vit.init(draws)
    state = {
        name.replace("patch_embed", "patch_embed.proj").replace("last_norm", "norm"): tensor
        for name, tensor in vit.state_dict().items()
        if not name.startswith(("final_layer", "positions"))
    }
    state["patch_embed.proj.weight"] = torch.randn(16, 3, patch, patch, generator=draws)
    state["pos_embed"] = torch.randn(1, 1 + grid**2, 16, generator=draws)
    return state | {
        "cls_token": torch.zeros(1, 1, 16),
        "decoder_blocks.0.norm1.bias": torch.ones(8),
    }


def test_imagenet_start(tmp_path):
    state = imagenet_state()
    torch.save({"model": state}, tmp_path / "mae.pth")
    vit = ViT(16, 2, 2, 3, decoder="simple", image_wh=(48, 64))
    vit.init(torch.Generator().manual_seed(1))
    before = vit.final_layer.weight.clone()
    report = load_backbone_weights(vit, tmp_path / "mae.pth")
    assert report.layout == "ViT ImageNet"
    assert "2 entries left out" in str(report)
    assert "initialised anew" in str(report)
    assert torch.equal(vit.final_layer.weight, before)
    assert torch.equal(vit.blocks[1].attn.qkv.weight, state["blocks.1.attn.qkv.weight"])
    assert torch.equal(vit.last_norm.bias, state["norm.bias"])
    table = (state["pos_embed"][:, 1:] + state["pos_embed"][:, :1]).transpose(1, 2)
    expected = torch.nn.functional.interpolate(table.view(1, 16, 4, 4), (4, 3), mode="bicubic")
    torch.testing.assert_close(vit.positions.detach(), expected)


def test_patches_of_14_pixels_get_a_border(tmp_path):
    state = imagenet_state(patch=14)
    torch.save(state, tmp_path / "huge.pth")
    vit = ViT(16, 2, 2, 3, decoder="simple", image_wh=(48, 64))
    load_backbone_weights(vit, tmp_path / "huge.pth")
    kernels = vit.patch_embed.weight.detach()
    assert torch.equal(kernels[..., 1:-1, 1:-1], state["patch_embed.proj.weight"])
    assert kernels.count_nonzero() == 16 * 3 * 14 * 14


def test_one_wrong_entry_of_an_imagenet_file_is_named(tmp_path):
    state = imagenet_state()
    vit = ViT(16, 2, 2, 3, decoder="simple", image_wh=(48, 64))
    for key in state:
        if key == "cls_token" or key.startswith("decoder"):
            continue
        for fault, instead in faults(key, state[key]):
            changed = {k: v for k, v in state.items() if k != key} | instead
            torch.save(changed, tmp_path / "mae.pth")
            with pytest.raises(WeightsMismatchError) as caught:
                load_backbone_weights(vit, tmp_path / "mae.pth")
            assert key in str(caught.value), fault


def test_own_tables_are_never_resampled(tmp_path):
    own = SingleFrame(ViT(16, 2, 2, 3, decoder="simple", image_wh=(32, 64)))
    torch.save(own.state_dict(), tmp_path / "own.pth")
    load_weights(own, tmp_path / "own.pth")
    other = SingleFrame(ViT(16, 2, 2, 3, decoder="simple", image_wh=(64, 64)))
    with pytest.raises(WeightsMismatchError, match=r"positions \(1, 16, 4, 2\), expected \(1, 16"):
        load_weights(other, tmp_path / "own.pth")
