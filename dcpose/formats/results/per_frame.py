"""JSON of OpenPose, AlphaPose and COCO results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcpose.formats.coco_results import person_scores
from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.results.video_results import VideoResults

OPENPOSE_PARTS = (
    "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d",
    "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d",
)  # fmt: skip


def write_openpose(results: VideoResults, folder: Path) -> None:
    """Write a JSON per frame, `<name>_000000000042_keypoints.json`, as OpenPose does.

    Joints are those of the skeleton in its order, not of BODY_25; the file `joints.json` beside
    the frames lists their names. Frames without people have a file, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "joints.json", list(results.joint_names))
    for frame, number in enumerate(results.frame_numbers.tolist()):
        people = [
            {
                "person_id": [int(results.track_ids[person])],
                "pose_keypoints_2d": _triplets(results, person),
                **{part: [] for part in OPENPOSE_PARTS},
            }
            for person in results.people_of_frame(frame)
        ]
        path = folder / f"{results.name}_{number:012d}_keypoints.json"
        write_json(path, {"version": 1.3, "people": people})


def write_alphapose(results: VideoResults, path: Path) -> None:
    """Write AlphaPose's list of people: image_id (name), keypoints, score, box, idx (identity)."""
    scores = _scores(results)
    people = [
        {
            "image_id": Path(results.image_names[frame]).name,
            "category_id": 1,
            "keypoints": _triplets(results, person),
            "score": scores[person],
            "box": results.boxes_xywh[person].tolist(),
            "idx": int(results.track_ids[person]),
        }
        for frame in range(results.num_frames)
        for person in results.people_of_frame(frame)
    ]
    write_json(path, people)


def write_coco(results: VideoResults, path: Path) -> None:
    """Write COCO keypoints results with the joints of the skeleton; image_id is the frame."""
    scores = _scores(results)
    people = [
        {
            "image_id": int(results.frame_numbers[frame]),
            "category_id": 1,
            "track_id": int(results.track_ids[person]),
            "bbox": results.boxes_xywh[person].tolist(),
            "keypoints": _triplets(results, person),
            "score": scores[person],
        }
        for frame in range(results.num_frames)
        for person in results.people_of_frame(frame)
    ]
    write_json(path, people)


def _triplets(results: VideoResults, person: int) -> list[float]:
    """Return x, y, score of each joint."""
    scores = results.joint_scores[person, :, None]
    return np.hstack([results.joints[person], scores]).round(4).ravel().tolist()


def _scores(results: VideoResults) -> list[float]:
    """Return the score of each person; joint scores hold that of the box already."""
    return person_scores(results.joint_scores, np.ones(len(results.joint_scores))).tolist()
