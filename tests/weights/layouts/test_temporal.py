"""Released files of methods on features: the official modules' numbers, wrong entries named.

Recipe of the golden cases: goldens/temporal/README.md.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dcpose.models.backbones.hrnet import HRNet
from dcpose.models.backbones.vit import ViT
from dcpose.models.fami import FAMI
from dcpose.models.interface import Backbone
from dcpose.models.tar import TAR
from dcpose.weights.layouts.layout import WeightsMismatchError
from dcpose.weights.layouts.naming import name_weights
from dcpose.weights.layouts.temporal import FAMI as LAYOUT_OF_FAMI
from dcpose.weights.loading import check_fit, load_weights

FILE = Path("weights.pth")


def tar_of(case, order):
    height, width = case["native_hw"]
    vit = ViT(
        case["embed_dims"],
        case["depth"],
        case["heads"],
        case["joints"],
        decoder_channels=case["deconv"],
        image_wh=(width, height),
    )
    model = TAR(
        vit,
        case["joints"],
        case["jta_layers"],
        case["jta_heads"],
        case["threshold"],
        order,
    )
    return model.eval()


def input_of(case):
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    shape = (case["batch"], case["frames"], 3, *case["image_hw"])
    return torch.from_numpy(draws.normal(0, 1, shape).astype(np.float32))


def check(found, golden, tolerance=1e-4):
    found = np.asarray(found)
    assert found.shape == golden.shape
    assert np.abs(found - golden).max() <= tolerance * golden.std()


def as_released(state, case):
    """The checkpoint of the authors: backbone and decoder twice, optimizer beside."""
    doubles = {
        name.replace(own, other, 1): tensor.clone()
        for own, other in case["aliases"].items()
        for name, tensor in state.items()
        if name.startswith(own)
    }
    return {"epoch": 3, "model_state_dict": doubles | state, "optimizer_state_dict": {"state": {}}}


THINNED = {
    "tar_tiny": {"features": np.s_[:, ::4]},
    "tar_small_384x288": {
        "features": np.s_[:, ::8, ::3, ::3],
        "queries": np.s_[..., ::2],
        "restored": np.s_[:, ::5, ::8],
        "output": np.s_[..., ::2, ::2],
    },
}


@pytest.mark.parametrize("order", ["paper", "release"])
@pytest.mark.parametrize(
    "name", ["tar_tiny", pytest.param("tar_small_384x288", marks=pytest.mark.slow)]
)
def test_tar_equals_the_official_modules(name, order, golden_case, formula_weights, tmp_path):
    case, golden = golden_case(name, "temporal")
    path = tmp_path / "tar.pth"
    torch.save(as_released(formula_weights(case["keys"], case["seed"]), case), path)
    model = tar_of(case, order)
    assert load_weights(model, path).layout == "TAR-ViTPose"
    frames = input_of(case)
    with torch.no_grad():
        encoded = model.encode(frames)
        stages = model.inside(encoded)
        output = model.decode(encoded, torch.ones(len(frames), 4))
    thinned = THINNED[name]
    everything = np.s_[...]
    check(encoded.flatten(0, 1)[thinned["features"]], golden["features"])
    heatmaps = stages.frame_heatmaps.flatten(0, 1)
    check(heatmaps[..., ::4, ::4], golden["frame_heatmaps"])
    assert np.array_equal(heatmaps.flatten(2).argmax(-1), golden["frame_heatmaps_argmax"])
    bits = np.packbits(stages.blocked.numpy(), axis=-1)
    assert np.array_equal(bits, golden[f"{order}_blocked_bits"])
    for part in ("queries", "restored", "output"):
        found = getattr(stages, part)[thinned.get(part, everything)]
        check(found, golden[f"{order}_{part}"])
    assert torch.equal(output, stages.output)
    assert np.array_equal(output.flatten(2).argmax(-1), golden[f"{order}_output_argmax"])
    check(output.flatten(2).amax(-1), golden[f"{order}_output_max"])


class OutputLayer(Backbone):
    """The last layer of HRNet-W48, whose features the golden case makes up."""

    stride = feature_stride = 4
    feature_channels = 48

    def __init__(self):
        super().__init__()
        self.final_layer = torch.nn.Conv2d(48, 17, 1)

    def features(self, images):
        return images

    def head(self, features):
        return self.final_layer(features)


def fami_state(case, formula_weights):
    state = formula_weights(case["keys"], case["seed"])
    for name, factor in case["scaled"].items():
        state[name] *= factor
    return state


def test_fami_equals_the_official_head(golden_case, formula_weights, tmp_path):
    case, golden = golden_case("fami_head", "temporal")
    torch.save(fami_state(case, formula_weights), tmp_path / "fami.pth")
    model = FAMI(OutputLayer()).eval()
    assert load_weights(model, tmp_path / "fami.pth").layout == "FAMI-Pose"
    batch, frames = case["batch"], case["frames"]
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    features = np.abs(draws.normal(0, 1, (frames * batch, 48, *case["heatmap_hw"])))
    by_frame = torch.from_numpy(features.astype(np.float32)).unflatten(0, (frames, batch))
    encoded = by_frame[[1, 2, 0, 3, 4]].transpose(0, 1)  # files: t, t-2, t-1, t+1, t+2
    with torch.no_grad():
        stages = model.inside(encoded)
        output = model.decode(encoded, torch.ones(batch, 4))
    check(stages.shifts, golden["shift_xy"], 1e-3)
    assert np.abs(golden["shift_xy"]).max() > 1  # whole cells
    for name in ("shifted", "merged", "combined", "aligned", "fused"):
        check(getattr(stages, name)[:, ::4, ::4, ::4], golden[name], 1e-3)
    heatmaps = model.backbone.head(encoded[:, 2]).detach()
    check(heatmaps[:, ::4, ::4, ::4], golden["frame_heatmaps"], 1e-3)
    check(output[..., ::2, ::2], golden["output"], 1e-3)
    assert np.array_equal(output.flatten(2).argmax(-1), golden["output_argmax"])
    check(output.flatten(2).amax(-1), golden["output_max"], 1e-3)


def test_one_wrong_entry_of_a_fami_file_is_named(golden_case, formula_weights):
    case, _ = golden_case("fami_head", "temporal")
    expected = FAMI(OutputLayer()).state_dict()
    wrong_entries_are_named(fami_state(case, formula_weights), expected, step=3)


def test_names_of_fami_go_there_and_back(golden_case):
    case, _ = golden_case("fami_head", "temporal")
    with torch.device("meta"):
        expected = FAMI(HRNet()).state_dict()
    theirs = {LAYOUT_OF_FAMI.to_theirs(name) for name in expected}
    assert theirs >= set(case["keys"])
    assert len(theirs) == 1754 + 175
    assert {LAYOUT_OF_FAMI.to_ours(name) for name in theirs} == set(expected)


def test_every_entry_of_the_released_tar_is_accounted_for(shared_dir):
    listed = json.loads((shared_dir / "reference/tarvitpose_base_state_dict.json").read_text())
    state = {name: torch.empty(tuple(shape), device="meta") for name, shape in listed.items()}
    with torch.device("meta"):
        expected = TAR(ViT(768, 12, 12)).state_dict()
    named = name_weights(state, FILE)
    assert named.layout.title == "TAR-ViTPose"
    assert check_fit(named, expected, FILE)[0].keys() == expected.keys()
    assert {named.layout.to_theirs(name) for name in expected} == set(listed)


def faults(name, tensor):
    """Yields what takes an entry's place."""
    yield "missing", {}
    yield "renamed", {f"{name}_x": tensor}
    if tensor.ndim > 1 and tensor.shape[0] != tensor.shape[-1]:
        yield "misshapen", {name: tensor.transpose(0, -1)}
    if tensor.ndim > 0:
        yield "truncated", {name: tensor[..., :-1]}


