"""Drawn people: who is drawn where, in which colour, at any resolution."""

import numpy as np
import pytest

from dcpose.skeleton import POSETRACK
from dcpose.visualize.people import ID_COLOURS, NO_ID_RGB, draw_people
from dcpose.visualize.pose import LEFT_RGB, RIGHT_RGB

J = POSETRACK.num_joints


def standing(wh, score=1.0):
    """One person in the middle: left joints on the right side of the image."""
    box = np.array([[wh[0] / 4, wh[1] / 8, wh[0] / 2, wh[1] * 3 / 4]])
    side = [0.6 if "left" in name else 0.4 for name in POSETRACK.joint_names]
    joints = np.column_stack([np.array(side) * wh[0], np.linspace(0.2, 0.8, J) * wh[1]])
    return box, np.array([5]), joints[None], np.full((1, J), score)


def has(image, colour):
    return (np.abs(image.astype(int) - colour) <= 2).all(axis=-1).sum()


@pytest.mark.parametrize("wh", [(160, 120), (640, 480), (1920, 1080)])
def test_readable_at_any_resolution(wh):
    image = np.full((wh[1], wh[0], 3), 90, np.uint8)
    drawn = draw_people(image, *standing(wh), POSETRACK)
    assert (image == 90).all()
    for colour in (LEFT_RGB, RIGHT_RGB, ID_COLOURS[5]):
        assert has(drawn, colour) > 0.0005 * wh[0] * wh[1], colour
    changed = (drawn != 90).any(axis=-1)
    assert changed.mean() < 0.2  # the picture is still seen


def test_unsure_joints_are_greyer_and_very_unsure_ones_absent():
    image = np.zeros((480, 640, 3), np.uint8)
    sure, unsure, absent = (
        draw_people(image, *standing((640, 480), score), POSETRACK) for score in (1.0, 0.5, 0.1)
    )
    assert has(sure, LEFT_RGB) > 100
    assert has(unsure, LEFT_RGB) == 0
    assert unsure.any(axis=-1).sum() > absent.any(axis=-1).sum()
    box_alone = np.array([[160.0, 60, 320, 360]]), np.array([5]), np.zeros((1, J, 2))
    nothing = draw_people(image, *box_alone, np.zeros((1, J)), POSETRACK)
    np.testing.assert_array_equal(absent, nothing)


def test_people_without_ids_and_nobody():
    image = np.full((90, 90, 3), 90, np.uint8)
    box, _, joints, scores = standing((90, 90))
    drawn = draw_people(image, box, np.array([-1]), joints, scores, POSETRACK)
    assert has(drawn, NO_ID_RGB) > 20
    empty = np.zeros((0, 4)), np.zeros(0, int), np.zeros((0, J, 2)), np.zeros((0, J))
    np.testing.assert_array_equal(draw_people(image, *empty, POSETRACK), image)


def test_wild_values_do_no_harm():
    _, ids, joints, scores = standing((90, 90))
    joints[0, :3] = np.nan, 1e30
    joints[0, 3] = -500, 20
    for wild in ([[np.nan, 0, 5, 5]], [[1e12, 0, 5, 5]], [[-400, -400, 3000, 3000]]):
        draw_people(np.zeros((90, 90, 3), np.uint8), np.array(wild), ids, joints, scores, POSETRACK)


def test_shapes_are_checked():
    box, ids, joints, scores = standing((90, 90))
    with pytest.raises(ValueError, match="expected joints"):
        draw_people(np.zeros((9, 9, 3), np.uint8), box, ids, joints[:, :5], scores, POSETRACK)
    with pytest.raises(ValueError, match="uint8 RGB"):
        draw_people(np.zeros((9, 9)), box, ids, joints, scores, POSETRACK)
