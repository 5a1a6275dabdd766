"""Targets and loss of the person detector."""

import pytest
import torch

from dcpose.models.person_detector.loss import DetectorTargets, detector_loss
from dcpose.models.person_detector.network import decode

BOX = torch.tensor([[16.0, 8.0, 80.0, 104.0]])
NOBODY = torch.zeros(0, 4)


def targets(people=BOX, ignored=NOBODY):
    return DetectorTargets([people], [ignored], (16, 16))


def perfect(found):
    """Maps that say what the targets say."""
    logits = torch.where(found.center == 1, 20.0, -20.0)[:, None]
    return logits, found.box.clone()


def test_the_peak_is_at_the_middle_and_tells_the_box():
    found = targets()
    y, x = divmod(int(found.center.argmax()), 16)
    assert (x, y) == (6, 7)  # middle at (48, 56)
    dx, dy, log_width, log_height = found.box[0, :, y, x].tolist()
    assert (dx, dy) == (-0.5, -0.5)
    assert log_width == pytest.approx(0)  # 64 pixels
    assert log_height == pytest.approx(torch.tensor(1.5).log())


def test_decoding_the_targets_gives_the_boxes_back():
    people = torch.tensor([[16.0, 8.0, 80.0, 104.0], [90.0, 60.0, 110.0, 120.0]])
    boxes, scores = decode(*perfect(targets(people)), min_score=0.5)[0]
    order = boxes[:, 0].argsort()
    torch.testing.assert_close(boxes[order], people, rtol=0, atol=1e-3)
    assert (scores > 0.99).all()


def test_right_maps_cost_nothing_and_wrong_ones_do():
    found = targets()
    logits, boxes = perfect(found)
    right = detector_loss(logits, boxes, found)
    assert right < 1e-6
    assert detector_loss(-logits, boxes, found) > 1
    shifted = boxes.clone()
    shifted[:, 0] += 0.8  # a tenth of the box's width, 8 pixels of the map
    assert detector_loss(logits, shifted, found) == pytest.approx(0.1, abs=1e-3)


def test_nothing_is_learned_in_ignored_regions():
    region = torch.tensor([[96.0, 96.0, 128.0, 128.0]])
    plain, ignoring = targets(), targets(ignored=region)
    logits, boxes = perfect(plain)
    logits[0, 0, 13, 13] = 5.0
    assert detector_loss(logits, boxes, plain) > 1
    assert detector_loss(logits, boxes, ignoring) < 1e-6


def test_people_in_ignored_regions_still_count():
    found = targets(ignored=torch.tensor([[0.0, 0.0, 128.0, 128.0]]))
    logits, boxes = perfect(found)
    assert detector_loss(-logits, boxes, found) > 1


def test_a_picture_without_people():
    found = targets(NOBODY)
    logits = torch.full((1, 1, 16, 16), -20.0, requires_grad=True)
    loss = detector_loss(logits, torch.zeros(1, 4, 16, 16), found)
    loss.backward()
    assert loss < 1e-6
    assert torch.isfinite(logits.grad).all()
