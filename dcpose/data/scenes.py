"""Training samples of a person detector: a window of a frame, and everybody in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dcpose.data.appearance import Appearance, change_appearance
from dcpose.data.frames import read_frame
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.structures import PersonRecord

WHOLE_PROB = 0.25
"""Share of the windows that show the whole frame."""
EDGE_PROB = 0.5
"""Share of the other windows whose border may cut the person that they are drawn around."""
SMALLEST = 0.6
"""Least size of the frame, as a share of the window's."""
MIN_LEFT = 0.35
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
        side: S, of the windows in pixels.
        person_range: the longer side of the person that a window is drawn around, window pixels.
        appearance: what happens to the pixels.
        seed: seeds everything.
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
        read: Callable[[Path], np.ndarray] = read_frame,
    ) -> None:
        self.side, self.person_range = side, person_range
        self.appearance, self.seed, self.read = appearance, seed, read
        self._videos = {video.name: video for video in videos}
        self._people = [person for video in videos for person in video.people]
        if not self._people:
            raise ValueError("nobody is labelled in the videos of the detector")
        self._of_frame: dict[tuple[str, int], list[PersonRecord]] = {}
        for person in self._people:
            self._of_frame.setdefault((person.video, person.frame), []).append(person)

    def __len__(self) -> int:
        """Number of people."""
        return len(self._people)

    def __getitem__(self, key: tuple[int, int]) -> Scene:
        """Return the window around person i for key (epoch, i)."""
        epoch, index = key
        person = self._people[index]
        rng = np.random.default_rng([self.seed, epoch, index])
        video = self._videos[person.video]
        frame = self.read(video.frame_path(person.frame))
        matrix = self._window(person.box_xywh, (frame.shape[1], frame.shape[0]), rng)
        image = cv2.warpAffine(frame, matrix, (self.side, self.side), flags=cv2.INTER_AREA)
        image = change_appearance(image[None], self.appearance, rng)[0]
        others = self._of_frame[person.video, person.frame]
        boxes = np.stack([other.box_xywh for other in others])
        people = _moved(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1), matrix)
        cut = people.clip(0, self.side)
        left = (cut[:, 2:] - cut[:, :2]).clip(0).prod(axis=1)
        share = left / (people[:, 2:] - people[:, :2]).prod(axis=1)
        good = (share >= MIN_LEFT) & ((cut[:, 2:] - cut[:, :2]).max(axis=1) >= MIN_SIDE)
        crowds = _moved(_ignored_regions(video, person.frame), matrix)
        return Scene(image, cut[good], np.concatenate([cut[~good & (share > 0)], crowds]))

    def _window(
        self, box: np.ndarray, image_wh: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        """Draw the (2, 3) map from the frame to the window, mirrored or not."""
        side, size = self.side, np.array(image_wh)
        smallest = side / size.max()
        scale = smallest
        if rng.random() >= WHOLE_PROB:
            low, high = np.log(self.person_range)
            wanted = np.exp(rng.uniform(low, high)) / box[2:].max()
            scale = max(wanted, SMALLEST * smallest)
        room = scale * box[2:] * (0.15 if rng.random() < EDGE_PROB else 0.5)
        place = rng.uniform(np.minimum(room, side / 2), np.maximum(side - room, side / 2))
        shift = place - scale * (box[:2] + box[2:] / 2)
        # as little as possible of the window lies outside the frame
        gap = side - scale * size
        shift = np.clip(shift, np.minimum(gap, 0), np.maximum(gap, 0))
        if rng.random() < 0.5:
            return np.array([[-scale, 0, side - shift[0]], [0, scale, shift[1]]])
        return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


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
