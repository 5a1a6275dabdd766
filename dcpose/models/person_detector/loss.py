"""What the person detector should say of a picture, and how wrong it is.

Scores learn how well the box beside them fits (quality focal loss: Li et al., NeurIPS 2020, arXiv
2006.04388), boxes learn generalised IoU (Rezatofighi et al., CVPR 2019). Shape legend: L places as
in `network`; P people and Q ignored regions of one picture.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss

from dcpose.models.person_detector.network import STRIDES, places

NOBODY, IGNORED = -1, -2
"""What `assign` says of places that are no person's."""
SIZES = (3.5, 11.0)
"""People whose longer side lies between these are learned by a map, in pixels of the map; smaller
ones by the finest map too, larger ones by the coarsest."""
REACH = 1.5
"""Places at most so far from a person's centre are its own, in pixels of the map along an axis."""
BOX_WEIGHT = 2.0


def assign(corners: Tensor, ignored: Tensor, middles: Tensor, strides: Tensor) -> Tensor:
    """Return (L,) whose place each is: the index of a person, `NOBODY` or `IGNORED`.

    A person has the places around the centre of its box on the maps that suit its size. Where two
    people could have a place, the one has it to whose centre it is nearer, by the box's sides.

    Args:
        corners: (P, 4) x0, y0, x1, y1 of people, and
        ignored: (Q, 4) of regions that teach nothing, in image pixels.
        middles: (L, 2) and
        strides: (L,), as `places` gives them.
    """
    x, y = middles.unbind(-1)
    left, top, right, bottom = ignored.unbind(-1)
    hidden = (x[:, None] > left) & (x[:, None] < right) & (y[:, None] > top) & (y[:, None] < bottom)
    owner = torch.where(hidden.any(dim=1), IGNORED, NOBODY)
    if not len(corners):
        return owner
    sides = corners[:, 2:] - corners[:, :2]
    away = (middles[:, None] - (corners[:, :2] + corners[:, 2:]) / 2).abs()
    stride = strides[:, None, None]
    # a thin person has its own places only, and at least one
    near = away <= (sides / 2).clamp(min=stride / 2, max=REACH * stride)
    size, step = sides.amax(dim=1), strides[:, None]
    suits = (size >= SIZES[0] * step) | (step == STRIDES[0])
    suits &= (size < SIZES[1] * step) | (step == STRIDES[-1])
    distance = (away / sides).square().sum(dim=-1)
    distance = distance.where(near.all(dim=-1) & suits, torch.inf)
    nearest = distance.min(dim=1)
    return torch.where(nearest.values < torch.inf, nearest.indices, owner)


def detector_loss(
    logits: Tensor,
    boxes: Tensor,
    corners: Sequence[Tensor],
    ignored: Sequence[Tensor],
    image_wh: tuple[int, int],
) -> Tensor:
    """Return the loss of what `PersonDetector` gives, a scalar.

    Args:
        logits: (N, L) and
        boxes: (N, L, 4), of N images.
        corners: per image (P, 4).
        ignored: per image (Q, 4).
        image_wh: size of the images.
    """
    middles, strides = places(*image_wh, logits.device)
    owners = [
        assign(people, regions, middles, strides)
        for people, regions in zip(corners, ignored, strict=True)
    ]
    own = torch.stack(owners) >= 0
    count = own.sum().clamp(min=1)
    truth = torch.cat(
        [people[owner[owner >= 0]] for people, owner in zip(corners, owners, strict=True)]
    )
    found = boxes[own]
    box_loss = generalized_box_iou_loss(found, truth, reduction="sum") / count
    quality = torch.zeros_like(logits)
    quality[own] = _iou(found.detach(), truth)
    wrong = (quality - logits.sigmoid()).square()
    wrong = wrong * functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    score_loss = (wrong * (torch.stack(owners) != IGNORED)).sum() / count
    return score_loss + BOX_WEIGHT * box_loss


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the (K,) overlaps of K pairs of boxes (K, 4)."""
    low, high = torch.maximum(first, second), torch.minimum(first, second)
    both = (high[:, 2:] - low[:, :2]).clamp(min=0).prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).prod(dim=1) for box in (first, second)]
    return both / (areas[0] + areas[1] - both).clamp(min=1e-9)
