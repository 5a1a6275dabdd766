"""The people of one video in arrays, whatever form of file they were read from.

Legend: F frames; P people of all frames; J joints in evaluation order
(`Skeleton.evaluation_joints`; 15 for PoseTrack). Points are (x, y) in image pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

NO_SCORE = -9999.0
"""Score of a predicted joint whose file gives none (PoseTrack's evaluator); it ranks last."""
CLEAN = "clean"
"""Label of annotated people whose list of conditions is empty."""
TRACK_ID_LIMIT = 10000
"""Track ids have to be smaller."""

Side = Literal["annotations", "predictions"]


class EvaluationInputError(ValueError):
    """A file or folder cannot be evaluated; one line names file, place, cause and way out."""


@dataclass(frozen=True, eq=False)
class VideoPoses:
    """The people of one video.

    Attributes:
        path: the file they come from.
        frame_names: F image names, in the order of the file.
        frame_of: (P,) int64 frame of each person, ascending.
        joints: (P, J, 2) float64, in image pixels; any value where absent.
        present: (P, J) bool, whether the file gives the joint.
        scores: (P, J) float64 joint scores, `NO_SCORE` where missing; zeros for annotations.
        listed: (P,) bool, False for people of 2017 files that have no list of points at all.
        has_head_box: (P,) bool; all False for predictions.
        head_boxes: (P, 4) float64 x1, y1, x2, y2; zeros where there is none.
        track_ids: (P,) float64, whole numbers as a rule; NaN for people who are never evaluated.
        boxes_xywh: (P, 4) float64 person boxes; NaN where the file gives none.
        conditions: (P,) object, the frozenset of labels that say what makes a person hard to see,
            `CLEAN` where nothing does; None where the file does not say.
        ignore_regions: per frame the (N, 2) float64 rings whose inside is not evaluated; frames
            without such polygons have no entry; empty for predictions.
        notes: what the evaluator of PoseTrack accepts in silence although it is probably wrong,
            one line each, without the name of the file.
    """

    path: Path
    frame_names: list[str]
    frame_of: np.ndarray
    joints: np.ndarray
    present: np.ndarray
    scores: np.ndarray
    listed: np.ndarray
    has_head_box: np.ndarray
    head_boxes: np.ndarray
    track_ids: np.ndarray
    boxes_xywh: np.ndarray
    conditions: np.ndarray
    ignore_regions: dict[int, list[np.ndarray]]
    notes: list[str]

    @property
    def num_frames(self) -> int:
        """F."""
        return len(self.frame_names)

    def keep(self, people: np.ndarray) -> VideoPoses:
        """Return the poses of the people that a (P,) bool mask or index array selects."""
        return replace(
            self,
            frame_of=self.frame_of[people],
            joints=self.joints[people],
            present=self.present[people],
            scores=self.scores[people],
            listed=self.listed[people],
            has_head_box=self.has_head_box[people],
            head_boxes=self.head_boxes[people],
            track_ids=self.track_ids[people],
            boxes_xywh=self.boxes_xywh[people],
            conditions=self.conditions[people],
        )


@dataclass(frozen=True)
class Complaint:
    """Builds one-line errors and notes about one file.

    Attributes:
        path: the file.
        frame_names: image names for messages; may still be empty.
        frame_of: frame of each person, in the order in which people are counted.
    """

    path: Path
    frame_names: Sequence[str] = ()
    frame_of: Sequence[int] = ()

    def error(self, text: str) -> EvaluationInputError:
        """Return an error about the file as a whole."""
        return EvaluationInputError(f"{self.path}: {text}")

    def place(self, person: int) -> str:
        """Return what messages call a person: its frame and its number there, from 1."""
        frame = self.frame_of[person]
        number = 1 + sum(other == frame for other in self.frame_of[:person])
        return f"frame {self.frame_names[frame]}, person {number}"

    def person_error(self, person: int, text: str) -> EvaluationInputError:
        """Return an error about one person."""
        return self.error(f"{self.place(person)}: {text}")


def bad_value(value: Any) -> str:  # noqa: ANN401 - anything that JSON can hold
    """Return a JSON value for a message, cut to a readable length."""
    text = "null or missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def number_rows(rows: list[Any], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn lists of JSON numbers into an array; null becomes NaN.

    Args:
        rows: P lists of at least `width` entries; surplus entries are cut off.
        width: entries per row.

    Returns:
        (P, width) float64 values and a (P, width) bool mask of the entries that were null.

    Raises:
        RowError: for the first row that is no list, is too short or holds something else than
            numbers and null.
    """
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) < width:
            found = f"{len(row)} entries" if type(row) is list else bad_value(row)
            raise RowError(index, found)
    flat = list(chain.from_iterable(row if len(row) == width else row[:width] for row in rows))
    kinds = set(map(type, flat))
    if not kinds <= {int, float, bool, type(None)}:
        position = next(i for i, v in enumerate(flat) if not isinstance(v, int | float | None))
        raise RowError(
            position // width, f"{bad_value(flat[position])} as entry {position % width}"
        )
    try:
        values = np.array(flat, dtype=np.float64).reshape(len(rows), width)
    except OverflowError:
        position = next(i for i, v in enumerate(flat) if type(v) is int and abs(v) > 2**1000)
        raise RowError(
            position // width, f"a number of {len(str(flat[position]))} digits"
        ) from None
    is_null = np.zeros(values.shape, dtype=bool)
    if type(None) in kinds:
        is_null.reshape(-1)[:] = [value is None for value in flat]
    return values, is_null


class RowError(ValueError):
    """A row is not what `number_rows` expects.

    Attributes:
        index: which row.
        found: what it holds, for a message.
    """

    def __init__(self, index: int, found: str) -> None:
        super().__init__(f"row {index}: {found}")
        self.index = index
        self.found = found


def check_coordinates(
    is_null: np.ndarray, joint_names: Sequence[str], complaint: Complaint
) -> None:
    """Raise EvaluationInputError for the first present joint whose coordinates are null.

    Args:
        is_null: (P, J) bool, True for joints that are present and have a null coordinate.
        joint_names: J names for messages.
        complaint: names the file and its people.
    """
    if is_null.any():
        person, joint = np.argwhere(is_null)[0]
        raise complaint.person_error(
            int(person),
            f"joint {joint_names[joint]} has a null coordinate, expected numbers; "
            "leave an unknown joint out (0, 0, 0 in 2018 files, no point in 2017 files)",
        )


def check_track_ids(track_ids: list[Any], complaint: Complaint, side: Side) -> list[str]:
    """Check the track ids of all people and return notes.

    Args:
        track_ids: one per person, in the order of `complaint.frame_of`; the string "missing"
            stands for people without one.
        complaint: names the file and its people.
        side: ids of predictions have to be unique inside a frame.

    Raises:
        EvaluationInputError: for an id that is missing, no number, too large or used twice.
    """
    seen: dict[tuple[int, float], int] = {}
    repeated = 0
    for person, (frame, track_id) in enumerate(zip(complaint.frame_of, track_ids, strict=True)):
        if type(track_id) not in (int, float) or not track_id < TRACK_ID_LIMIT:
            found = "no track_id" if track_id == "missing" else f"track_id {bad_value(track_id)}"
            raise complaint.person_error(
                person,
                f"{found}, expected a whole number 0..{TRACK_ID_LIMIT - 1}; numbering the people "
                "of each frame 0, 1, 2, ... is enough for AP",
            )
        first = seen.setdefault((frame, track_id), person)
        if first != person and side == "predictions":
            raise complaint.person_error(
                person,
                f"track_id {track_id} is already used in this frame, expected unique ids; "
                "numbering the people of each frame 0, 1, 2, ... is enough for AP",
            )
        repeated += first != person
    negative = sum(track_id < 0 for track_id in track_ids)
    notes = [f"{repeated} people share a track_id with another of their frame"] if repeated else []
    return notes + ([f"{negative} people have a negative track_id"] if negative else [])


def value_notes(
    joints: np.ndarray, present: np.ndarray, scores: np.ndarray, side: Side
) -> list[str]:
    """Return notes about coordinates and scores that are legal but probably wrong.

    Args:
        joints: (P, J, 2) coordinates.
        present: (P, J) bool.
        scores: (P, J) joint scores; only looked at for predictions.
        side: which file they come from.
    """
    notes = []
    not_finite = int((present & ~np.isfinite(joints).all(axis=-1)).sum())
    if not_finite:
        notes.append(f"{not_finite} joints have coordinates that are not finite: never a match")
    if side == "annotations":
        return notes
    unscored = int((present & (scores == NO_SCORE)).sum())
    if unscored:
        notes.append(f"{unscored} joints have no score: they rank last, as {NO_SCORE:.0f}")
    not_finite = int((present & ~np.isfinite(scores)).sum())
    if not_finite:
        notes.append(f"{not_finite} joint scores are not finite: NaN and null rank first")
    return notes
