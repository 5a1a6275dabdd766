"""From a config to objects: the networks of the golden cases, and what a config cannot ask for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build.data import annotations_path, describe_boxes, read_people
from dcpose.build.inference import build_predictor, build_stream
from dcpose.build.model import build_model_to_train
from dcpose.build.training import build_target_encoder, build_train_loader
from dcpose.models.dcpose.network import DCPose
from dcpose.models.dcpose.temporal import temporal_weights
from dcpose.models.single_frame import SingleFrame

RELEASED = Path(__file__).resolve().parents[2] / "configs/base/dcpose_hrnet_w48.yaml"


def golden_config(sizes):
    """Config of a golden case's network: the released one but for the sizes it names."""
    overrides = ["experiment=golden", "data.root=.", f"model.backbone.width={sizes['width']}"]
    overrides += [f"model.pcn.dilations={sizes['dilations']}"]
    for ours, theirs in (("prf", "prf"), ("ptm", "ptm"), ("fusion", "combine")):
        overrides += [f"model.{ours}.blocks={sizes[theirs]['blocks']}"]
        overrides += [f"model.{ours}.channels={sizes[theirs]['channels']}"]
    return load_config(RELEASED, overrides)


def golden_input(case):
    """Frames (B, 3, 3, H, W) prev, cur, next, and gaps (B, 2); recorded are cur, prev, next."""
    draws = np.random.Generator(np.random.PCG64([case["seed"], 12345]))
    values = draws.normal(0, 1, (case["batch"], 9, *case["image_hw"])).astype(np.float32)
    cur, prev, next_ = torch.from_numpy(values).unflatten(1, (3, 3)).unbind(1)
    return torch.stack([prev, cur, next_], dim=1), torch.tensor(case["margins"])


def assert_equals_golden(actual, arrays, name):
    """Recorded are every 4th row and column, and position and value of every map's maximum."""
    expected = arrays[name]
    tolerance = 1e-3 * expected.std()
    assert np.abs(actual[..., ::4, ::4].numpy() - expected).max() <= tolerance
    # Two pixels may lie closer than rounding, so the value at the recorded position is compared,
    # and no other pixel may exceed it by more than the tolerance.
    maps = actual.flatten(-2).numpy()
    positions = arrays[f"{name}_argmax"][..., None].astype(np.int64)
    at_positions = np.take_along_axis(maps, positions, axis=-1)[..., 0]
    assert np.abs(at_positions - arrays[f"{name}_max"]).max() <= tolerance
    assert (maps.max(axis=-1) - at_positions).max() <= tolerance


@pytest.mark.parametrize(
    "name", ["release_w32_small", pytest.param("release_w48", marks=pytest.mark.slow)]
)
def test_equals_the_released_network(name, golden_case, formula_weights, tmp_path):
    # Made with the released network on weights and inputs by formula, torch 2.13 on CPU.
    case, arrays = golden_case(name)
    file = tmp_path / "released.pth"
    torch.save({"state_dict": formula_weights(case["keys"], case["seed"])}, file)
    model = build_model(golden_config(case["model"]), weights=file)

    frames, gaps = golden_input(case)
    with torch.no_grad():
        initial = model.encode(frames)
        _, merged, corrected = model.stages(initial, gaps).values()
        residuals = model.prf(initial, temporal_weights(gaps))
        features = model.fusion(torch.cat([residuals, merged], dim=1))
    released_order = torch.cat([initial[:, 1], initial[:, 0], initial[:, 2]])
    assert_equals_golden(released_order, arrays, "backbone_heatmaps")
    assert_equals_golden(residuals, arrays, "prf")
    assert_equals_golden(merged, arrays, "ptm")
    assert_equals_golden(features, arrays, "combined")
    assert_equals_golden(corrected, arrays, "output")


def test_seed_decides_the_initial_weights(tiny_cfg):
    def weights(seed):
        return build_model(load_config(tiny_cfg, [f"seed={seed}"])).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["backbone.conv1.weight"], other["backbone.conv1.weight"])
    assert not torch.equal(first["pcn.mask_convs.0.weight"], other["pcn.mask_convs.0.weight"])


def test_building_leaves_the_global_random_state(tiny_cfg):
    state = torch.get_rng_state()
    build_model(load_config(tiny_cfg))
    assert torch.equal(torch.get_rng_state(), state)


def test_model_is_in_eval_mode_on_the_cpu(tiny_cfg, tiny_weights):
    for weights in (None, tiny_weights):
        model = build_model(load_config(tiny_cfg), weights)
        assert isinstance(model, DCPose)
        assert not any(module.training for module in model.modules())
        heatmaps = model(torch.zeros(2, 3, 3, 64, 96), torch.ones(2, 2))
        assert heatmaps.shape == (2, 17, 16, 24)


