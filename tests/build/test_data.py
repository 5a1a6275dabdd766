"""What the config says of crops reaches the data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import dcpose
from dcpose.build.data import build_clip_options, read_people
from dcpose.build.inference import build_stream


def test_test_box_enlarge_holds_outside_training_alone(tiny_cfg):
    plain = dcpose.load_config(tiny_cfg, ["data.box_enlarge=1.2"])
    assert build_clip_options(plain, training=False).box_enlarge == 1.2
    wide = dcpose.load_config(tiny_cfg, ["data.box_enlarge=1.2", "test.box_enlarge=1.5"])
    assert build_clip_options(wide, training=True).box_enlarge == 1.2
    assert build_clip_options(wide, training=False).box_enlarge == 1.5


def test_annotated_boxes_of_posetrack_are_enlarged_less(tiny_cfg):
    wide = dcpose.load_config(tiny_cfg, ["test.box_enlarge=1.5"])
    plain = dcpose.load_config(tiny_cfg, ["data.box_enlarge=1.3"])
    overrides = ["test.box_enlarge=1.5", "data.layout=jhmdb", "model.num_joints=15"]
    other = dcpose.load_config(tiny_cfg, overrides)
    for cfg, expected in ((wide, 1.25), (plain, 1.3), (other, 1.5)):
        options = build_clip_options(cfg, training=False, annotated=True)
        assert options.box_enlarge == pytest.approx(expected)


def test_who_is_detected_is_cut_as_wide_as_asked(tiny_cfg):
    cfg = dcpose.load_config(tiny_cfg, ["test.box_enlarge=1.5"])
    videos, annotated = read_people(cfg, "val")
    detected = {
        name: [replace(person, joints=None) for person in people]
        for name, people in annotated.items()
    }
    lengths = []
    for people in (annotated, detected):
        batch = next(iter(build_stream(cfg, videos, people)))
        lengths.append(batch.crop_to_image[:, 0, 0])
    # crops begin and end at whole pixels
    torch.testing.assert_close(lengths[1], 1.2 * lengths[0], rtol=0.02, atol=0)


def test_an_estimator_looks_at_two_sizes():
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    box = np.array([[20.0, 10.0, 50.0, 70.0]])
    scores = []
    for zoom in (1.0, 1.3, 1.3):
        overrides = ["test.box_enlarge=1.4", f"test.zoom={zoom}"]
        estimator = dcpose.PoseEstimator(weights="packaged", device="cpu", overrides=overrides)
        scores.append(estimator.image(image, box).people.joint_scores)
    assert not np.allclose(scores[0], scores[1])
    np.testing.assert_array_equal(scores[1], scores[2])
