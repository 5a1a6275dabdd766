"""Training samples of a person detector: a window of a frame, and everybody in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dcpose.data.appearance import Appearance, change_appearance
from dcpose.data.frames import read_frame
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import box_iou
from dcpose.structures import PersonRecord

MOSAIC_PROB = 0.25
"""Share of the windows that are put together from four of half the side."""
EMPTY_PROB = 0.08
"""Share of the windows that show a picture without people, where there are such pictures."""
WHOLE_PROB = 0.1
"""Share of the other windows that show the whole frame."""
EDGE_PROB = 0.4
"""Share of the rest whose border may cut the person that they are drawn around."""
STRETCH = 0.15
"""Largest change of a window's aspect ratio, logarithm."""
SMALLEST = 0.9
"""Least longer side of the frame, as a share of the window's."""
MARGIN = 0.055
"""What rendered boxes have more on each side than those of people in photographs, as a share."""
HIDDEN_IOU = 0.6
"""People are ignored whose box overlaps as much with one that ends lower: they stand behind."""
MIN_LEFT = 0.3
"""Share of a box that must lie in the window; people of whom less is left are ignored."""
MIN_SIDE = 14.0
"""Window pixels; people whose longer side is shorter are ignored."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A window and its people.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        corners: (P, 4) x0, y0, x1, y1 of the people in window pixels, cut to the window.
        ignored: (Q, 4) corners of what is neither a person nor none.
    """

    image: np.ndarray
    corners: np.ndarray
    ignored: np.ndarray


class PersonScenes:
    """Windows around all labelled people of annotated videos.

    Scene (epoch, i) depends on `seed`, `epoch` and `i` alone.

    Args:
        videos: annotated videos.
        side: S, of the windows in pixels, even.
        person_range: the longer side of the person that a window is drawn around, as shares of S.
        appearance: what happens to the pixels.
        seed: seeds everything.
        empty: pictures without people.
        read: decodes a frame to (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if nobody is labelled.
    """

    def __init__(
        self,
        videos: Sequence[VideoAnnotation],
        side: int,
        person_range: tuple[float, float],
        appearance: Appearance,
        seed: int,
        empty: Sequence[Path] = (),
        read: Callable[[Path], np.ndarray] = read_frame,
    ) -> None:
        self.side, self.person_range, self.empty = side, person_range, empty
        self.appearance, self.seed, self.read = appearance, seed, read
        self._people = [(video, person) for video in videos for person in video.people]
        if not self._people:
            raise ValueError("nobody is labelled in the videos of the detector")
        self._of_frame: dict[Path, list[PersonRecord]] = {}
        for video, person in self._people:
            self._of_frame.setdefault(video.frame_path(person.frame), []).append(person)

    def __len__(self) -> int:
        """Number of people."""
        return len(self._people)

    def __getitem__(self, key: tuple[int, int]) -> Scene:
        """Return the window around person i, or the mosaic with it, for key (epoch, i)."""
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        if self.empty and rng.random() < EMPTY_PROB:
            scene = self._empty(rng)
        elif rng.random() < MOSAIC_PROB:
            others = rng.integers(len(self), size=3).tolist()
            half = self.side // 2
            scene = _mosaic([self._window(i, half, rng) for i in (index, *others)])
        else:
            scene = self._window(index, self.side, rng)
        image = change_appearance(scene.image[None], self.appearance, rng)[0]
        return Scene(image, scene.corners, scene.ignored)

    def _empty(self, rng: np.random.Generator) -> Scene:
        """Cut a square out of a picture without people."""
        picture = self.read(self.empty[int(rng.integers(len(self.empty)))])
        height, width = picture.shape[:2]
        cut = int(min(height, width) * np.exp(rng.uniform(np.log(0.2), 0)))
        x, y = rng.integers(width - cut + 1), rng.integers(height - cut + 1)
        way = cv2.INTER_AREA if cut > self.side else cv2.INTER_LINEAR
        image = cv2.resize(picture[y : y + cut, x : x + cut], (self.side,) * 2, interpolation=way)
        return Scene(image, np.zeros((0, 4)), np.zeros((0, 4)))

    def _window(self, index: int, side: int, rng: np.random.Generator) -> Scene:
        """Cut a window around a person."""
        video, person = self._people[index]
        path = video.frame_path(person.frame)
        frame = self.read(path)
        size = np.array([frame.shape[1], frame.shape[0]])
        matrix = self._draw_matrix(person.box_xywh, size, side, rng)
        image = _warped(frame, matrix, side)
        boxes = np.stack([other.box_xywh for other in self._of_frame[path]])
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        people = _moved(_without_margin(corners, size), matrix)
        cut = people.clip(0, side)
        left = (cut[:, 2:] - cut[:, :2]).clip(0).prod(axis=1)
        share = left / (people[:, 2:] - people[:, :2]).prod(axis=1)
        good = ~_hidden(people) & (share >= MIN_LEFT)
        good &= (cut[:, 2:] - cut[:, :2]).max(axis=1) >= MIN_SIDE
        crowds = _moved(_ignored_regions(video, person.frame), matrix).clip(0, side)
        return Scene(image, cut[good], np.concatenate([cut[~good & (share > 0)], crowds]))

    def _draw_matrix(
        self, box: np.ndarray, size: np.ndarray, side: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw the (2, 3) map from a frame of a size to the window, mirrored or not."""
        stretch = np.exp(rng.uniform(-STRETCH, STRETCH) / 2 * np.array([1, -1]))
        scale = side / size.max() * stretch
        if rng.random() >= WHOLE_PROB:
            low, high = np.log(self.person_range)
            wanted = np.exp(rng.uniform(low, high)) * side / box[2:].max()
            scale = max(wanted, SMALLEST * side / size.max()) * stretch
        room = scale * box[2:] * (0.2 if rng.random() < EDGE_PROB else 0.5)
        place = rng.uniform(np.minimum(room, side / 2), np.maximum(side - room, side / 2))
        shift = place - scale * (box[:2] + box[2:] / 2)
        # as little as possible of the window lies outside the frame
        gap = side - scale * size
        shift = np.clip(shift, np.minimum(gap, 0), np.maximum(gap, 0))
        if rng.random() < 0.5:
            return np.array([[-scale[0], 0, side - shift[0]], [0, scale[1], shift[1]]])
        return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])


def _warped(frame: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Warp a frame, averaging where it shrinks."""
    wanted = np.abs([matrix[0, 0], matrix[1, 1]])
    if wanted.max() < 1:
        size = np.array([frame.shape[1], frame.shape[0]])
        small = np.maximum(np.round(size * wanted), 1).astype(int)
        frame = cv2.resize(frame, small.tolist(), interpolation=cv2.INTER_AREA)
        matrix = np.column_stack([matrix[:, :2] * (size / small), matrix[:, 2]])
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)


