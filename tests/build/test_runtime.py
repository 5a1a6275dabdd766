"""A model becomes a file of another runtime, and the file becomes poses."""

import copy
import json
import logging
import shutil

import numpy as np
import pytest
import torch

from dcpose import PoseEstimator, build_model, load_config
from dcpose.build import export as export_room
from dcpose.build import runtime as runtime_room
from dcpose.build.data import read_people
from dcpose.build.export import ExportOptions, export_model, rendered_clips
from dcpose.build.inference import build_predictor, build_stream, describe_precision
from dcpose.build.runtime import build_network, config_of_exported, runtime_of
from dcpose.data.stream import shard_videos
from dcpose.deploy.exported import card_path, read_card
from dcpose.files import packages
from dcpose.models.dcpose.network import DCPose
from dcpose.structures import normalise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cfg(tiny_cfg):
    return load_config(tiny_cfg)


@pytest.fixture(scope="module")
def model(cfg, tiny_weights):
    return build_model(cfg, tiny_weights)


@pytest.fixture(scope="module")
def exported(cfg, model, tiny_weights, tmp_path_factory):
    """The tiny model as an ONNX file."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    export_model(cfg, model, tiny_weights, path, ExportOptions())
    return path


def test_rendered_clips_show_people_and_are_always_the_same(cfg):
    frames, gaps = rendered_clips(cfg, 8)
    assert frames.shape == (8, 3, 32, 32, 3)
    assert frames.dtype == torch.uint8
    assert gaps.unique().tolist() == [1, 2]
    assert frames.float().std(dim=(1, 2, 3, 4)).min() > 10
    assert all(
        torch.equal(a, b) for a, b in zip((frames, gaps), rendered_clips(cfg, 8), strict=True)
    )


def test_an_exported_file_computes_the_same_and_says_what_it_is(cfg, model, exported):
    card = read_card(exported)
    assert card.inputs["frames"] == {"shape": ["B", 3, 3, 32, 32], "dtype": "float32"}
    assert card.outputs == {"heatmaps": {"shape": ["B", 17, 8, 8], "dtype": "float32"}}
    assert (card.crop_wh, card.stride, card.num_frames) == ((32, 32), 4, 3)
    assert card.joints[0] == "nose"
    assert card.parity.off_peak < 1e-5
    assert card.parity.largest_offset_px > 0.1
    network = build_network(cfg, exported, CPU)
    frames, gaps = rendered_clips(cfg, 3)
    heatmaps = network(normalise(frames).numpy(), gaps.numpy())["heatmaps"]
    expected = model(normalise(frames), gaps).detach().numpy()
    assert np.abs(heatmaps - expected).max() < 1e-5 * np.abs(expected).max()


def test_val_finds_the_same_joints(cfg, model, exported):
    videos, people = read_people(cfg, "val")
    found = []
    for network in (model, build_network(cfg, exported, CPU)):
        predict = build_predictor(cfg, network, CPU)
        found.append(np.stack([p.joints for p in predict(build_stream(cfg, videos, people))]))
    moved = np.linalg.norm(found[0] - found[1], axis=-1)
    assert (moved <= 0.05).mean() >= 0.99
    assert describe_precision(cfg, network, CPU) == "fp32 (onnx)"


def test_poses_are_the_same_bits_however_the_work_is_cut(cfg, exported):
    """Every clip is a call of its own, of one thread: batches, threads and shares do not matter."""
    videos, people = read_people(cfg, "val")

    def poses(batch_size, threads, shares=1, flip=False):
        test = cfg.test.model_copy(update={"batch_size": batch_size, "flip": flip})
        cut = cfg.model_copy(update={"test": test})
        torch.set_num_threads(threads)
        try:
            found = {}
            for rank in range(shares):
                predict = build_predictor(cut, build_network(cut, exported, CPU), CPU)
                mine = shard_videos(videos, people, rank, shares)
                for pose in predict(build_stream(cut, mine, people)):
                    found[pose.person.person_id] = (
                        pose.joints.tobytes() + pose.heatmap_scores.tobytes()
                    )
            return found
        finally:
            torch.set_num_threads(1)

    expected = poses(16, 1)
    assert expected == poses(1, 1) == poses(3, 2) == poses(5, 1, shares=2)
    mirrored = poses(16, 1, flip=True)
    assert mirrored != expected
    assert mirrored == poses(3, 2, shares=2, flip=True)


@pytest.mark.parametrize(
    ("overrides", "device", "there", "runtime"),
    [
        ([], "cpu", True, "onnx"),
        (["test.precision=fp32"], "cpu", True, "onnx"),
        ([], "cpu", False, "torch"),
        ([], "cuda", True, "torch"),
        (["test.precision=bf16"], "cpu", True, "torch"),
        (["test.fast=false"], "cpu", True, "torch"),
        (["test.runtime=torch"], "cpu", True, "torch"),
        (["test.runtime=openvino"], "cuda", False, "openvino"),
    ],
)
def test_what_runs_the_network_unless_it_is_said(
    tiny_cfg, overrides, device, there, runtime, monkeypatch
):
    monkeypatch.setattr(packages, "installed", lambda *packages: there)
    cfg = load_config(tiny_cfg, ["test.runtime=auto", *overrides])
    assert runtime_of(cfg, torch.device(device)) == runtime


def test_without_a_proof_the_network_runs_in_torch(
    tiny_cfg, tiny_weights, tmp_path, monkeypatch, caplog
):
    files = []

    def fails(cfg, model, weights, out, options):
        files.append(out)
        raise ValueError("the exported network computes something else")

    monkeypatch.setattr(packages, "installed", lambda *packages: True)
    monkeypatch.setattr(runtime_room, "export_model", fails)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(logging.getLogger("dcpose"), "propagate", True)
    for overrides in ([], ["data.offsets=[-2,0,2]"], ["data.crop_wh=[64,96]"]):
        cfg = load_config(tiny_cfg, ["test.runtime=auto", *overrides])
        assert isinstance(build_network(cfg, tiny_weights, CPU), DCPose)
    assert "computes something else; the network runs in torch" in caplog.text
    assert len(set(files)) == 3  # clips of other frames are another file
    assert files[0].parent == tmp_path / "dcpose" / "exported"
    with pytest.raises(ValueError, match="misshapen"):
        build_network(
            load_config(tiny_cfg, ["test.runtime=auto", "model.backbone.width=8"]),
            tiny_weights,
            CPU,
        )
    with pytest.raises(ValueError, match="computes something else"):
        build_network(load_config(tiny_cfg, ["test.runtime=onnx"]), tiny_weights, CPU)


def test_an_estimator_needs_nothing_but_the_file(exported, tiny_cfg, tiny_weights):
    image = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
    boxes = np.array([[10.0, 10, 60, 60]])
    theirs = PoseEstimator(weights=exported, device="cpu").image(image, boxes).people
    ours = PoseEstimator(tiny_cfg, tiny_weights, device="cpu").image(image, boxes).people
    np.testing.assert_allclose(theirs.joints, ours.joints, atol=1e-3)
    np.testing.assert_allclose(theirs.joint_scores, ours.joint_scores, rtol=1e-4)


@pytest.mark.parametrize("form", ["deform_conv", "grid_sample"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.slow
def test_openvino_agrees(cfg, model, tiny_weights, tmp_path, form, precision):
    pytest.importorskip("openvino")
    options = ExportOptions(to="openvino", form=form, precision=precision)
    card = export_model(cfg, model, tiny_weights, tmp_path / "a.xml", options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.xml", "a.xml.json"]
    network = build_network(cfg, tmp_path / "a.xml", CPU)
    frames, gaps = rendered_clips(cfg, 3)
    heatmaps = network(normalise(frames).numpy(), gaps.numpy())["heatmaps"]
    expected = model(normalise(frames), gaps).detach().numpy()
    assert np.abs(heatmaps - expected).max() < card.parity.limit * np.abs(expected).max()


@pytest.mark.parametrize(
    ("providers", "winograd"),
    [("null", True), ("[CPUExecutionProvider]", True), ("[CoreMLExecutionProvider]", False)],
)
def test_winograd_is_for_cpus(
    providers, winograd, tiny_cfg, tiny_weights, exported, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    def note(cfg, model, weights, out, options):
        asked.append(options)
        shutil.copy(exported, out)
        shutil.copy(card_path(exported), card_path(out))
        return read_card(out)

    monkeypatch.setattr(runtime_room, "export_model", note)
    monkeypatch.setattr(runtime_room, "ExportedNetwork", lambda *_, **__: None)
    cfg = load_config(tiny_cfg, ["test.runtime=onnx", f"test.providers={providers}"])
    build_network(cfg, tiny_weights, CPU)
    assert [options.winograd for options in asked] == [winograd]


def test_weights_are_exported_once(tiny_cfg, tiny_weights, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    overrides = ["model.name=single_frame", "test.runtime=onnx"]
    cfg = load_config(tiny_cfg, overrides)
    weights = tmp_path / "single.pth"
    torch.save(
        {k: v for k, v in torch.load(tiny_weights).items() if k.startswith("backbone")}, weights
    )
    first = build_network(cfg, weights, CPU)
    made = first.path.stat().st_mtime_ns
    assert build_network(cfg, weights, CPU).path.stat().st_mtime_ns == made
    with pytest.raises(
        ValueError, match=r"test\.precision: found bf16, expected auto, fp32 or fp16"
    ):
        build_network(load_config(tiny_cfg, [*overrides, "test.precision=bf16"]), weights, CPU)


def test_a_file_for_other_crops_is_refused(exported, tiny_cfg):
    other = load_config(tiny_cfg, ["data.crop_wh=[96,64]"])
    with pytest.raises(ValueError, match=r"data\.crop_wh: found \[96, 64\], expected \[32, 32\]"):
        build_network(other, exported, CPU)
    network = build_network(load_config(tiny_cfg), exported, CPU)
    frames = np.zeros((1, 3, 3, 64, 96), np.float32)
    with pytest.raises(
        ValueError, match=r"frames \['B', 3, 3, 64, 96\] .*expected \['B', 3, 3, 32, 32\]"
    ):
        network(frames, np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match=r"test\.runtime: found openvino, expected onnx"):
        build_network(load_config(tiny_cfg, ["test.runtime=openvino"]), exported, CPU)
    absent = load_config(tiny_cfg, ["test.providers=[NoSuchProvider]"])
    with pytest.raises(ValueError, match=r"onnxruntime has no NoSuchProvider here, only .*CPU"):
        build_network(absent, exported, CPU)


def test_providers_are_of_onnx_runtime_alone(tiny_cfg, tiny_weights):
    cfg = load_config(tiny_cfg, ["test.providers=[CPUExecutionProvider]"])
    with pytest.raises(ValueError, match=r"runs in torch; set test\.runtime=onnx"):
        build_network(cfg, tiny_weights, CPU)


def test_a_file_that_no_runtime_can_load_is_refused(exported, cfg, tmp_path):
    """An opset without deformable convolution, as exporters write without a word."""
    onnx = pytest.importorskip("onnx")
    broken = tmp_path / "old.onnx"
    network = onnx.load(exported)
    network.opset_import[0].version = 18
    onnx.save(network, broken)
    card_path(broken).write_text(card_path(exported).read_text())
    with pytest.raises(ValueError, match=r"old\.onnx: onnxruntime cannot load it"):
        build_network(cfg, broken, CPU)


def test_a_card_that_is_missing_or_another_file_is_refused(exported, tmp_path):
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"alone\.onnx\.json: an exported network is two"):
        config_of_exported(alone)
    card_path(alone).write_text(json.dumps({"form": "something"}))
    with pytest.raises(ValueError, match="not the card of an exported network"):
        config_of_exported(alone)


def test_nothing_is_written_where_the_proof_fails(cfg, model, tiny_weights, tmp_path, monkeypatch):
    """Zeroed offsets: the file loads and runs, and is wrong."""

    def zeroed(network, *args):
        network = copy.deepcopy(network)
        for conv in network.pcn.offset_convs:
            conv.weight.data.zero_()
        return trace(network, *args)

    trace = export_room.trace
    monkeypatch.setattr(export_room, "trace", zeroed)
    out = tmp_path / "new" / "tiny.pt2"
    with pytest.raises(ValueError, match="computes something else"):
        export_model(cfg, model, tiny_weights, out, ExportOptions(to="torch"))
    assert list(out.parent.iterdir()) == []


def test_an_untrained_head_is_refused(cfg, tiny_weights, tmp_path):
    fresh = build_model(cfg)
    for conv in fresh.pcn.offset_convs:
        conv.weight.data.zero_()
    with pytest.raises(ValueError, match="offsets or masks of zero"):
        export_model(cfg, fresh, tiny_weights, tmp_path / "a.pt2", ExportOptions(to="torch"))


@pytest.mark.parametrize(
    ("options", "out", "told"),
    [
        (ExportOptions(opset=18), "a.onnx", "opset: found 18, expected at least 19"),
        (ExportOptions(opset=16, form="grid_sample"), "a.onnx", "expected at least 18"),
        (ExportOptions(), "a.pt2", r"files of onnx end in \.onnx"),
        (ExportOptions(to="torch", winograd=True), "a.pt2", "--winograd: .*found --to torch"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    cfg, model, tiny_weights, tmp_path, options, out, told
):
    with pytest.raises(ValueError, match=told):
        export_model(cfg, model, tiny_weights, tmp_path / out, options)
