"""The people of one video in arrays, whatever form of file they were read from.

Legend: F frames; P people of all frames; J joints in evaluation order
(`Skeleton.evaluation_joints`; 15 for PoseTrack). Points are (x, y) in image pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

NO_SCORE = -9999.0
"""Score of a predicted joint whose file gives none (PoseTrack's evaluator); it ranks last."""
ALMOST_ZERO = 1e-12
"""Third value of a predicted joint at exactly (0, 0) with score 0: (0, 0, 0) would mean absent."""
CLEAN = "clean"
"""Label of annotated people whose list of conditions is empty."""
TRACK_ID_LIMIT = 10000
"""Track ids have to be smaller."""

Side = Literal["annotations", "predictions"]


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
        arrays = {name: v for name, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **{name: values[people] for name, values in arrays.items()})


def require_same_frames(annotated: VideoPoses, predicted: VideoPoses) -> None:
    """Raise ValueError if the two sides of a video, whose frames pair by position, cannot pair."""
    if predicted.num_frames != annotated.num_frames:
        found = " ".join(note for note in predicted.notes if "videos" in note)
        raise ValueError(
            f"{predicted.path}: {predicted.num_frames} frames, expected the "
            f"{annotated.num_frames} of {annotated.path}, in the same order"
            + (f" ({found})" if found else "; list every frame, also those without people")
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

    def error(self, text: str) -> ValueError:
        """Return an error about the file as a whole."""
        return ValueError(f"{self.path}: {text}")

    def place(self, person: int) -> str:
        """Return what messages call a person: its frame and its number there, from 1."""
        frame = self.frame_of[person]
        number = 1 + sum(other == frame for other in self.frame_of[:person])
        return f"frame {self.frame_names[frame]}, person {number}"

    def person_error(self, person: int, text: str) -> ValueError:
        """Return an error about one person."""
        return self.error(f"{self.place(person)}: {text}")
