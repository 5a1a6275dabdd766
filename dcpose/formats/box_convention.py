"""Do the boxes of a file mean what their form says: left, top, width, height, in pixels?

Other tools write corners, centres, or parts of the image. One box does not tell, many do.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dcpose.geometry import paired_iou

EXPECTED = "expected bbox [left, top, width, height] in pixels of the image"
"""What a message about another convention ends with."""
_MIN_SIDE = 2.0
"""Pixels; where no side of any box is as long, they are parts of the image."""
_MIN_BOXES = 5
"""Fewer boxes may lie anywhere."""
_MOST_BOXES = 2000
"""More boxes tell no more; they are taken evenly from the file."""
_MARGIN = 0.05
"""Boxes of detectors may leave the image by this part of its side."""
_MEETS = 0.5
"""Intersection over union with a person that a box is about."""


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def _centres(boxes: np.ndarray) -> np.ndarray:
    return np.column_stack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]])


_READINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "left, top, right, bottom": _corners,
    "centre x, centre y, width, height": _centres,
}


def other_convention(
    boxes: np.ndarray, sizes: np.ndarray, people: Sequence[Sequence[np.ndarray]] = ()
) -> str | None:
    """Say what speaks for another convention; None where boxes are as expected, also poor ones.

    Args:
        boxes: (N, 4) as the file gives them.
        sizes: (N, 2) width and height of the image of each, infinite where unknown.
        people: of each box, the (4,) annotated boxes of its image; empty if there are none.
    """
    if not len(boxes):
        return None
    if (np.abs(boxes[:, 2:]) < _MIN_SIDE).all():
        return f"no side of its {len(boxes)} boxes reaches 2 pixels, as in parts of the image"
    if len(boxes) < _MIN_BOXES:
        return None
    taken = np.linspace(0, len(boxes) - 1, min(len(boxes), _MOST_BOXES)).astype(int)
    boxes, sizes = boxes[taken], sizes[taken]
    with np.errstate(over="ignore", invalid="ignore"):
        told = _by_image(boxes, sizes)
        if told is None and len(people):
            told = _by_people(boxes, [people[index] for index in taken])
    return told


def _by_image(boxes: np.ndarray, sizes: np.ndarray) -> str | None:
    leaving = _leaves(boxes, sizes).sum()
    as_corners = _corners(boxes)
    possible = (as_corners[:, 2:] > 0).all(axis=1) & ~_leaves(as_corners, sizes)
    if leaving <= len(boxes) / 2 or possible.mean() < 0.95:
        return None
    return (
        f"{leaving} of {len(boxes)} boxes leave the image, and hardly one if they are read as "
        "left, top, right, bottom"
    )


def _leaves(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (N,) whether a box ends clearly to the right of its image, or below it."""
    known = np.where(np.isfinite(sizes), sizes, np.finfo(np.float64).max)
    return np.asarray((boxes[:, :2] + boxes[:, 2:] > (1 + _MARGIN) * known).any(axis=1))


def _by_people(boxes: np.ndarray, people: Sequence[Sequence[np.ndarray]]) -> str | None:
    asked = [index for index, around in enumerate(people) if len(around)]
    if len(asked) < _MIN_BOXES:
        return None
    met = _meeting(boxes, people, asked)
    for words, reading in _READINGS.items():
        others = _meeting(reading(boxes), people, asked)
        if met < 0.2 * len(asked) and others > 0.5 * len(asked):
            return (
                f"{met} of {len(asked)} boxes meet an annotated person, and {others} if they are "
                f"read as {words}"
            )
    return None


def _meeting(
    boxes: np.ndarray, people: Sequence[Sequence[np.ndarray]], asked: Sequence[int]
) -> int:
    """Count the boxes that one of the people of their image lies in."""
    return sum(bool((paired_iou(boxes[i], np.stack(people[i])) >= _MEETS).any()) for i in asked)
