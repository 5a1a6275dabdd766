"""Whose the places of a picture are, and what wrong scores and boxes cost."""

import pytest
import torch

from dcpose.models.person_detector.loss import BOX_WEIGHT, IGNORED, NOBODY, assign, detector_loss
from dcpose.models.person_detector.network import places

CPU = torch.device("cpu")
WH = 128, 128
MIDDLES, STRIDES = places(*WH, CPU)
PERSON = torch.tensor([[20.0, 12, 60, 68]])  # 56 pixels high: of the first map and the second
NOBODIES = torch.zeros(0, 4)


def owned(corners, ignored=NOBODIES):
    return assign(corners, ignored, MIDDLES, STRIDES)


def perfect(owner, corners):
    """Scores and boxes that leave nothing to learn."""
    logits = torch.where(owner >= 0, 30.0, -30.0)
    boxes = torch.cat([MIDDLES - 9, MIDDLES + 9], dim=-1)
    boxes[owner >= 0] = corners[owner[owner >= 0]]
    return logits[None], boxes[None].requires_grad_()


def test_a_person_has_the_places_around_its_centre_on_the_maps_of_its_size():
    owner = owned(PERSON)
    mine = MIDDLES[owner == 0], STRIDES[owner == 0]
    assert mine[0][mine[1] == 8].tolist() == [
        [x, y] for y in (28.0, 36.0, 44.0, 52.0) for x in (28.0, 36.0, 44.0, 52.0)
    ]
    assert mine[0][mine[1] == 16].tolist() == [
        [x, y] for y in (24.0, 40.0, 56.0) for x in (24.0, 40.0, 56.0)
    ]
    assert not (mine[1] == 32).any()
    assert ((owner == 0) | (owner == NOBODY)).all()


@pytest.mark.parametrize(
    ("height", "strides"), [(6, {8}), (20, {8}), (70, {8, 16}), (100, {16}), (126, {16, 32})]
)
def test_maps_of_sizes(height, strides):
    corners = torch.tensor([[60.0, 0.0, 66.0, height]])  # thin, yet on every map that suits
    assert set(STRIDES[owned(corners) == 0].tolist()) == strides


def test_of_two_people_the_nearer_one_has_a_place():
    beside = PERSON + torch.tensor([16.0, 0, 16, 0])
    owner = owned(torch.cat([PERSON, beside]))
    assert (MIDDLES[owner == 0, 0] <= 48).all()
    assert (MIDDLES[owner == 1, 0] >= 48).all()
    assert min((owner == 0).sum(), (owner == 1).sum()) >= 8


def test_people_in_ignored_regions_still_count():
    owner = owned(PERSON, torch.tensor([[0.0, 0, 64, 128]]))
    assert ((MIDDLES[:, 0] < 64) == (owner != NOBODY)).all()
    assert torch.equal(owner == 0, owned(PERSON) == 0)
    assert (owned(NOBODIES, torch.tensor([[0.0, 0, 64, 128]])) == IGNORED).any()


def test_right_maps_cost_nothing_and_wrong_ones_do():
    logits, boxes = perfect(owned(PERSON), PERSON)
    arguments = [PERSON], [NOBODIES], WH
    assert detector_loss(logits, boxes, *arguments) < 1e-6
    assert detector_loss(-logits, boxes, *arguments) > 10
    # boxes of half the width: the IoU is 0.5, the enclosing box is the truth
    half = boxes.detach().clone()
    half[..., 2] = torch.where(owned(PERSON) == 0, 40.0, half[..., 2])
    score = torch.where(owned(PERSON) == 0, 0.0, logits)  # a score of 0.5
    assert detector_loss(score, half, *arguments) == pytest.approx(BOX_WEIGHT * 0.5, abs=1e-5)


def test_nothing_is_learned_in_ignored_regions():
    region = torch.tensor([[96.0, 96, 128, 128]])
    logits, boxes = perfect(owned(PERSON), PERSON)
    logits[0, (MIDDLES > 96).all(dim=1) & (STRIDES == 8)] = 5.0
    assert detector_loss(logits, boxes, [PERSON], [NOBODIES], WH) > 1
    assert detector_loss(logits, boxes, [PERSON], [region], WH) < 1e-6


def test_a_picture_without_people():
    logits = torch.full((1, len(MIDDLES)), -30.0, requires_grad=True)
    boxes = torch.zeros(1, len(MIDDLES), 4, requires_grad=True)
    loss = detector_loss(logits, boxes, [NOBODIES], [NOBODIES], WH)
    loss.backward()
    assert loss < 1e-6
    assert logits.grad.isfinite().all()
    assert detector_loss(-logits, boxes, [NOBODIES], [NOBODIES], WH) > 100
