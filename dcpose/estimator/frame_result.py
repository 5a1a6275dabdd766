"""The people found in one frame.

Legend: N people, J joints. Points are (x, y) in image pixels, boxes left, top, width, height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpose.files.packages import require
from dcpose.formats.coco_results import person_scores
from dcpose.formats.posetrack.predictions import JointScore, annotation_entry
from dcpose.skeleton import Skeleton
from dcpose.structures import PersonRecord, PosePrediction

if TYPE_CHECKING:
    import supervision

NOT_TRACKED = -1
"""Track id of people whom nobody followed."""


@dataclass(frozen=True, eq=False)
class People:
    """The people of a frame, one per row of each array.

    Attributes:
        boxes_xywh: (N, 4) float64 person boxes, as given or detected.
        box_scores: (N,) float64 scores of the boxes; 1 for given ones without a score.
        track_ids: (N,) int64 identities in the video; `NOT_TRACKED` without a tracker.
        joints: (N, J, 2) float64.
        joint_scores: (N, J) float64 heatmap peaks; about 0 for joints that are not seen, about 1
            for certain ones.
    """

    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    track_ids: np.ndarray
    joints: np.ndarray
    joint_scores: np.ndarray

    def __len__(self) -> int:
        """N."""
        return len(self.joints)

    @property
    def scores(self) -> np.ndarray:
        """(N,) scores of whole people: box score times the mean of the clear heatmap peaks."""
        return person_scores(self.joint_scores, self.box_scores)


@dataclass(frozen=True, eq=False)
class FrameResult:
    """One frame of a video, or an image, and the people in it.

    Attributes:
        index: number of the frame, from 0.
        time: when it is shown, in seconds after the first frame.
        image: (H, W, 3) uint8 RGB.
        people: who is there, and how they stand.
        skeleton: names of the J joints.
        ticks: the time in units of the source's `time_base`, for writing a copy of the video.
        duration: for how long it is shown, in ticks; 0 where the source does not say.
    """

    index: int
    time: float
    image: np.ndarray
    people: People
    skeleton: Skeleton
    ticks: int = 0
    duration: int = 0

    def to_posetrack(
        self,
        image_id: int | None = None,
        first_id: int = 1,
        joint_score: JointScore = "heatmap_times_box",
    ) -> list[dict[str, Any]]:
        """Return the `annotations` of the frame in the form of PoseTrack 2018 files.

        Args:
            image_id: id of the image; None takes the number of the frame.
            first_id: `id` of the first person; each further one has the next.
            joint_score: "heatmap_times_box" multiplies the heatmap peak by the score of the box.
        """
        frame_id = self.index if image_id is None else image_id
        entries = []
        for row in range(len(self.people)):
            entry = annotation_entry(self._prediction(row, frame_id), self.skeleton, joint_score)
            track_id = int(self.people.track_ids[row])
            # without a tracker, people of a frame are numbered, as in files of val and test
            numbers = {"id": first_id + row, "track_id": row if track_id < 0 else track_id}
            entries.append({**entry, **numbers})
        return entries

    def to_coco(self, image_id: int | None = None) -> list[dict[str, Any]]:
        """Return the people as COCO keypoint results, with the joints of this skeleton.

        Args:
            image_id: id of the image; None takes the number of the frame.
        """
        people = self.people
        frame_id = self.index if image_id is None else image_id
        triplets = np.concatenate([people.joints, people.joint_scores[..., None]], axis=-1)
        return [
            {
                "image_id": frame_id,
                "category_id": 1,
                "bbox": people.boxes_xywh[row].tolist(),
                "keypoints": triplets[row].reshape(-1).tolist(),
                "score": float(people.scores[row]),
            }
            for row in range(len(people))
        ]

    def to_supervision(self) -> supervision.KeyPoints:
        """Return the people as `supervision.KeyPoints`, for its annotators.

        Raises:
            MissingPackageError: if supervision is not installed.
        """
        library = require("supervision", "to_supervision")
        people = self.people
        return library.KeyPoints(
            xy=people.joints.astype(np.float32),
            keypoint_confidence=people.joint_scores.astype(np.float32),
            detection_confidence=people.scores.astype(np.float32),
            class_id=np.zeros(len(people), dtype=int),
            data={"track_id": people.track_ids.copy()},
        )

    def _prediction(self, row: int, image_id: int) -> PosePrediction:
        people = self.people
        record = PersonRecord(
            video="",
            image_id=image_id,
            frame=self.index,
            box_xywh=people.boxes_xywh[row],
            box_score=float(people.box_scores[row]),
        )
        return PosePrediction(record, people.joints[row], people.joint_scores[row])