def test_every_size_reaches_the_network(tiny_cfg):
    overrides = [
        "model.backbone.width=6", "model.backbone.modules=[1,2,1]", "model.backbone.blocks=2",
        "model.backbone.stem_channels=8", "model.prf.blocks=2", "model.prf.channels=20",
        "model.ptm.blocks=3", "model.ptm.channels=34", "model.fusion.blocks=4",
        "model.fusion.channels=12", "model.pcn.dilations=[1,4]",
        "model.pcn.deform_conv=torchvision",
    ]  # fmt: skip
    model = build_model(load_config(tiny_cfg, overrides))
    names = model.state_dict()
    assert names["backbone.conv1.weight"].shape[0] == 8
    assert names["backbone.stage2.0.branches.0.1.conv1.weight"].shape[0] == 6
    assert "backbone.stage3.1.branches.0.0.conv1.weight" in names
    assert [len(model.prf.chain), len(model.ptm.chain), len(model.fusion)] == [2, 3, 4]
    assert model.prf.chain[-1].merge.conv.weight.shape[0] == 20
    assert model.ptm.chain[-1].merge.conv.weight.shape[0] == 34
    assert model.fusion[-1].merge.conv.weight.shape[0] == 12
    assert [conv.dilation for conv in model.pcn.deform_convs] == [1, 4]
    assert {conv.implementation for conv in model.pcn.deform_convs} == {"torchvision"}
    assert model.eval()(torch.zeros(1, 3, 3, 64, 64), torch.ones(1, 2)).shape == (1, 17, 16, 16)


def test_single_frame_is_the_backbone(tiny_cfg):
    model = build_model(load_config(tiny_cfg, ["model.name=single_frame"]))
    assert isinstance(model, SingleFrame)
    assert {name.split(".")[0] for name in model.state_dict()} == {"backbone"}


def test_weights_of_another_model_are_refused_with_the_setting_that_fits(tiny_cfg, tiny_weights):
    with pytest.raises(ValueError, match=r"misshapen.*model\.backbone\.width 4 \(here 8\)"):
        build_model(load_config(tiny_cfg, ["model.backbone.width=8"]), tiny_weights)


def test_mmcv_is_refused_where_it_is_not_installed(tiny_cfg):
    try:
        import mmcv.ops  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("mmcv is installed")
    with pytest.raises(ValueError, match=r"model\.pcn\.deform_conv.*mmcv.*auto"):
        build_model(load_config(tiny_cfg, ["model.pcn.deform_conv=mmcv"]))


class TestModelToTrain:
    def test_frozen_backbone_needs_weights(self, tiny_cfg):
        with pytest.raises(ValueError, match=r"set model\.backbone\.weights=FILE"):
            build_model_to_train(load_config(tiny_cfg, ["model.backbone.frozen=true"]))

    def test_backbone_weights_fill_the_backbone_alone(self, tiny_cfg, tiny_weights):
        overrides = [
            "model.backbone.frozen=true",
            f"model.backbone.weights={tiny_weights}",
            "seed=5",
        ]
        model = build_model_to_train(load_config(tiny_cfg, overrides)).state_dict()
        saved = torch.load(tiny_weights, weights_only=True)
        backbone = [name for name in model if name.startswith("backbone.")]
        assert all(torch.equal(model[name], saved[name]) for name in backbone)
        assert not torch.equal(model["pcn.mask_convs.0.weight"], saved["pcn.mask_convs.0.weight"])

    def test_whole_weights_fill_everything(self, tiny_cfg, tiny_weights):
        cfg = load_config(tiny_cfg, ["model.backbone.frozen=true", "seed=5"])
        model = build_model_to_train(cfg, tiny_weights).state_dict()
        saved = torch.load(tiny_weights, weights_only=True)
        assert all(torch.equal(model[name], saved[name]) for name in saved)


