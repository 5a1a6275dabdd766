"""Boxes in the convention of another tool; honest boxes, also poor ones, are not suspected."""

import numpy as np
import pytest

from dcpose.formats.box_convention import other_convention

WH = np.array([320.0, 180.0])


def scene(count=40, seed=0):
    """Boxes of people who stand in images of 320 x 180 pixels."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform([20, 40], [60, 120], (count, 2))
    return np.column_stack([rng.uniform(0, 1, (count, 2)) * (WH - sides), sides])


def told(boxes, people=None):
    around = () if people is None else [[box] for box in people]
    return other_convention(boxes, np.tile(WH, (len(boxes), 1)), around)


def as_corners(boxes):
    return np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def as_centres(boxes):
    return np.column_stack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])


@pytest.mark.parametrize("convert", [lambda b: b, as_corners, as_centres])
def test_parts_of_the_image(convert):
    assert "reaches 2 pixels" in told(convert(scene()) / np.tile(WH, 2))
    assert "reaches 2 pixels" in told(convert(scene(1)) / np.tile(WH, 2))


def test_corners():
    assert "leave the image" in told(as_corners(scene()))
    near = scene()
    near[:, :2] *= [0.6, 0.4]  # hardly a box leaves the image, but people are annotated
    assert told(as_corners(near)) is None
    assert "read as left, top, right, bottom" in told(as_corners(near), near)


def test_centres():
    boxes = scene()
    assert "read as centre x" in told(as_centres(boxes), boxes)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_honest_boxes_also_poor_ones(shift, scale):
    people = scene()
    rng = np.random.default_rng(1)
    boxes = people.copy()
    boxes[:, :2] += shift * rng.normal(size=(len(boxes), 2)) * boxes[:, 2:]
    boxes[:, 2:] *= scale
    assert told(boxes) is None
    assert told(boxes, people) is None


def test_close_views_fill_their_images():
    boxes = np.tile([4.0, 3.0, 330.0, 190.0], (20, 1))
    assert told(boxes) is None
    assert told(boxes, boxes) is None


def test_odd_numbers():
    assert told(np.zeros((0, 4))) is None
    assert told(np.full((9, 4), -1e308)) is None
    unknown = np.full((9, 2), np.inf)
    assert other_convention(as_corners(scene(9)), unknown) is None
