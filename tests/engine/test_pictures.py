from dataclasses import replace

import numpy as np
import pytest
import torch
from engine_fakes import JOINTS, TinyModel, make_batch
from torch import nn

from dcpose.engine import pictures
from dcpose.engine.pictures import clip_pictures
from dcpose.skeleton import Skeleton

CPU = torch.device("cpu")
SKELETON = Skeleton("three", ("a", "b", "c"), (), (), ())


class StagedModel(nn.Module):
    """Corrected heatmaps have their peak at (3, 5), the others nowhere."""

    def encode(self, frames):
        return frames

    def stages(self, frames, gaps):
        clips, clip_frames = frames.shape[:2]
        initial = torch.zeros(clips, clip_frames, JOINTS, 12, 8)
        corrected = torch.zeros(clips, JOINTS, 12, 8)
        corrected[..., 5, 3] = 1.0
        return {"initial": initial[:, 1], "merged": initial[:, 1], "corrected": corrected}


@pytest.fixture
def sheets(monkeypatch):
    """Arguments of the sheets that are drawn."""
    calls = []
    original = pictures.comparison_sheet
    monkeypatch.setattr(
        pictures, "comparison_sheet", lambda *args: (calls.append(args), original(*args))[1]
    )
    return calls


def test_all_stages_are_shown(sheets):
    found = clip_pictures(StagedModel().eval(), make_batch(2, seed=0), CPU, SKELETON)
    assert found.keys() == {"clips"}
    assert found["clips"].dtype == np.uint8
    ((rows, titles, people, _),) = sheets
    assert titles == [
        "previous", "current", "next", "initial", "merged", "corrected", "predicted", "truth",
    ]  # fmt: skip
    assert len(rows) == len(people) == 2


def test_pairs_of_frames_are_named(sheets):
    batch = make_batch(2, seed=0)
    batch = replace(batch, frames=batch.frames[:, :2])
    clip_pictures(StagedModel().eval(), batch, CPU, SKELETON)
    assert sheets[0][1][:3] == ["supporting", "current", "initial"]


def test_joints_are_in_pixels_of_the_enlarged_crop(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pictures, "draw_pose", lambda image, joints, *_: (drawn.append(joints), image)[1]
    )
    batch = make_batch(1, seed=0)
    clip_pictures(StagedModel().eval(), batch, CPU, SKELETON)
    predicted, truth = drawn
    # by hand: cells are 180 wide and crops 32, so crops are drawn 6 times as large
    np.testing.assert_array_equal(predicted, [[6 * 12, 6 * 20]] * 3)  # heatmap pixel (3, 5), x 4
    np.testing.assert_allclose(truth, 6 * batch.joints[0].double())


def test_joints_of_udp_crops_end_on_their_last_pixels(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pictures, "draw_pose", lambda image, joints, *_: (drawn.append(joints), image)[1]
    )
    clip_pictures(StagedModel().eval(), make_batch(1, seed=0), CPU, SKELETON, "udp")
    # heatmap pixel (7, 11) is the last one and lies on crop pixel (31, 47)
    np.testing.assert_allclose(drawn[0], [[6 * 3 * 31 / 7, 6 * 5 * 47 / 11]] * 3)


def test_single_frame_model_shows_its_heatmaps(sheets):
    batch = make_batch(1, seed=0)
    clip_pictures(TinyModel().eval(), replace(batch, frames=batch.frames[:, 1:2]), CPU, SKELETON)
    assert sheets[0][1] == ["current", "heatmaps", "predicted", "truth"]


def test_clips_without_joints_are_refused():
    batch = replace(make_batch(1, seed=0), joints=None, joint_weights=None)
    with pytest.raises(ValueError, match="need clips with joints"):
        clip_pictures(TinyModel().eval(), batch, CPU, SKELETON)
