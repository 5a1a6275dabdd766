"""The networks of PoseWarper and SimpleBaseline equal the official ones, loaded from their files.

Golden values were made with the official networks on weights and inputs by formula, on CPU.
"""

import numpy as np
import pytest
import torch

from dcpose import build_model, load_config

CONFIG = "experiment: golden\ndata: {root: .}\n"
# Golden frames are t, t-1, t-2, t+1, t+2; the permutation is its own inverse.
ORDERED_BY_TIME = AS_RECORDED = [2, 1, 0, 3, 4]


@pytest.fixture
def golden_model(golden_case, formula_weights, tmp_path):
    """Function (case, overrides) -> model with the case's weights, its description and arrays."""

    def build(name, *overrides):
        case, arrays = golden_case(name)
        torch.save(formula_weights(case["keys"], case["seed"]), tmp_path / "weights.pth")
        (tmp_path / "golden.yaml").write_text(CONFIG)
        cfg = load_config(tmp_path / "golden.yaml", overrides)
        return build_model(cfg, tmp_path / "weights.pth"), case, arrays

    return build


def golden_frames(case, num_frames):
    """Frames (B, F, 3, H, W) in the order of the golden case."""
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    shape = (case["batch"], 3 * num_frames, *case["image_hw"])
    values = torch.from_numpy(draws.normal(0, 1, shape).astype(np.float32))
    return values.unflatten(1, (num_frames, 3))


def assert_equals_golden(actual, arrays, name, tolerance):
    """Recorded are every 4th row and column, and position and value of every map's maximum."""
    deviation = arrays[name].std() if name in arrays else arrays[f"{name}_max"].std()
    if name in arrays:
        assert np.abs(actual[..., ::4, ::4].numpy() - arrays[name]).max() <= tolerance * deviation
    # Two pixels may lie closer than rounding, so the value at the recorded position is compared,
    # and no other pixel may exceed it by more than the tolerance.
    maps = actual.flatten(-2).numpy()
    positions = arrays[f"{name}_argmax"][..., None].astype(np.int64)
    at_positions = np.take_along_axis(maps, positions, axis=-1)[..., 0]
    assert np.abs(at_positions - arrays[f"{name}_max"]).max() <= tolerance * deviation
    assert (maps.max(axis=-1) - at_positions).max() <= tolerance * deviation


def assert_complete(outputs, arrays):
    recorded = {key.removesuffix("_argmax").removesuffix("_max") for key in arrays}
    assert recorded == set(outputs)


def outputs_of(modules):
    """Dict that fills with the outputs of named modules as they are called."""
    outputs = {}
    for name, module in modules.items():
        module.register_forward_hook(lambda _, args, out, name=name: outputs.update({name: out}))
    return outputs


@pytest.mark.slow
def test_simple_baseline(golden_model):
    resnet = "model={name: single_frame, backbone: {name: simple_baseline, frozen: false}}"
    model, case, arrays = golden_model("simplebaseline_r50", resnet)
    names = ["layer1", "layer2", "layer3", "layer4", "deconv_layers"]
    outputs = outputs_of({name: getattr(model.backbone, name) for name in names})
    frames = golden_frames(case, 1)
    with torch.no_grad():
        outputs["output"] = model(frames, torch.ones(len(frames), 2))
    assert_complete(outputs, arrays)
    for name, output in outputs.items():
        assert_equals_golden(output, arrays, name, 1e-4)


def outputs_of_parts(model):
    warper = model.warper
    dilations = [conv.dilation for conv in warper.deform_convs]
    return outputs_of(
        {
            "backbone_heatmaps": model.backbone,
            "features": warper.chain,
            **{f"offsets_d{d}": m for d, m in zip(dilations, warper.offset_convs, strict=True)},
            **{f"warped_d{d}": m for d, m in zip(dilations, warper.deform_convs, strict=True)},
        }
    )


def in_golden_order(stacked, order):
    """Frames inside clips (B * F, ...) to clips inside frames, in the order of the case."""
    return stacked.unflatten(0, (-1, len(order)))[:, order].transpose(0, 1).flatten(0, 1)


@pytest.mark.slow
def test_posewarper_in_training(golden_model):
    model, case, arrays = golden_model("posewarper_w48", "model.name=posewarper")
    outputs = outputs_of_parts(model)
    frames = golden_frames(case, 2).flip(1)  # supporting, current
    with torch.no_grad():
        outputs["output"] = model(frames, torch.ones(len(frames), 2))
    outputs["backbone_heatmaps"] = in_golden_order(outputs["backbone_heatmaps"], [1, 0])
    assert_complete(outputs, arrays)
    for name, output in outputs.items():
        assert_equals_golden(output, arrays, name, 1e-3)


@pytest.mark.slow
def test_posewarper_at_test(golden_model):
    model, case, arrays = golden_model(
        "posewarper_agg", "model.name=posewarper", "model.backbone.width=32"
    )
    outputs = outputs_of_parts(model)
    frames = golden_frames(case, 5)[:, ORDERED_BY_TIME]
    with torch.no_grad():
        result = model(frames, torch.ones(len(frames), 2))
    outputs = {name: in_golden_order(out, AS_RECORDED) for name, out in outputs.items()}
    outputs["output"] = result
    assert_complete(outputs, arrays)
    for name, output in outputs.items():
        assert_equals_golden(output, arrays, name, 1e-3)


@pytest.mark.slow
def test_posewarper_carries_labels_to_other_frames(golden_model):
    model, case, arrays = golden_model(
        "posewarper_propagate", "model.name=posewarper", "model.backbone.width=32"
    )
    frames = golden_frames(case, 2)  # labelled, other
    draws = np.random.Generator(np.random.PCG64([case["seed"], 54321]))
    height, width = case["image_hw"]
    shape = (case["batch"], 17, height // 4, width // 4)
    labelled = torch.from_numpy(draws.uniform(0, 1, shape).astype(np.float32))
    with torch.no_grad():
        own = model.propagate(frames)
        outputs = outputs_of_parts(model)
        outputs["output"] = model.propagate(frames, labelled)
    outputs["output_from_prediction"] = own
    outputs["backbone_heatmaps"] = in_golden_order(outputs["backbone_heatmaps"], [0, 1])
    assert_complete(outputs, arrays)
    for name, output in outputs.items():
        assert_equals_golden(output, arrays, name, 1e-3)
