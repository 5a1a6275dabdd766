"""Augmentation: ranges, shares, half bodies, and left and right."""

import numpy as np
import pytest

from dcpose.data.augment import Augmentation, CropView, random_view
from dcpose.data.clip import ClipOptions
from dcpose.data.crop import crop_matrix
from dcpose.geometry import apply_affine, invert_affine
from dcpose.skeleton import POSETRACK

CROP_WH, ENLARGE = (288, 384), 1.25
BOX = np.array([100.0, 50.0, 90.0, 120.0])
NOTHING = {"flip_prob": 0, "rotation_prob": 0, "scale": 0, "half_body_prob": 0}


def joints_in_a_row(visible=17):
    joints = np.zeros((17, 3))
    joints[:, 0] = 100 + 5 * np.arange(17)
    joints[:, 1] = 60 + 6 * np.arange(17)
    joints[:visible, 2] = 1
    return joints


def view(rng=None, joints=None, **changes):
    rng = rng or np.random.default_rng(0)
    joints = joints_in_a_row() if joints is None else joints
    augmentation = Augmentation(**(NOTHING | changes))
    options = ClipOptions(CROP_WH, ENLARGE)
    return random_view(BOX, joints, options, augmentation, POSETRACK, rng)


def views(count=2000, **changes):
    rng = np.random.default_rng(0)
    return [view(rng, **changes) for _ in range(count)]


def scale_and_angle(crop_view):
    linear = crop_view.image_to_crop[:, :2]
    return np.hypot(*linear[0]), np.degrees(np.arctan2(linear[0, 1], linear[1, 1]))


def center(crop_view):
    return apply_affine(np.array(CROP_WH) / 2, invert_affine(crop_view.image_to_crop))


def test_without_changes_the_view_is_the_plain_crop():
    plain = view()
    np.testing.assert_allclose(plain.image_to_crop, crop_matrix(BOX, CROP_WH, ENLARGE))
    assert not plain.mirrored


def test_same_generator_same_view():
    ours, again = (view(np.random.default_rng(5), flip_prob=0.5, scale=0.3) for _ in range(2))
    np.testing.assert_array_equal(ours.image_to_crop, again.image_to_crop)


def test_rotation_share_and_range():
    angles = np.array([scale_and_angle(v)[1] for v in views(rotation_prob=0.6, rotation_deg=20)])
    assert abs((angles != 0).mean() - 0.6) < 0.06
    assert np.abs(angles).max() == pytest.approx(40)
    assert abs(angles.mean()) < 2
    # a normal draw with standard deviation 20 that is cut at 40 has 19.2 (numerically)
    assert abs(angles[angles != 0].std() - 19.2) < 1.5


def test_scale_range():
    plain, _ = scale_and_angle(view())
    factors = plain / np.array([scale_and_angle(v)[0] for v in views(scale=0.35)])
    assert factors.min() == pytest.approx(0.65)
    assert factors.max() == pytest.approx(1.35)
    # a third of normal draws lies beyond one standard deviation, so on the bounds
    on_bounds = np.isclose(factors, 0.65) | np.isclose(factors, 1.35)
    assert abs(on_bounds.mean() - 0.317) < 0.05


def test_box_centre_stays_in_the_centre_of_the_crop():
    for crop_view in views(50, flip_prob=0.5, rotation_prob=1, rotation_deg=45, scale=0.3):
        np.testing.assert_allclose(center(crop_view), [145, 110], atol=1e-9)


def test_half_body_share_and_boxes():
    # rows 0-10 are the upper body: x 100..150, y 60..120; 11-16 the lower: x 155..180, y 126..156
    centers = np.array([center(v) for v in views(half_body_prob=0.3)])
    upper = np.isclose(centers, [125, 90]).all(1)
    lower = np.isclose(centers, [167.5, 141]).all(1)
    whole = np.isclose(centers, [145, 110]).all(1)
    assert (upper | lower | whole).all()
    assert abs(whole.mean() - 0.7) < 0.05
    assert abs(upper.sum() / (upper.sum() + lower.sum()) - 0.69) < 0.08


def test_half_body_window_is_one_and_a_half_times_the_joints():
    joints = joints_in_a_row(visible=11)  # upper body only: 50 x 60, padded to 50 x 66.7
    scale, _ = scale_and_angle(view(joints=joints, half_body_prob=1))
    assert scale == pytest.approx(288 / (1.5 * 50))


@pytest.mark.parametrize("visible", [0, 8])
def test_people_with_few_joints_are_not_halved(visible):
    for crop_view in views(50, joints=joints_in_a_row(visible), half_body_prob=1):
        np.testing.assert_allclose(center(crop_view), [145, 110])


def test_joints_in_one_point_are_not_halved():
    joints = joints_in_a_row()
    joints[:, :2] = 120
    np.testing.assert_allclose(center(view(joints=joints, half_body_prob=1)), [145, 110])


def test_mirroring_swaps_left_and_right():
    mirrored = view(flip_prob=1)
    joints = joints_in_a_row()
    joints[POSETRACK.index("left_wrist"), 2] = 0
    moved = mirrored.move_joints(joints, POSETRACK)
    plain = view().move_joints(joints, POSETRACK)
    left, right = POSETRACK.index("left_wrist"), POSETRACK.index("right_wrist")
    np.testing.assert_allclose(moved[right, 0], 288 - plain[left, 0])
    assert moved[right, 2] == 0
    assert moved[left, 2] == 1
    np.testing.assert_allclose(moved[POSETRACK.index("nose"), 0], 288 - plain[0, 0])


def test_moving_joints_leaves_the_record_alone():
    joints = joints_in_a_row()
    before = joints.copy()
    CropView(np.array([[2.0, 0, 1], [0, 2, 1]]), mirrored=True).move_joints(joints, POSETRACK)
    np.testing.assert_array_equal(joints, before)
