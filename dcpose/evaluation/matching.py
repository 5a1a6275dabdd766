"""Which predicted joints are right: PoseTrack's assignment of predictions to people.

Legend: G annotated people, P predicted people, N pairs of the two that share a frame, J joints.
"""

from dataclasses import dataclass, replace

import numpy as np

from dcpose.evaluation.ignore_regions import inside_any_ring
from dcpose.formats.posetrack.video_poses import Complaint, VideoPoses, require_same_frames

DISTANCE_LIMIT = 0.5
"""A joint is right up to this distance, in head sizes (PCKh@0.5)."""
HEAD_FACTOR = 0.6
"""Head size = this part of the diagonal of the head box."""
_CHUNK_PAIRS = 20_000  # pairs whose joint distances are computed at once; about 10 MB


@dataclass(frozen=True, eq=False)
class Detections:
    """All predicted joints of a video that count, and what they are counted against.

    Attributes:
        present: (P, J) bool, joints that are part of the ranking.
        scores: (P, J) float64.
        hits: (P, J) bool, right joints; only where present.
        num_annotated: (J,) int64 annotated joints.
        num_people: annotated people with joints.
        num_frames: frames evaluated.
    """

    present: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    num_annotated: np.ndarray
    num_people: int
    num_frames: int


@dataclass(frozen=True, eq=False)
class Matching:
    """Who is who in a video, without the people, joints and frames that do not count.

    Attributes:
        annotated: G people.
        predicted: P people.
        hits: (P, J) bool, right joints of the predicted people.
        person_of: (P,) int64 annotated person that each prediction is assigned to; -1 for none.
        num_frames: frames evaluated.
    """

    annotated: VideoPoses
    predicted: VideoPoses
    hits: np.ndarray
    person_of: np.ndarray
    num_frames: int

    def detections(self) -> Detections:
        """Return what counts in the ranking of all joints."""
        return Detections(
            present=self.predicted.present,
            scores=self.predicted.scores,
            hits=self.hits,
            num_annotated=self.annotated.present.sum(axis=0),
            num_people=int(self.annotated.present.any(axis=1).sum()),
            num_frames=self.num_frames,
        )


def match_people(annotated: VideoPoses, predicted: VideoPoses) -> Matching:
    """Decide for every predicted joint of a video whether it is right; see `evaluated_people`."""
    annotated, predicted, frames = evaluated_people(annotated, predicted)
    hits, person_of = _right_joints(annotated, predicted)
    return Matching(annotated, predicted, hits, person_of, num_frames=len(frames))


def evaluated_people(
    annotated: VideoPoses, predicted: VideoPoses
) -> tuple[VideoPoses, VideoPoses, np.ndarray]:
    """Keep what counts of a video.

    Frames are paired by position. Frames without annotated people are dropped together with
    their predictions; joints inside the ignore regions of the annotations count on neither side.

    Args:
        annotated: ground truth with head boxes.
        predicted: as many frames.

    Returns:
        the annotated and the predicted people that count, and the (F,) evaluated frames.

    Raises:
        ValueError: if the numbers of frames differ, or an annotated person that
            predictions have to be compared with has no head box.
    """
    require_same_frames(annotated, predicted)
    # people without any joint keep their frame alive; people without a list of points do so too
    # and are dropped afterwards (the order of the evaluator)
    frames = np.unique(annotated.frame_of)
    annotated = annotated.keep(annotated.listed)
    predicted = predicted.keep(predicted.listed & np.isin(predicted.frame_of, frames))
    rings = annotated.ignore_regions
    annotated = _outside_rings(annotated, rings)
    predicted = _outside_rings(predicted, rings)
    _require_head_boxes(annotated, predicted)
    return annotated, predicted, frames


def _outside_rings(poses: VideoPoses, rings: dict[int, list[np.ndarray]]) -> VideoPoses:
    """Remove joints inside rings, then people without joints from the frames that have rings."""
    if not rings:
        return poses
    present = poses.present.copy()
    kept = np.ones(len(present), dtype=bool)
    for frame, frame_rings in rings.items():
        people = slice(*np.searchsorted(poses.frame_of, (frame, frame + 1)))
        present[people] &= ~inside_any_ring(poses.joints[people], frame_rings)
        kept[people] = present[people].any(axis=1)
    return replace(poses, present=present).keep(kept)


