"""The poses of a video in arrays, from the JSON that `tools/infer.py` writes.

Legend: F frames, P people of all frames, J joints. Points are (x, y) in image pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats import fields


@dataclass(frozen=True, eq=False)
class VideoResults:
    """What was found in a video.

    Attributes:
        name: of the file, without its suffix.
        joint_names: J names.
        frame_numbers: (F,) int64 ascending, from 0.
        times: (F,) float64 seconds; NaN where the file does not say.
        image_names: F names.
        image_wh: (width, height) of the first frame; (0, 0) where the file does not say.
        image_rows: F positions in the file's `images`.
        rows: P positions in the file's `annotations`.
        frame_of: (P,) int64 position of each person's frame, ascending.
        track_ids: (P,) int64, different in a frame.
        boxes_xywh: (P, 4) float64.
        box_scores: (P,) float64.
        joints: (P, J, 2) float64.
        joint_scores: (P, J) float64.
        probabilities: (P, J) float64 that a joint lies within the limit it was calibrated for; None
            without calibration.
    """

    name: str
    joint_names: tuple[str, ...]
    frame_numbers: np.ndarray
    times: np.ndarray
    image_names: tuple[str, ...]
    image_wh: tuple[int, int]
    image_rows: tuple[int, ...]
    rows: tuple[int, ...]
    frame_of: np.ndarray
    track_ids: np.ndarray
    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    joints: np.ndarray
    joint_scores: np.ndarray
    probabilities: np.ndarray | None = None

    @property
    def num_frames(self) -> int:
        """F."""
        return len(self.frame_numbers)

    def people_of_frame(self, frame: int) -> range:
        """Return the people of the frame at a position."""
        return range(*np.searchsorted(self.frame_of, (frame, frame + 1)).tolist())


def read_results(path: Path) -> VideoResults:
    """Read a file of poses; see `results_of`."""
    return results_of(fields.read_json(path), path)


def results_of(content: Any, path: Path) -> VideoResults:  # noqa: ANN401 - parsed JSON
    """Turn the content of a file of poses into arrays; `path` is for messages and the name.

    Raises:
        ValueError: if it is not in the form of PoseTrack 2018 with scores; the message names the
            place.
    """
    where = str(path)
    categories = fields.get_list(content, "categories", where)
    if len(categories) != 1:
        raise ValueError(f"{where}: categories: found {len(categories)}, expected one")
    names = tuple(fields.get_list(categories[0], "keypoints", f"{where}: categories[0]"))
    images = fields.get_list(content, "images", where)
    numbers = [_frame_number(image, i, f"{where}: images[{i}]") for i, image in enumerate(images)]
    order = sorted(range(len(images)), key=numbers.__getitem__)
    position: dict[int, int] = {}
    for rank, index in enumerate(order):
        image_id = fields.get_int(images[index], "id", f"{where}: images[{index}]")
        if position.setdefault(image_id, rank) != rank:
            raise ValueError(f"{where}: images[{index}]: id {image_id} occurs twice, expected once")
    people = [
        _Person(entry, f"{where}: annotations[{i}]", len(names), position)
        for i, entry in enumerate(fields.get_list(content, "annotations", where))
    ]
    rows = sorted(range(len(people)), key=lambda row: people[row].frame)
    people = [people[row] for row in rows]
    first = images[order[0]] if images else {}
    calibrated = bool(people) and all(person.probabilities is not None for person in people)
    count = len(names)
    return VideoResults(
        name=path.stem,
        joint_names=names,
        frame_numbers=np.array([numbers[i] for i in order], dtype=np.int64),
        times=np.array([images[i].get("time", np.nan) for i in order], dtype=np.float64),
        image_names=tuple(str(images[i].get("file_name", "")) for i in order),
        image_wh=(int(first.get("width", 0)), int(first.get("height", 0))),
        image_rows=tuple(order),
        rows=tuple(rows),
        frame_of=np.array([p.frame for p in people], dtype=np.int64),
        track_ids=np.array([p.track_id for p in people], dtype=np.int64),
        boxes_xywh=np.array([p.box for p in people]).reshape(-1, 4),
        box_scores=np.array([p.box_score for p in people], dtype=np.float64),
        joints=np.array([p.joints for p in people]).reshape(-1, count, 2),
        joint_scores=np.array([p.scores for p in people]).reshape(-1, count),
        probabilities=(
            np.array([p.probabilities for p in people]).reshape(-1, count) if calibrated else None
        ),
    )


def _frame_number(image: Any, index: int, where: str) -> int:  # noqa: ANN401 - parsed JSON
    """Return the number of a frame: of `tools/infer.py` its id, else the digits its name ends in.

    Where the name has none, its place in the file.
    """
    name = Path(fields.get_str(image, "file_name", where)).stem
    if image.get("time") is not None:
        return fields.get_int(image, "id", where)
    digits = name[len(name.rstrip("0123456789")) :]
    return int(digits) if digits and len(digits) < 16 else index


class _Person:
    """One entry of `annotations`, checked."""

    def __init__(
        self,
        entry: Any,  # noqa: ANN401 - parsed JSON
        where: str,
        num_joints: int,
        position: dict[int, int],
    ) -> None:
        image_id = fields.get_int(entry, "image_id", where)
        if image_id not in position:
            raise ValueError(f"{where}: image_id {image_id} is no image of the file")
        self.frame = position[image_id]
        self.track_id = fields.get_int(entry, "track_id", where)
        self.box = fields.get_numbers(entry, "bbox", 4, where)
        self.box_score = fields.get_number(entry, "score", where)
        keypoints = fields.get_numbers(entry, "keypoints", 3 * num_joints, where)
        self.joints = keypoints.reshape(-1, 3)[:, :2]
        self.scores = fields.get_numbers(entry, "scores", num_joints, where)
        self.probabilities = None
        if entry.get("probabilities") is not None:
            self.probabilities = fields.get_numbers(entry, "probabilities", num_joints, where)
