"""People of whom a part is hidden."""

import numpy as np
import pytest

from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.cutoff import KEPT, random_cut
from dcpose.data.dataset import PoseTrackClips

BOX = np.array([100.0, 50.0, 80.0, 160.0])


def joints_all_over():
    x, y = np.meshgrid(np.linspace(105, 175, 4), np.linspace(55, 205, 5))
    return np.column_stack([x.ravel(), y.ravel(), np.ones(20)])


def cuts(count=400):
    rng = np.random.default_rng(0)
    return [cut for _ in range(count) if (cut := random_cut(BOX, joints_all_over(), rng))]


def test_what_is_left_lies_in_the_box_and_keeps_one_side_whole():
    for cut in cuts():
        low, high = cut.box_xywh[:2], cut.box_xywh[:2] + cut.box_xywh[2:]
        assert (low >= BOX[:2] - 1e-9).all()
        assert (high <= BOX[:2] + BOX[2:] + 1e-9).all()
        shares = cut.box_xywh[2:] / BOX[2:]
        assert shares.max() == pytest.approx(1)
        assert KEPT[0] - 1e-9 <= shares.min() <= KEPT[1] + 1e-9


def test_joints_are_hidden_exactly_where_the_box_has_gone():
    for cut in cuts():
        joints = joints_all_over()
        hidden = cut.hide_joints(joints)
        low, high = cut.box_xywh[:2], cut.box_xywh[:2] + cut.box_xywh[2:]
        inside = ((joints[:, :2] >= low) & (joints[:, :2] <= high)).all(axis=1)
        np.testing.assert_array_equal(hidden[:, 2] > 0, inside)
        np.testing.assert_array_equal(hidden[:, :2], joints[:, :2])


def test_most_are_cut_from_below():
    from_below = np.mean([c.box_xywh[3] < BOX[3] and c.box_xywh[1] == BOX[1] for c in cuts()])
    assert abs(from_below - 0.65) < 0.08


def test_too_few_joints_are_not_cut():
    few = joints_all_over()
    few[2:, 2] = 0
    assert random_cut(BOX, few, np.random.default_rng(0)) is None


def test_paint_covers_what_is_hidden_and_nothing_else():
    crops = np.full((2, 240, 200, 3), 77, np.uint8)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    for cut in cuts(30):
        painted = crops.copy()
        cut.paint(painted, identity)
        low, high = cut.box_xywh[:2].round().astype(int), (cut.box_xywh[:2] + cut.box_xywh[2:])
        high = high.round().astype(int)
        kept = painted[:, low[1] + 1 : high[1] - 1, low[0] + 1 : high[0] - 1]
        assert (kept == 77).all()
        gone = (painted != 77).any(axis=-1)
        assert gone.mean() > 0.05
        np.testing.assert_array_equal(painted[0], painted[1])


def test_in_a_sample_no_visible_joint_is_under_the_cover(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    still = {"flip_prob": 0, "rotation_prob": 0, "scale": 0, "half_body_prob": 0}

    def dataset(cut_prob):
        return PoseTrackClips(
            data_folder.videos(),
            ClipOptions(crop_wh=(96, 128)),
            Augmentation(**still, cut_prob=cut_prob),
            seed=0,
            read=lambda path: np.full((120, 160, 3), 200, np.uint8),
        )

    plain, cut = dataset(0.0)[1], dataset(1.0)[1]
    assert cut.joint_weights.sum() < plain.joint_weights.sum()
    for x, y in cut.joints[cut.joint_weights > 0]:
        assert cut.frames[0, round(float(y)), round(float(x)), 0] > 100