def _require_head_boxes(annotated: VideoPoses, predicted: VideoPoses) -> None:
    needed = np.isin(annotated.frame_of, predicted.frame_of) & ~annotated.has_head_box
    if needed.any():
        person = int(needed.argmax())
        complaint = Complaint(annotated.path, annotated.frame_names, annotated.frame_of.tolist())
        raise complaint.person_error(
            person,
            "no head box (bbox_head in 2018 files, x1 y1 x2 y2 in 2017 files), which gives the "
            "unit of distances; add it, or remove the person and its joints",
        )


def pairs_in_frames(annotated: VideoPoses, predicted: VideoPoses) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) predicted and (N,) annotated people of all pairs, in ascending order."""
    starts = np.searchsorted(annotated.frame_of, predicted.frame_of, side="left")
    stops = np.searchsorted(annotated.frame_of, predicted.frame_of, side="right")
    counts = stops - starts
    first_pair = np.cumsum(counts) - counts
    prediction = np.repeat(np.arange(len(counts)), counts)
    offset = np.arange(len(prediction)) - first_pair[prediction]
    return prediction, starts[prediction] + offset


def people_of_frame(poses: VideoPoses, frame: int) -> np.ndarray:
    """Return the indices of the people of a frame."""
    return np.arange(*np.searchsorted(poses.frame_of, (frame, frame + 1)))


def _right_joints(annotated: VideoPoses, predicted: VideoPoses) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, J) bool, present joints of assigned predictions within the distance limit.

    And (P,) the person that each prediction is assigned to, -1 for none.
    """
    hits = np.zeros(predicted.present.shape, dtype=bool)
    person_of = np.full(len(hits), -1)
    prediction, person = pairs_in_frames(annotated, predicted)
    if not len(prediction):
        return hits, person_of
    within = np.empty((len(prediction), predicted.joints.shape[1]), dtype=bool)
    for start in range(0, len(prediction), _CHUNK_PAIRS):
        part = slice(start, start + _CHUNK_PAIRS)
        distances = joint_distances(annotated, predicted, person[part], prediction[part])
        within[part] = distances <= DISTANCE_LIMIT
    # share of the person's own annotated joints that the prediction hits; a person without
    # joints is hit by nobody, so the divisor 1 gives the 0 it needs
    share = within.sum(axis=1) / np.maximum(annotated.present.sum(axis=1), 1)[person]
    pairs = _assign(prediction, person, share)
    hits[prediction[pairs]] = within[pairs]
    person_of[prediction[pairs]] = person[pairs]
    return hits, person_of


def joint_distances(
    annotated: VideoPoses, predicted: VideoPoses, person: np.ndarray, prediction: np.ndarray
) -> np.ndarray:
    """Return (N, J) float64 distances in head sizes of N pairs of people.

    Args:
        annotated: ground truth with head boxes.
        predicted: people of the same frames.
        person: (N,) annotated person of each pair.
        prediction: (N,) predicted person of each pair.

    Returns:
        NaN or infinite where a joint is absent or the head has no size, which no limit lets pass.
    """
    corners = annotated.head_boxes[person]
    with np.errstate(all="ignore"):
        width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        # not hypot: its last bit differs, and joints at exactly the limit count
        head_size = HEAD_FACTOR * np.sqrt(width**2 + height**2)
        offset = predicted.joints[prediction] - annotated.joints[person]
        distance = np.sqrt(offset[..., 0] ** 2 + offset[..., 1] ** 2) / head_size[:, None]
    both = predicted.present[prediction] & annotated.present[person]
    return np.where(both, distance, np.nan)


def _assign(prediction: np.ndarray, person: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Choose the pairs in which a prediction is assigned to a person.

    Every prediction asks for its best person only, and every person takes the best of those that
    ask; the first one wins ties. A prediction that is turned down is not assigned at all.

    Args:
        prediction: (N,) predicted person of each pair, ascending.
        person: (N,) annotated person of each pair, ascending within a prediction.
        share: (N,) share of the person's joints that the prediction hits.

    Returns:
        indices of the chosen pairs.
    """
    by_prediction = np.lexsort((person, -share, prediction))
    _, first = np.unique(prediction[by_prediction], return_index=True)
    asking = by_prediction[first]
    asking = asking[share[asking] > 0]
    by_person = asking[np.lexsort((prediction[asking], -share[asking], person[asking]))]
    _, first = np.unique(person[by_person], return_index=True)
    return by_person[first]