class TestData:
    def test_missing_root(self, tiny_cfg):
        with pytest.raises(ValueError, match=r"data\.root: no such folder: nowhere"):
            read_people(load_config(tiny_cfg, ["data.root=nowhere"]), "val")

    def test_people_are_annotated_or_detected(self, tiny_cfg):
        videos, annotated = read_people(load_config(tiny_cfg), "val")
        overrides = ["data.val_detections=detections/val.json", "data.min_box_score=0.9"]
        _, detected = read_people(load_config(tiny_cfg, overrides), "val")
        assert [video.name for video in videos] == list(annotated) == list(detected)
        assert {person.box_score for crowd in annotated.values() for person in crowd} == {1.0}
        scores = [person.box_score for crowd in detected.values() for person in crowd]
        assert scores
        assert 0.9 <= min(scores) < 1
        _, all_detected = read_people(load_config(tiny_cfg, [*overrides[:1]]), "val")
        assert sum(map(len, all_detected.values())) > len(scores)

    def test_split_without_any_boxes_names_the_key(self, tiny_cfg):
        cfg = load_config(tiny_cfg, ["data.test_detections=null"])
        with pytest.raises(
            ValueError, match=r"no annotated person boxes; set data\.test_detections"
        ):
            read_people(cfg, "test")

    def test_folders_of_the_splits(self, tiny_cfg, sample_dir):
        cfg = load_config(tiny_cfg, ["data.val_annotations=annotations/test"])
        assert annotations_path(cfg, "train") == sample_dir / "annotations/train"
        assert annotations_path(cfg, "val") == annotations_path(cfg, "test")

    def test_other_joints_than_those_of_the_files(self, tiny_cfg):
        cfg = load_config(tiny_cfg, ["model.num_joints=15"])
        with pytest.raises(ValueError, match=r"model\.num_joints: found 15, expected 17"):
            build_train_loader(cfg)
        with pytest.raises(ValueError, match=r"model\.num_joints"):
            build_stream(cfg, *read_people(cfg, "val"))

    def test_stream_follows_model_and_batch_size(self, tiny_cfg):
        for name, frames in (("dcpose", 3), ("single_frame", 1)):
            cfg = load_config(tiny_cfg, [f"model.name={name}", "test.batch_size=5"])
            batch = next(iter(build_stream(cfg, *read_people(cfg, "val"))))
            assert batch.frames.shape == (5, frames, 32, 32, 3)
            assert batch.joints is None

    def test_targets_of_a_training_batch(self, tiny_cfg):
        cfg = load_config(
            tiny_cfg, ["data.crop_wh=[96,64]", "train.batch_size=3", "data.sigma=1.0"]
        )
        batch = next(iter(build_train_loader(cfg)))
        targets, weights = build_target_encoder(cfg, 4)(batch)
        assert batch.frames.shape == (3, 3, 64, 96, 3)
        assert targets.shape == (3, 17, 16, 24)
        assert weights.shape == (3, 17)
        assert targets[weights > 0].amax(dim=(1, 2)).eq(1).all()
        wider, _ = build_target_encoder(
            load_config(tiny_cfg, ["data.crop_wh=[96,64]", "data.sigma=2.0"]), 4
        )(batch)
        assert wider.sum() > 2 * targets.sum()

    def test_targets_need_joints(self, tiny_cfg):
        cfg = load_config(tiny_cfg)
        batch = next(iter(build_stream(cfg, *read_people(cfg, "val"))))
        with pytest.raises(ValueError, match="made for inference"):
            build_target_encoder(cfg, 4)(batch)

    def test_flip_reaches_the_predictor(self, tiny_cfg, tiny_weights):
        scores = []
        for flip in ("false", "true"):
            cfg = load_config(tiny_cfg, [f"test.flip={flip}"])
            predict = build_predictor(cfg, build_model(cfg, tiny_weights), torch.device("cpu"))
            batch = next(iter(build_stream(cfg, *read_people(cfg, "val"))))
            scores.append(np.stack([pose.heatmap_scores for pose in predict([batch])]))
        assert scores[0].shape == (8, 17)
        assert not np.allclose(scores[0], scores[1])

    def test_cuda_graphs_need_cuda(self, tiny_cfg):
        cfg = load_config(tiny_cfg, ["test.cuda_graphs=true"])
        with pytest.raises(ValueError, match=r"found device cpu and .*set test\.cuda_graphs=false"):
            build_predictor(cfg, build_model(cfg), torch.device("cpu"))

    def test_fast_and_reference_predictions_agree(self, tiny_cfg, tiny_weights):
        joints, scores = [], []
        for options in (["test.fast=false"], [], ["test.precision=bf16"]):
            cfg = load_config(tiny_cfg, options)
            predict = build_predictor(cfg, build_model(cfg, tiny_weights), torch.device("cpu"))
            poses = list(predict(build_stream(cfg, *read_people(cfg, "val"))))
            joints.append(np.stack([pose.joints for pose in poses]))
            scores.append(np.stack([pose.heatmap_scores for pose in poses]))
        reference, fast, _ = joints
        assert (np.linalg.norm(fast - reference, axis=-1) < 0.5).mean() >= 0.99
        np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4, atol=1e-5)
        assert not np.array_equal(scores[2], scores[1])  # the precision reaches the network
        np.testing.assert_allclose(scores[2], scores[0], rtol=0.1, atol=0.05)


def test_source_of_boxes_is_described(tiny_cfg, sample_dir, tmp_path):
    assert describe_boxes(load_config(tiny_cfg), "val") == "ground truth"
    detections = tmp_path / "boxes.json"
    cfg = load_config(tiny_cfg, [f"data.val_detections={detections}"])
    assert describe_boxes(cfg, "val") == str(detections)
    (tmp_path / "boxes.meta.json").write_text('{"detector": "stub", "nms_iou": 0.5}')
    assert describe_boxes(cfg, "val") == f"{detections} (stub, NMS 0.5)"
