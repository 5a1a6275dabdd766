"""The people of a video from entries of the 2018 form to arrays, as PoseTrack's evaluator has them.

Legend: P people of all frames; J joints in evaluation order; K joints that the entries list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcpose.formats.fields import RowError, bad_value, number_rows
from dcpose.formats.posetrack.video_poses import (
    CLEAN,
    NO_SCORE,
    TRACK_ID_LIMIT,
    Complaint,
    Side,
    VideoPoses,
)
from dcpose.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class People:
    """Entries of people, in the order of their frames.

    Attributes:
        entries: P objects of the 2018 form.
        listed: (P,) bool, see `VideoPoses`.
        columns: (J,) int64, where the entries keep each evaluated joint.
        num_names: K.
        complaint: names the file, its frames and the frame of each of the people.
        notes: takes what is legal but probably wrong, see `VideoPoses`.
    """

    entries: list[dict[str, Any]]
    listed: np.ndarray
    columns: np.ndarray
    num_names: int
    complaint: Complaint
    notes: list[str]

    def to_poses(
        self, side: Side, rings: dict[int, list[np.ndarray]], skeleton: Skeleton
    ) -> VideoPoses:
        """Return the arrays of the video.

        Args:
            side: annotations need no scores, predictions need no head boxes.
            rings: ignore regions by frame.
            skeleton: names the joints.

        Raises:
            ValueError: if anything that the evaluation reads is missing or malformed.
        """
        joints, present = self._joints(skeleton)
        scores = self._scores() if side == "predictions" else np.zeros(present.shape)
        track_ids = self._track_ids(side)
        self._note_values(joints, present, scores if side == "predictions" else None)
        has_head_box, head_boxes = self._head_boxes(side)
        return VideoPoses(
            path=self.complaint.path,
            frame_names=list(self.complaint.frame_names),
            frame_of=np.array(self.complaint.frame_of, dtype=np.int64),
            joints=joints,
            present=present,
            scores=scores,
            listed=self.listed,
            has_head_box=has_head_box,
            head_boxes=head_boxes,
            track_ids=track_ids,
            boxes_xywh=self._boxes(),
            conditions=self._conditions(side),
            ignore_regions=rings,
            notes=self.notes,
        )

    def _rows(
        self, key: str, people: Sequence[int], width: int, expected: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of some people's lists, and which of them are null."""
        try:
            return number_rows([self.entries[k].get(key) for k in people], width)
        except RowError as error:
            found = f"{key!r} has {error.found}, expected {expected}"
            raise self.complaint.person_error(people[error.index], found) from None

    def _joints(self, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
        """Return (P, J, 2) coordinates and (P, J) presence."""
        width = 3 * self.num_names
        expected = (
            f"{width} numbers (x, y and a third value for each of the {self.num_names} joints of "
            "the category)"
        )
        for index, entry in enumerate(self.entries):
            row = entry.get("keypoints")
            if not isinstance(row, list) or len(row) != width:
                found = f"{len(row)} numbers" if isinstance(row, list) else bad_value(row)
                text = f"'keypoints' has {found}, expected {expected}"
                raise self.complaint.person_error(index, text)
        values, is_null = self._rows("keypoints", range(len(self.entries)), width, expected)
        triplets = values.reshape(-1, self.num_names, 3)[:, self.columns]
        present = (triplets != 0).any(axis=-1)
        null_xy = is_null.reshape(-1, self.num_names, 3)[:, self.columns, :2].any(axis=-1)
        for person, joint in np.argwhere(null_xy)[:1]:
            raise self.complaint.person_error(
                int(person),
                f"joint {skeleton.evaluation_names[joint]} has a null coordinate, expected "
                "numbers; write 0, 0, 0 for an unknown joint",
            )
        return triplets[..., :2], present

    def _scores(self) -> np.ndarray:
        """Return (P, J) joint scores."""
        scores = np.full((len(self.entries), len(self.columns)), NO_SCORE)
        scored = [k for k, e in enumerate(self.entries) if e.get("scores") not in (None, [])]
        expected = f"{self.num_names} numbers, one per joint"
        values, _ = self._rows("scores", scored, self.num_names, expected)
        scores[scored] = values[:, self.columns]
        self._note(
            sum(len(self.entries[k]["scores"]) > self.num_names for k in scored),
            "people have more scores than joints: the surplus is not read",
        )
        return scores

    def _track_ids(self, side: Side) -> np.ndarray:
        """Return (P,) track ids; those of predictions have to be unique inside a frame.

        People without a list of points are never evaluated and need no id: NaN.
        """
        ids = np.full(len(self.entries), np.nan)
        seen: set[tuple[int, float]] = set()
        repeated = 0
        way_out = "numbering the people of each frame 0, 1, 2, ... is enough for AP"
        for k, entry in enumerate(self.entries):
            if "track_id" not in entry and not self.listed[k]:
                continue
            track_id: Any = entry.get("track_id")
            if type(track_id) not in (int, float) or not track_id < TRACK_ID_LIMIT:
                found = f"track_id {bad_value(track_id)}" if "track_id" in entry else "no track_id"
                expected = f"expected a whole number 0..{TRACK_ID_LIMIT - 1}; {way_out}"
                raise self.complaint.person_error(k, f"{found}, {expected}")
            key = self.complaint.frame_of[k], track_id
            if key in seen and side == "predictions":
                found = f"track_id {track_id} is already used in this frame, expected unique ids"
                raise self.complaint.person_error(k, f"{found}; {way_out}")
            repeated += key in seen
            seen.add(key)
            ids[k] = track_id
        self._note(repeated, "people share a track_id with another of their frame")
        self._note((ids < 0).sum(), "people have a negative track_id")
        return ids

    def _head_boxes(self, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Return (P,) whether a head box is given, and (P, 4) its corners."""
        corners = np.zeros((len(self.entries), 4))
        has_box = np.zeros(len(self.entries), dtype=bool)
        if side == "predictions":
            return has_box, corners
        has_box[:] = ["bbox_head" in entry for entry in self.entries]
        boxed = np.flatnonzero(has_box).tolist()
        expected = (
            "x, y, width, height of the head (in 2017 files x1, y1, x2, y2, each in a list of one)"
        )
        boxes, is_null = self._rows("bbox_head", boxed, 4, expected)
        for row in np.flatnonzero(is_null.any(axis=1))[:1]:
            text = "'bbox_head' holds null, expected 4 numbers"
            raise self.complaint.person_error(boxed[row], text)
        corners[boxed, :2] = boxes[:, :2]
        # rounded here on purpose: the evaluator computes the width again, as (x + w) - x
        corners[boxed, 2:] = boxes[:, :2] + boxes[:, 2:]
        return has_box, corners

    def _boxes(self) -> np.ndarray:
        """Return (P, 4) person boxes; NaN for those that are not four numbers, which is allowed."""
        boxes = np.full((len(self.entries), 4), np.nan)
        for index, entry in enumerate(self.entries):
            box = entry.get("bbox")
            if isinstance(box, list) and len(box) == 4 and set(map(type, box)) <= {int, float}:
                with contextlib.suppress(OverflowError):  # a whole number beyond floats
                    boxes[index] = box
        return boxes

    def _conditions(self, side: Side) -> np.ndarray:
        """Return (P,) sets of labels, None for people without a list of them."""
        conditions = np.full(len(self.entries), None)
        unusable = 0
        for index, entry in enumerate(self.entries if side == "annotations" else ()):
            labels = entry.get("conditions")
            if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
                conditions[index] = frozenset(labels or [CLEAN])
            else:
                unusable += labels is not None
        if unusable:
            text = f"the conditions of {unusable} people are no lists of labels: they are in no"
            self.notes.append(f"{text} subset")
        return conditions

    def _note_values(
        self, joints: np.ndarray, present: np.ndarray, scores: np.ndarray | None
    ) -> None:
        """Note coordinates and scores (of predictions) that are legal but probably wrong."""
        lost = (present & ~np.isfinite(joints).all(axis=-1)).sum()
        self._note(lost, "joints have coordinates that are not finite: never a match")
        if scores is not None:
            unscored = (present & (scores == NO_SCORE)).sum()
            self._note(unscored, f"joints have no score: they rank last, as {NO_SCORE:.0f}")
            odd = (present & ~np.isfinite(scores)).sum()
            self._note(odd, "joint scores are not finite: NaN and null rank first")

    def _note(self, count: int, text: str) -> None:
        if count:
            self.notes.append(f"{count} {text}")