def wrong_entries_are_named(state, expected, step=1):
    for key in list(state)[::step]:
        if key.endswith("num_batches_tracked"):
            continue
        for fault, instead in faults(key, state[key]):
            changed = {k: v for k, v in state.items() if k != key} | instead
            with pytest.raises(WeightsMismatchError) as caught:
                check_fit(name_weights(changed, FILE), expected, FILE)
            assert key in str(caught.value), fault


def test_one_wrong_entry_of_a_tar_file_is_named(golden_case, formula_weights):
    case, _ = golden_case("tar_tiny", "temporal")
    state = formula_weights(case["keys"], case["seed"])
    expected = tar_of(case, "paper").state_dict()
    wrong_entries_are_named(as_released(state, case)["model_state_dict"], expected)
    wrong_entries_are_named(state, expected)


def test_doubles_with_other_numbers_are_refused(golden_case, formula_weights):
    case, _ = golden_case("tar_tiny", "temporal")
    state = as_released(formula_weights(case["keys"], case["seed"]), case)["model_state_dict"]
    state["model.head.final_layer.bias"] = state["heatmap_head.1.bias"] + 1
    with pytest.raises(WeightsMismatchError, match=r"1 other than the double: heatmap_head\.1\.b"):
        name_weights(state, FILE)