def _mosaic(tiles: Sequence[Scene]) -> Scene:
    """Put four windows together to one of twice the side."""
    side = len(tiles[0].image)
    moves = [np.array([x, y, x, y]) for y in (0, side) for x in (0, side)]
    images = [tile.image for tile in tiles]
    return Scene(
        np.vstack([np.hstack(images[:2]), np.hstack(images[2:])]),
        np.concatenate([tile.corners + move for tile, move in zip(tiles, moves, strict=True)]),
        np.concatenate([tile.ignored + move for tile, move in zip(tiles, moves, strict=True)]),
    )


def _without_margin(corners: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Move the sides of (P, 4) corners inwards, but those at the frame's border."""
    margin = MARGIN * np.tile(corners[:, 2:] - corners[:, :2], 2)
    inside = np.concatenate([corners[:, :2] > 0.5, corners[:, 2:] < size - 0.5], axis=1)
    return corners + margin * inside * (1, 1, -1, -1)


def _hidden(corners: np.ndarray) -> np.ndarray:
    """Return (P,) who of some people stands behind another one."""
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    iou = box_iou(boxes, boxes)
    return np.any((iou > HIDDEN_IOU) & (corners[:, None, 3] < corners[None, :, 3]), axis=1)


def _moved(corners: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map (P, 4) corners by a matrix that scales, shifts and mirrors."""
    points = corners.reshape(-1, 2, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _ignored_regions(video: VideoAnnotation, frame: int) -> np.ndarray:
    """Return the (Q, 4) corners around the regions of a frame where people are not labelled."""
    entry = video.images[video.frame_numbers.index(frame)]
    regions = zip(entry.get("ignore_regions_x", ()), entry.get("ignore_regions_y", ()), strict=True)
    corners = [(min(x), min(y), max(x), max(y)) for x, y in regions if x and y]
    return np.array(corners, np.float64).reshape(-1, 4)
