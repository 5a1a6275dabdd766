"""A DCPose that looks at the frame before alone waits for no other, and finds the same poses."""

import numpy as np
import torch

import dcpose
from dcpose.build.data import build_clip_options


def test_nobody_waits_for_a_frame_that_is_not_looked_at(tiny_cfg, formula_weights, tmp_path):
    cfg = dcpose.load_config(tiny_cfg, ["model.neighbors=[prev]"])
    options = build_clip_options(cfg, training=False)
    assert (options.frames, options.num_frames, max(options.offsets)) == ("past", 3, 0)
    assert build_clip_options(cfg, training=True).frames == "neighbors"
    wider = dcpose.load_config(tiny_cfg, ["model.neighbors=[prev]", "data.max_gap=2"])
    assert build_clip_options(wider, training=False).frames == "neighbors"

    state = dcpose.build_model(cfg).state_dict()
    weights = tmp_path / "prev.pth"
    torch.save(formula_weights({name: tensor.shape for name, tensor in state.items()}, 0), weights)
    estimator = dcpose.PoseEstimator(cfg, weights, "cpu", "whole-frame")
    assert estimator.frames_ahead == 0
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    results = estimator.frames(iter(images))
    first = next(results)
    # the last frame changes nothing about the others
    again = list(estimator.frames([*images[:2], images[0]]))
    assert np.array_equal(first.people.joints, again[0].people.joints)
    assert np.array_equal(next(results).people.joints, again[1].people.joints)
