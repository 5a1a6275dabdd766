"""Ids for the people of a video, frame by frame.

Legend: N people of a frame, T tracks, J joints. Points are (x, y) in image pixels, boxes left,
top, width, height. Time is counted in frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dcpose.geometry import box_iou
from dcpose.skeleton import POSETRACK, Skeleton

DEFAULT_SIGMA = 0.08
"""Spread of joints where the skeleton gives none; it is about the mean of PoseTrack's."""


@dataclass(frozen=True, eq=False)
class _Sighting:
    """A person in a frame: (4,) box and its score, (J, 2) joints, (J,) heatmap peaks."""

    frame_index: int
    box_xywh: np.ndarray
    box_score: float
    joints: np.ndarray
    joint_scores: np.ndarray


@dataclass(eq=False)
class _Track:
    """What is known of one person: the last sighting, and how fast the body moved.

    `velocity` is (2,) in pixels per frame; `sightings` counts the frames in which it was seen.
    """

    track_id: int
    last: _Sighting
    velocity: np.ndarray
    sightings: int = 1

    def displacement(self, frame_index: int) -> np.ndarray:
        return self.velocity * (frame_index - self.last.frame_index)

    def predicted_box(self, frame_index: int) -> np.ndarray:
        corner, size = np.split(self.last.box_xywh, 2)
        return np.concatenate([corner + self.displacement(frame_index), size])


class PoseTracker:
    """Gives every person of a video an id that stays the same while they can be followed.

    The rules, in the order in which `update` applies them:

    1. Prediction. A track moves on from its last sighting with the velocity of its body.
    2. Similarity of a track and a person: the mean of their OKS and of the IoU of their boxes; the
       IoU alone where they have no joint in common.
    3. Assignment. Pairs more similar than `min_similarity` are candidates; of these the set with
       the greatest total similarity is taken (Hungarian), at most one person per track.
    4. Birth. A person without a track starts one, with the next id: 0, 1, 2, ... An id is never
       given twice.
    5. Gap. A track without a person waits for at most `max_lost_frames` frames after its last
       sighting, and may then be found again.
    6. Death. After that the track is forgotten; a person who comes back gets a new id.

    Args:
        skeleton: of the joints; those that are never labelled are not compared.
        max_lost_frames: frames between two sightings of a track, at most.
        min_similarity: of a track and the person that continues it, in [0, 1].

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self, skeleton: Skeleton = POSETRACK, max_lost_frames: int = 30, min_similarity: float = 0.2
    ) -> None:
        if max_lost_frames < 1 or not 0 <= min_similarity <= 1:
            raise ValueError(
                f"max_lost_frames must be at least 1 and min_similarity in [0, 1], got "
                f"{max_lost_frames} and {min_similarity}"
            )
        self.num_joints = skeleton.num_joints
        self.max_lost_frames = max_lost_frames
        self.min_similarity = min_similarity
        self._compared = ~np.isin(skeleton.joint_names, skeleton.unlabelled)
        sigmas = skeleton.oks_sigmas or (DEFAULT_SIGMA,) * skeleton.num_joints
        self._sigmas = np.array(sigmas)[self._compared]
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._frame_index: int | None = None

    def update(
        self,
        frame_index: int,
        boxes_xywh: np.ndarray,
        box_scores: np.ndarray,
        joints: np.ndarray,
        joint_scores: np.ndarray,
    ) -> np.ndarray:
        """Take in the people of the next frame and return their ids.

        Args:
            frame_index: number of the frame in the video, greater than that of the last update;
                frames may be left out.
            boxes_xywh: (N, 4) person boxes; N may be 0.
            box_scores: (N,) scores of the boxes.
            joints: (N, J, 2) joints; not finite where unknown.
            joint_scores: (N, J) heatmap peaks; they weigh the joints, and 0 or less leaves one out.

        Returns:
            (N,) int64 track ids, all different.

        Raises:
            ValueError: if shapes do not agree, a box is not finite or frames do not ascend.
        """
        joints = np.array(joints, dtype=np.float64).reshape(-1, self.num_joints, 2)
        boxes = np.array(boxes_xywh, dtype=np.float64).reshape(-1, 4)
        box_scores = np.array(box_scores, dtype=np.float64).reshape(-1)
        joint_scores = np.array(joint_scores, dtype=np.float64).reshape(-1, self.num_joints)
        self._check(frame_index, boxes, box_scores, joints, joint_scores)
        self._frame_index = frame_index
        oldest = frame_index - self.max_lost_frames
        self._tracks = [track for track in self._tracks if track.last.frame_index >= oldest]

        people = [
            _Sighting(frame_index, *person)
            for person in zip(boxes, box_scores.tolist(), joints, joint_scores, strict=True)
        ]
        track_ids = np.full(len(people), -1, dtype=np.int64)
        similarity = self._similarity(frame_index, boxes, joints, joint_scores)
        for row, person in zip(*_assign(similarity, self.min_similarity), strict=True):
            self._continue(self._tracks[row], people[person])
            track_ids[person] = self._tracks[row].track_id
        for person in np.flatnonzero(track_ids < 0):
            track_ids[person] = self._next_id
            self._tracks.append(_Track(self._next_id, people[person], velocity=np.zeros(2)))
            self._next_id += 1
        return track_ids

    def predict_boxes(self, frame_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where the people of the last update are in a later frame, to look for them there.

        This carries boxes over frames without a detector; `update` moves a box that comes from
        here on with the joints that were found in it. People who were not seen in the last
        update are not among them.

        Args:
            frame_index: number of the frame, not before that of the last update.

        Returns:
            (N, 4) float64 boxes and (N,) float64 scores, those of the last sighting; the tracks in
            the order of their ids.
        """
        seen = [track for track in self._tracks if track.last.frame_index == self._frame_index]
        seen.sort(key=lambda track: track.track_id)
        boxes = [track.predicted_box(frame_index) for track in seen]
        scores = np.array([track.last.box_score for track in seen], dtype=np.float64)
        return np.array(boxes, dtype=np.float64).reshape(-1, 4), scores

    def _check(self, frame_index: int, boxes: np.ndarray, *others: np.ndarray) -> None:
        scores, poses, peaks = map(len, others)
        if {len(boxes), scores, peaks} != {poses}:
            raise ValueError(
                f"frame {frame_index}: {poses} poses, {len(boxes)} boxes, {scores} box "
                f"scores and {peaks} rows of joint scores, expected as many of each"
            )
        if not np.isfinite(boxes).all():
            raise ValueError(f"frame {frame_index}: boxes_xywh must be finite, got {boxes}")
        if self._frame_index is not None and frame_index <= self._frame_index:
            raise ValueError(
                f"frame {frame_index} comes after frame {self._frame_index}, expected ascending "
                "frames; make a new PoseTracker for each video"
            )

    def _similarity(
        self, frame_index: int, boxes: np.ndarray, joints: np.ndarray, joint_scores: np.ndarray
    ) -> np.ndarray:
        """Return (T, N) in [0, 1]."""
        if not self._tracks or not len(boxes):
            return np.zeros((len(self._tracks), len(boxes)))
        predicted = np.array([track.predicted_box(frame_index) for track in self._tracks])
        moved = np.array([t.last.joints + t.displacement(frame_index) for t in self._tracks])
        peaks = np.array([track.last.joint_scores for track in self._tracks])
        areas = (predicted[:, None, 2:].prod(-1) + boxes[None, :, 2:].prod(-1)) / 2  # (T, N)
        spreads = np.sqrt(areas)[..., None] * 2 * self._sigmas
        oks = _weighted_oks(
            moved[:, self._compared],
            joints[:, self._compared],
            np.clip(peaks[:, self._compared], 0, None),
            np.clip(joint_scores[:, self._compared], 0, None),
            np.maximum(spreads, 1e-9),
        )
        iou = box_iou(predicted, boxes)
        return np.where(np.isnan(oks), iou, (iou + oks) / 2)

    def _continue(self, track: _Track, now: _Sighting) -> None:
        last = track.last
        shift = _body_shift(last, now, self._compared)
        if np.allclose(now.box_xywh, track.predicted_box(now.frame_index)):
            # the box is from predict_boxes: only the joints say where the person is
            moved_box = np.concatenate([last.box_xywh[:2] + shift, last.box_xywh[2:]])
            now = replace(now, box_xywh=moved_box)
        moved = shift / (now.frame_index - last.frame_index)
        track.velocity = moved if track.sightings == 1 else (track.velocity + moved) / 2
        track.sightings += 1
        track.last = now


