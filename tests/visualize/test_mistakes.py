import numpy as np
import pytest

from dcpose.visualize.mistakes import WRONG_RGB, caption, circle_joints

JOINTS = np.array([[50.0, 40], [np.nan, 20], [300, 60], [20, 80]])


def grey(height=100, width=140):
    return np.full((height, width, 3), 128, dtype=np.uint8)


def reds(image):
    """(N, 2) x, y of the pixels in the colour of mistakes."""
    close = (np.abs(image.astype(int) - WRONG_RGB) < 40).all(axis=-1)
    return np.argwhere(close)[:, ::-1]


def test_ring_goes_around_the_wrong_joint_and_leaves_it_visible():
    image = grey()
    drawn = circle_joints(image, JOINTS, np.array([True, False, False, False]))
    assert (image == 128).all()
    distance = np.linalg.norm(reds(drawn) - [50, 40], axis=1)
    assert len(distance) > 10
    assert distance.min() >= 4
    assert distance.max() <= 6
    assert (drawn[40, 50] == 128).all()


def test_joint_outside_is_circled_where_it_left_and_undefined_ones_nowhere():
    x, y = reds(circle_joints(grey(), JOINTS, np.array([False, False, True, False]))).T
    assert x.max() <= 139
    assert x.min() > 120
    assert 50 < y.min() <= y.max() < 70
    nowhere = circle_joints(grey(), JOINTS, np.array([False, True, False, False]))
    np.testing.assert_array_equal(nowhere, grey())


def test_caption_is_written_on_a_dark_foot():
    image = grey(60, 200)
    drawn = caption(image, "3 of 15 wrong")
    assert (image == 128).all()
    changed = np.flatnonzero((drawn != 128).any(axis=(1, 2)))
    assert changed[0] > 35
    assert changed[-1] == 59
    assert drawn[-1, 0].max() == 128 // 3
    assert drawn.max() > 200


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected joints \(3, 2\), got \(4, 2\)"):
        circle_joints(grey(), JOINTS, np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="uint8 RGB"):
        caption(grey().astype(float), "text")
