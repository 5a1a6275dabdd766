"""Targets and loss of the person detector (focal loss of CenterNet, arXiv 1904.07850).

Shape legend: N images, h x w pixels of the maps, P people of an image, Q ignored regions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dcpose.models.person_detector.network import NATURAL_SIDE, STRIDE

SPREAD = 0.1
"""Standard deviation of a centre, as a share of the box's sides."""
MIN_SPREAD = 0.7
"""The same in pixels of the map, for small people."""
BOX_LEVEL = 0.5
"""Boxes are learned where the centre map is at least this high."""
BOX_WEIGHT = 1.0


class DetectorTargets:
    """What the maps of some images should be.

    Args:
        corners: per image (P, 4) x0, y0, x1, y1 in image pixels.
        ignored: per image (Q, 4).
        map_wh: (w, h) of the maps.

    Attributes:
        center: (N, h, w), 1 at the pixel of each centre, falling off around it.
        weight: (N, h, w), 0 where nothing is learned about centres.
        box: (N, 4, h, w) as `PersonDetector` gives boxes.
        sides: (N, 2, h, w) sides of these boxes, in pixels of the map.
    """

    def __init__(
        self, corners: Sequence[Tensor], ignored: Sequence[Tensor], map_wh: tuple[int, int]
    ) -> None:
        width, height = map_wh
        shape = len(corners), height, width
        self.center, self.weight = torch.zeros(shape), torch.ones(shape)
        self.box, self.sides = (
            torch.zeros(shape[0], 4, *shape[1:]),
            torch.ones(shape[0], 2, *shape[1:]),
        )
        x, y = torch.arange(width).view(1, -1), torch.arange(height).view(-1, 1)
        for image, (people, regions) in enumerate(zip(corners, ignored, strict=True)):
            for x0, y0, x1, y1 in (regions / STRIDE).tolist():
                inside = (x + 0.5 > x0) & (x + 0.5 < x1) & (y + 0.5 > y0) & (y + 0.5 < y1)
                self.weight[image][inside] = 0
            for x0, y0, x1, y1 in (people / STRIDE).tolist():
                middle_x, middle_y, wide, tall = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
                at_x, at_y = min(int(middle_x), width - 1), min(int(middle_y), height - 1)
                spread_x, spread_y = (max(SPREAD * side, MIN_SPREAD) for side in (wide, tall))
                bell = torch.exp(
                    -(((x - at_x) / spread_x) ** 2) / 2 - ((y - at_y) / spread_y) ** 2 / 2
                )
                nearer = bell > self.center[image]
                self.center[image] = torch.where(nearer, bell, self.center[image])
                self.weight[image][bell > BOX_LEVEL] = 1
                values = (
                    middle_x - x - 0.5 + 0 * y,
                    middle_y - y - 0.5 + 0 * x,
                    torch.full_like(bell, wide * STRIDE / NATURAL_SIDE).log(),
                    torch.full_like(bell, tall * STRIDE / NATURAL_SIDE).log(),
                )
                self.box[image] = torch.where(nearer, torch.stack(values), self.box[image])
                sides = torch.tensor([wide, tall]).view(2, 1, 1)
                self.sides[image] = torch.where(nearer, sides, self.sides[image])


def detector_loss(logits: Tensor, boxes: Tensor, targets: DetectorTargets) -> Tensor:
    """Return the loss of maps (N, 1, h, w) and (N, 4, h, w), a scalar.

    Errors of a box's place count relative to its sides, as those of its sides do.
    """
    logits = logits[:, 0]
    score, target = logits.sigmoid(), targets.center
    peak = target == 1
    people = peak.sum().clamp(min=1)
    found = (1 - score).square() * functional.logsigmoid(logits) * peak
    absent = (1 - target) ** 4 * score.square() * functional.logsigmoid(-logits)
    center = -((found + absent * ~peak) * targets.weight).sum() / people
    error = (boxes - targets.box).abs()
    error = torch.cat([error[:, :2] / targets.sides, error[:, 2:]], dim=1).sum(dim=1)
    weight = target * (target >= BOX_LEVEL)
    return center + BOX_WEIGHT * (error * weight).sum() / weight.sum().clamp(min=1)
