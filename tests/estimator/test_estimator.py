"""PoseEstimator: the poses of val, from arrays and videos, whatever gives the boxes."""

import json

import numpy as np
import pytest
import torch

import dcpose
from dcpose.build.data import read_videos
from dcpose.data.frames import read_frame
from dcpose.estimator.live_poses import TrackingOptions
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.jobs.predict import predict_split
from dcpose.tracking.smoothing import PoseSmoother

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def estimator(tiny_cfg, tiny_weights):
    return dcpose.PoseEstimator(tiny_cfg, tiny_weights, device="cpu", detector=one_in_the_middle)


def one_in_the_middle(image):
    """A detector: one sure person, and one that is not."""
    height, width = image.shape[:2]
    boxes = [[width / 4, height / 4, width / 2, height / 2], [0, 0, width / 2, height / 2]]
    return np.array(boxes), np.array([0.9, 0.3])


def noise(count, wh=(80, 60), seed=0):
    return list(np.random.default_rng(seed).integers(0, 255, (count, wh[1], wh[0], 3), np.uint8))


@pytest.fixture(scope="module")
def moved_annotations(sample_dir, tmp_path_factory):
    """The val annotations of the sample, with boxes moved over the left border of the image."""
    folder = tmp_path_factory.mktemp("moved")
    for path in (sample_dir / "annotations" / "val").glob("*.json"):
        content = json.loads(path.read_text())
        for person in content["annotations"]:
            person["bbox"][0] -= person["bbox"][0] + person["bbox"][2] / 3
        (folder / path.name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(("frames_at_once", "max_gap", "moved"), [(1, 1, False), (5, 2, True)])
def test_poses_are_those_of_val(
    tiny_cfg, tiny_weights, run_here, moved_annotations, frames_at_once, max_gap, moved
):
    """One code path, also for boxes across the border of the image."""
    overrides = [f"data.val_annotations={moved_annotations}"] * moved
    cfg = dcpose.load_config(tiny_cfg, [f"data.max_gap={max_gap}", *overrides])
    model = dcpose.build_model(cfg, tiny_weights)
    predict_split(cfg, model, "val", run_here / "val", CPU)
    estimator = dcpose.PoseEstimator(cfg, tiny_weights, device="cpu")
    assert_same_poses(estimator, cfg, run_here / "val", frames_at_once, moved)


def test_poses_are_those_of_val_where_it_takes_the_margin_of_boxes_off(
    tiny_cfg, tiny_weights, run_here
):
    cfg = dcpose.load_config(tiny_cfg, ["test.box_enlarge=1.5"])
    predict_split(cfg, dcpose.build_model(cfg, tiny_weights), "val", run_here / "val", CPU)
    overrides = ["test.box_enlarge=1.25"]  # annotated boxes of PoseTrack: 1.2
    estimator = dcpose.PoseEstimator(tiny_cfg, tiny_weights, device="cpu", overrides=overrides)
    assert_same_poses(estimator, cfg, run_here / "val")


def assert_same_poses(estimator, cfg, predictions, frames_at_once=1, moved=False):
    compared = outside = 0
    for video in read_videos(cfg, "val"):
        content = json.loads((predictions / f"{video.name}.json").read_text())
        images = [read_frame(video.frame_path(number)) for number in video.frame_range]
        boxes = [
            np.array([p.box_xywh for p in video.people if p.frame == number])
            for number in video.frame_range
        ]
        results = list(estimator.frames(images, boxes, frames_at_once=frames_at_once))
        joints = np.concatenate([result.people.joints for result in results])
        scores = np.concatenate([result.people.joint_scores for result in results])
        expected = np.array([a["keypoints"] for a in content["annotations"]])
        expected = expected.reshape(len(joints), -1, 3)
        np.testing.assert_array_equal(joints, expected[..., :2])
        np.testing.assert_allclose(scores, expected[..., 2], rtol=1e-5, atol=1e-6)
        boxes_out = np.concatenate([result.people.boxes_xywh for result in results])
        np.testing.assert_array_equal(boxes_out, [a["bbox"] for a in content["annotations"]])
        compared += len(joints)
        outside += (boxes_out[:, :2] < 0).any(axis=1).sum()
    assert compared > 20
    assert (outside == compared) == moved


def test_detections_are_not_cut_to_the_image(estimator):
    images, box = noise(1), np.array([[-30.0, 5, 60, 50]])
    annotated = estimator.image(images[0], box)
    detected = estimator.image(images[0], np.column_stack([box, [0.7]]))
    assert (annotated.people.box_scores, detected.people.box_scores) == ([1.0], [0.7])
    assert np.abs(annotated.people.joints - detected.people.joints).max() > 1
    np.testing.assert_array_equal(annotated.people.boxes_xywh, box)


def test_result(estimator):
    results = list(estimator.frames(noise(3), rate=10))
    assert [(r.index, r.time) for r in results] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    people = results[0].people
    assert len(people) == 1  # the other one is below min_box_score
    assert people.boxes_xywh.tolist() == [[20, 15, 40, 30]]
    assert people.box_scores.tolist() == [0.9]
    assert people.track_ids.tolist() == [-1]
    assert people.joints.shape == (1, 17, 2)
    assert people.joint_scores.shape == (1, 17)
    np.testing.assert_array_equal(results[1].image, noise(3)[1])


def test_an_image_is_a_video_of_one_frame(estimator):
    image = noise(1)[0]
    alone = estimator.image(image)
    (framed,) = estimator.frames([image])
    np.testing.assert_array_equal(alone.people.joints, framed.people.joints)


def test_frames_are_taken_one_ahead_and_not_kept(estimator):
    taken = []

    def source():
        for number, image in enumerate(noise(12)):
            taken.append(number)
            yield image

    for result in estimator.frames(source()):
        assert len(taken) == min(result.index + 2, 12)


def test_nobody_and_mixed_sizes(estimator):
    images = noise(2) + noise(2, wh=(50, 90))
    empty = np.zeros((0, 4))
    results = list(estimator.frames(images, [empty, None, empty, np.array([[5, 5, 20, 40]])]))
    assert [len(result.people) for result in results] == [0, 1, 0, 1]
    assert results[0].people.joints.shape == (0, 17, 2)
    alone = estimator.frames(images[2:], [empty, np.array([[5, 5, 20, 40]])])
    np.testing.assert_array_equal(results[3].people.joints, list(alone)[1].people.joints)


def test_detector_looks_at_some_frames_and_boxes_are_carried(tiny_cfg, tiny_weights):
    looked = []

    def detector(image):
        looked.append(image)
        return np.array([[10.0, 10, 30, 40]]), np.array([0.8])

    estimator = dcpose.PoseEstimator(tiny_cfg, tiny_weights, device="cpu", detector=detector)
    image = noise(1)[0]
    results = list(estimator.frames([image] * 7, detect_every=3))
    assert len(looked) == 3
    assert [len(result.people) for result in results] == [1] * 7
    assert {int(result.people.track_ids[0]) for result in results} == {0}


def test_tracks_last(estimator):
    results = list(estimator.frames([noise(1)[0]] * 3, track=True, frames_at_once=2))
    assert [result.people.track_ids.tolist() for result in results] == [[0], [0], [0]]


def test_smoothing_steadies_the_joints_of_each_person(estimator):
    images = noise(6)
    rough = list(estimator.frames(images, track=True))
    smoother = PoseSmoother()
    for before, after in zip(rough, estimator.frames(images, smooth=True), strict=True):
        people = before.people
        expected = smoother.update(before.time, people.track_ids, people.boxes_xywh, people.joints)
        np.testing.assert_array_equal(after.people.joints, expected)
        np.testing.assert_array_equal(after.people.track_ids, people.track_ids)
    assert (after.people.joints != people.joints).any()


def test_stages_are_timed(tiny_cfg, tiny_weights):
    watch = Stopwatch()
    estimator = dcpose.PoseEstimator(
        tiny_cfg, tiny_weights, device="cpu", detector="whole-frame", stopwatch=watch
    )
    list(estimator.frames(noise(2), track=True))
    assert set(watch.seconds) == {"decode", "detect", "crop", "network", "track"}
    assert watch.report().startswith("decode ")


@pytest.mark.parametrize("rate", [np.float32(12.5), np.int64(5), 25, 29.97])
def test_rates_of_any_number(estimator, rate):
    results = list(estimator.frames(noise(3), rate=rate))
    assert [result.time for result in results] == pytest.approx([0, 1 / rate, 2 / rate])


@pytest.mark.parametrize("rate", [0.0, float("nan"), -5, float("inf"), "fast"])
def test_rates_that_are_none_are_told_before_the_first_frame(estimator, rate):
    with pytest.raises(ValueError, match=r"rate: found .*, expected frames per second"):
        estimator.frames(noise(1), rate=rate)


def test_names_of_files_are_for_video(estimator):
    with pytest.raises(ValueError, match=r"frame 0: found 'a\.jpg', expected .* `video` takes"):
        estimator.image("a.jpg")
    with pytest.raises(ValueError, match="`video` takes names of files"):
        list(estimator.frames(["a.jpg"]))


def test_home_folder(tiny_cfg, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tiny_cfg, tiny_weights):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    estimator = dcpose.PoseEstimator(
        f"~/{tiny_cfg.name}", f"~/{tiny_weights.name}", "cpu", overrides=["data.root=~/set"]
    )
    assert estimator.config.data.root == str(tmp_path / "set")


class TestConfigFromWeights:
    def test_of_our_checkpoint(self, tiny_cfg, tiny_weights, tmp_path):
        from dcpose.config.loading import config_to_dict
        from dcpose.engine.run.checkpoint import _KEYS, save_checkpoint

        cfg = dcpose.load_config(tiny_cfg, ["data.max_gap=2"])
        state = dict.fromkeys(_KEYS, None)
        state |= {"model": torch.load(tiny_weights), "config": config_to_dict(cfg)}
        save_checkpoint(tmp_path / "best.pt", state)
        estimator = dcpose.PoseEstimator(weights=tmp_path / "best.pt", device="cpu")
        assert estimator.config == cfg
        cut = dcpose.PoseEstimator(
            weights=tmp_path / "best.pt", device="cpu", overrides=["data.max_gap=1"]
        )
        assert cut.config.data.max_gap == 1

    def test_of_other_weights(self, tiny_weights):
        estimator = dcpose.PoseEstimator(weights=tiny_weights, device="cpu")
        model = estimator.config.model
        assert (model.backbone.width, model.fusion.channels) == (4, 8)
        assert estimator.config.data.crop_wh == (288, 384)

    def test_of_a_card(self, tiny_weights, tmp_path, load_command, monkeypatch):
        out = tmp_path / "tiny.safetensors"
        convert = load_command("scripts/convert_weights.py").main
        assert convert(["--from", "auto", str(tiny_weights), str(out)]) == 0
        estimator = dcpose.PoseEstimator(tmp_path / "tiny.json", device="cpu")
        assert estimator.config.model.backbone.width == 4
        assert estimator.calibration is None
        (tmp_path / "other.json").write_text("[]")
        with pytest.raises(ValueError, match=r"other\.json: not a card"):
            dcpose.PoseEstimator(tmp_path / "other.json")
        card = json.loads((tmp_path / "tiny.json").read_text())
        card["limits"] = "none"
        card["calibration"] = {"limit": "x", "scores": [0, 1], "probabilities": [0, 0.5]}
        (tmp_path / "tiny.json").write_text(json.dumps(card))
        estimator = dcpose.PoseEstimator(tmp_path / "tiny.json", device="cpu")
        assert estimator.calibration(np.array([0.5])) == [0.25]
        monkeypatch.setattr("dcpose.estimator.estimator.POSE_CARD", tmp_path / "tiny.json")
        packaged = dcpose.PoseEstimator(device="cpu")
        assert packaged.calibration(np.array([0.5])) == [0.25]


class TestRefused:
    def test_no_weights(self, tiny_cfg):
        with pytest.raises(ValueError, match="weights: a config alone has none; give"):
            dcpose.PoseEstimator(tiny_cfg)
        with pytest.raises(FileNotFoundError, match="no weights file at nowhere"):
            dcpose.PoseEstimator(weights="nowhere")

    def test_unknown_detector(self, tiny_cfg, tiny_weights):
        estimator = dcpose.PoseEstimator(tiny_cfg, tiny_weights, device="cpu", detector="dpm")
        with pytest.raises(ValueError, match="detector: found 'dpm', expected one of torchvision"):
            estimator.image(noise(1)[0])

    @pytest.mark.parametrize(
        ("image", "boxes", "message"),
        [
            (np.zeros((4, 4), np.uint8), None, r"frame 0: found an array \(4, 4\) of uint8"),
            (np.zeros((4, 4, 3)), None, "of float64"),
            (noise(1)[0], np.zeros((2, 3)), r"boxes have shape \(2, 3\)"),
            (noise(1)[0], np.array([[200.0, 0, 10, 10]]), "box .* has no part in its 80x60"),
            (noise(1)[0], np.array([[0.0, 0, 0, 10]]), "has no part"),
            (noise(1)[0], np.array([[np.nan, 0, 5, 10]]), "has no part"),
        ],
    )  # fmt: skip
    def test_input(self, estimator, image, boxes, message):
        with pytest.raises(ValueError, match=message):
            estimator.image(image, boxes)

    def test_too_few_boxes(self, estimator):
        with pytest.raises(ValueError, match="boxes: found those of 1 frames"):
            list(estimator.frames(noise(2), [np.zeros((0, 4))]))

    def test_settings(self):
        with pytest.raises(ValueError, match="at least 1"):
            TrackingOptions(detect_every=0)
        with pytest.raises(ValueError, match="frames_at_once=1"):
            TrackingOptions(detect_every=2, frames_at_once=2)
