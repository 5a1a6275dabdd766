"""How far predicted joints lie from annotated ones, in pixels; no head boxes are needed.

In every frame each annotated person is compared with one prediction. The pairs are those with the
smallest sum of mean joint distances, where a joint counts at most the size of the person; with
annotated boxes that is the prediction of that box, unless people stand in one another.

Legend: N annotated people with joints; J evaluated joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dcpose.evaluation.matching import HEAD_FACTOR, people_of_frame
from dcpose.evaluation.subsets import person_boxes
from dcpose.formats.posetrack.video_poses import VideoPoses
from dcpose.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class JointErrors:
    """The annotated people of one or several videos, and what was predicted for them.

    Attributes:
        distances: (N, J) float64 pixels; NaN where the joint is not annotated, infinite where it
            is but nothing was predicted for it.
        scores: (N, J) float64 of what was predicted; NaN where `distances` is not finite.
        joints: (N, J, 2) float64 annotated joints, in image pixels.
        boxes_xywh: (N, 4) float64 person boxes; the extent of the joints where the file has none.
        head_sizes: (N,) float64 pixels, PoseTrack's unit of distance; NaN without a head box.
        num_extra: predictions of the same frames that nobody was left for.
        num_frames: frames that the annotations list.
        num_videos: videos.
        skeleton: names the J joints.
    """

    distances: np.ndarray
    scores: np.ndarray
    joints: np.ndarray
    boxes_xywh: np.ndarray
    head_sizes: np.ndarray
    num_extra: int
    num_frames: int
    num_videos: int
    skeleton: Skeleton

    @property
    def annotated(self) -> np.ndarray:
        """(N, J) bool."""
        return ~np.isnan(self.distances)

    @property
    def found(self) -> np.ndarray:
        """(N, J) bool, annotated joints that have a prediction, near or far."""
        return np.isfinite(self.distances)

    @property
    def box_sizes(self) -> np.ndarray:
        """(N,) longer side of each person's box, in pixels."""
        return self.boxes_xywh[:, 2:].max(axis=1)

    def span(self, first: str, second: str) -> np.ndarray:
        """Return the (N,) distance of two annotated joints; NaN where one is not annotated.

        Args:
            first: an evaluated joint, by its name in results.
            second: another one.
        """
        names = self.skeleton.evaluation_names
        ends = [names.index(first), names.index(second)]
        length = np.linalg.norm(self.joints[:, ends[0]] - self.joints[:, ends[1]], axis=-1)
        return np.where(self.annotated[:, ends].all(axis=1), length, np.nan)


def joint_errors(
    videos: Iterable[tuple[VideoPoses, VideoPoses]], skeleton: Skeleton
) -> JointErrors:
    """Compare the annotated with the predicted people of videos whose frames pair by position."""
    num_joints = len(skeleton.evaluation_joints)
    empty = np.zeros((0, num_joints))
    parts = [(empty, empty, np.zeros((0, num_joints, 2)), np.zeros((0, 4)), np.zeros(0))]
    num_extra = num_frames = num_videos = 0
    for annotated, predicted in videos:
        people = annotated.keep(np.any(annotated.present, axis=1))
        distances, scores, extra = _distances(people, predicted)
        parts.append((distances, scores, people.joints, person_boxes(people), head_sizes(people)))
        num_extra += extra
        num_frames += annotated.num_frames
        num_videos += 1
    columns = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    return JointErrors(
        distances=columns[0],
        scores=columns[1],
        joints=columns[2],
        boxes_xywh=columns[3],
        head_sizes=columns[4],
        num_extra=num_extra,
        num_frames=num_frames,
        num_videos=num_videos,
        skeleton=skeleton,
    )


def head_sizes(annotated: VideoPoses) -> np.ndarray:
    """Return (P,) head sizes in pixels; NaN for people without a head box."""
    corners = annotated.head_boxes
    diagonals = np.hypot(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    return np.where(annotated.has_head_box, HEAD_FACTOR * diagonals, np.nan)


def _distances(annotated: VideoPoses, predicted: VideoPoses) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (N, J) distances and scores, see `JointErrors`, and how many predictions are over."""
    distances = np.where(annotated.present, np.inf, np.nan)
    scores = np.full(distances.shape, np.nan)
    sizes = np.maximum(person_boxes(annotated)[:, 2:].max(axis=1), 1.0)
    left_over = 0
    for frame in np.unique(annotated.frame_of).tolist():
        people, predictions = (people_of_frame(poses, frame) for poses in (annotated, predicted))
        offset = predicted.joints[predictions][None] - annotated.joints[people][:, None]
        apart = np.linalg.norm(offset, axis=-1)  # (G, P, J)
        missing = ~predicted.present[predictions][None] | ~np.isfinite(apart)
        apart[missing] = np.inf
        pairs = _assign(apart / sizes[people, None, None], annotated.present[people])
        for row, column in pairs:
            counted = annotated.present[people[row]]
            distances[people[row], counted] = apart[row, column, counted]
            known = counted & np.isfinite(apart[row, column])
            scores[people[row], known] = predicted.scores[predictions[column], known]
        left_over += len(predictions) - len(pairs)
    return distances, scores, left_over


def _assign(apart: np.ndarray, present: np.ndarray) -> Sequence[tuple[int, int]]:
    """Return pairs of annotated and predicted people, as many as there can be.

    Args:
        apart: (G, P, J) distances in sizes of the annotated person, infinite for missing joints.
        present: (G, J) bool, annotated joints.
    """
    counted = present[:, None]
    capped = np.where(counted, np.minimum(apart, 1.0), 0.0)
    from scipy.optimize import linear_sum_assignment  # slow to import

    rows, columns = linear_sum_assignment(capped.sum(axis=-1) / counted.sum(axis=-1))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