def _assign(similarity: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pairs with the greatest total similarity above `least`."""
    gain = np.where(similarity > least, similarity, 0.0)
    from scipy.optimize import linear_sum_assignment  # slow to import

    rows, columns = linear_sum_assignment(gain, maximize=True)
    taken = gain[rows, columns] > 0
    return rows[taken], columns[taken]


def _body_shift(last: _Sighting, now: _Sighting, compared: np.ndarray) -> np.ndarray:
    """Return (2,) pixels that the body moved: the median over joints that both sightings know.

    Without such a joint it is the shift of the box centre, which is the second choice because
    boxes jump with the reach of arms and at the edge of the frame.
    """
    shifts = now.joints - last.joints
    known = compared & np.isfinite(shifts).all(axis=1) & (now.joint_scores > 0)
    known &= last.joint_scores > 0
    if not known.any():
        return now.box_xywh[:2] + now.box_xywh[2:] / 2 - last.box_xywh[:2] - last.box_xywh[2:] / 2
    return np.median(shifts[known], axis=0)


def _weighted_oks(
    joints_a: np.ndarray,
    joints_b: np.ndarray,
    weights_a: np.ndarray,
    weights_b: np.ndarray,
    spreads: np.ndarray,
) -> np.ndarray:
    """Return the (M, N) object keypoint similarity of poses, NaN where no joint can be compared.

    The mean over joints of exp(-d^2 / (2 spread^2)); a joint counts with the geometric mean of its
    two weights, so that a joint which the network did not see decides nothing.

    Args:
        joints_a: (M, J, 2) predicted tracks, in pixels; not finite where missing.
        joints_b: (N, J, 2) detections.
        weights_a: (M, J) >= 0, heatmap peaks.
        weights_b: (N, J).
        spreads: (M, N, J) distance in pixels at which the similarity of a joint is exp(-1/2).
    """
    squared = ((joints_a[:, None] - joints_b[None]) ** 2).sum(axis=-1)  # (M, N, J)
    known = np.isfinite(squared)
    weights = np.sqrt(weights_a[:, None] * weights_b[None]) * known
    alike = np.exp(-np.where(known, squared, 0) / (2 * spreads**2))
    total = weights.sum(axis=-1)
    return np.divide((weights * alike).sum(axis=-1), total, out=np.full_like(total, np.nan),
                     where=total > 0)  # fmt: skip
