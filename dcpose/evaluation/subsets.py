"""AP of labelled parts of the people: how a model does on blurred, hidden, crowded people.

Annotations may carry `conditions`, a list of labels per person; each label is a subset, an empty
list is the subset `clean`. People and predictions are matched once, over everybody, as for the
plain AP. In a subset

    - only its own people are to be found;
    - a prediction counts where it belongs to one of them, with its right and its wrong joints. It
      belongs to the person that it is assigned to; without one, to the person whose box overlaps
      its own most, from `MIN_OVERLAP` on;
    - a prediction of anybody else is left out: it is neither right nor wrong;
    - a prediction of nobody is wrong if the frame shows somebody of the subset.

With ground-truth boxes every prediction has a person's own box, so everybody is judged by the one
pose made for them, however far off it is. With detected boxes a second pose of the same person
counts against that person, and a pose in the background counts against its frame.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dcpose.evaluation.matching import Detections, Matching, pairs_in_frames
from dcpose.formats.posetrack.video_poses import CLEAN, VideoPoses
from dcpose.geometry import paired_iou

MIN_OVERLAP = 0.5
"""Two boxes are of the same person from this intersection over union on."""

TITLE_OF_CONDITION = {
    CLEAN: "clean",
    "motion_blur": "rapid motion",
    "crossing": "nearby person",
    "occlusion": "occlusion",
    "defocus": "defocus",
}
"""Labels of rendered people, and what Fig. 4 of the paper calls them, in its order."""


def subset_title(condition: str) -> str:
    """Return what tables call a subset: Fig. 4's words, or the label itself."""
    return TITLE_OF_CONDITION.get(condition, condition.replace("_", " "))


def in_order(conditions: Iterable[str]) -> list[str]:
    """Sort labels: those of rendered people as in `TITLE_OF_CONDITION`, others after them."""
    known = list(TITLE_OF_CONDITION)
    return sorted(
        conditions,
        key=lambda name: (known.index(name) if name in known else len(known), name),
    )


def split_by_condition(matching: Matching) -> dict[str, Detections]:
    """Return what counts in each subset of the people of a video; see the top of this file."""
    annotated, predicted = matching.annotated, matching.predicted
    labels = [conditions or frozenset() for conditions in annotated.conditions]
    names = frozenset().union(*labels)
    if not names:
        return {}
    owner = owners(matching)
    parts = {}
    for name in names:
        inside = np.array([name in own for own in labels])
        frames = np.unique(annotated.frame_of[inside])
        # the -1 of nobody reads some person's entry, which is not used
        counts = np.where(owner >= 0, inside[owner], np.isin(predicted.frame_of, frames))
        part = Matching(
            annotated.keep(inside),
            predicted.keep(counts),
            matching.hits[counts],
            matching.person_of[counts],
            len(frames),
        )
        parts[name] = part.detections()
    return parts


def owners(matching: Matching) -> np.ndarray:
    """Return the (P,) annotated person that each prediction belongs to, -1 for nobody."""
    owner = matching.person_of.copy()
    prediction, person = pairs_in_frames(matching.annotated, matching.predicted)
    unassigned = owner[prediction] < 0
    prediction, person = prediction[unassigned], person[unassigned]
    overlap = paired_iou(
        person_boxes(matching.predicted)[prediction], person_boxes(matching.annotated)[person]
    )
    best_first = np.lexsort((person, -overlap, prediction))
    best_first = best_first[overlap[best_first] >= MIN_OVERLAP]
    taken, first = np.unique(prediction[best_first], return_index=True)
    owner[taken] = person[best_first[first]]
    return owner


def person_boxes(poses: VideoPoses) -> np.ndarray:
    """Return (P, 4) xywh: the box of the file, else the extent of the joints; NaN without any."""
    spots = np.where(poses.present[..., None], poses.joints, np.nan)
    near = np.fmin.reduce(spots, axis=1)
    far = np.fmax.reduce(spots, axis=1)
    given = np.isfinite(poses.boxes_xywh).all(axis=1, keepdims=True)
    return np.where(given, poses.boxes_xywh, np.hstack([near, far - near]))
