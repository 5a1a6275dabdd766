"""What the config says of crops reaches the data."""

import numpy as np

import dcpose
from dcpose.build.data import build_clip_options


def test_test_box_enlarge_holds_outside_training_alone(tiny_cfg):
    plain = dcpose.load_config(tiny_cfg, ["data.box_enlarge=1.2"])
    assert build_clip_options(plain, training=False).box_enlarge == 1.2
    wide = dcpose.load_config(tiny_cfg, ["data.box_enlarge=1.2", "test.box_enlarge=1.5"])
    assert build_clip_options(wide, training=True).box_enlarge == 1.2
    assert build_clip_options(wide, training=False).box_enlarge == 1.5


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
