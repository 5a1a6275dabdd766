"""Ids for all people of a video whose poses are known."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PosePrediction
from dcpose.tracking.tracker import PoseTracker


def track_people(people: Sequence[PosePrediction], skeleton: Skeleton = POSETRACK) -> list[int]:
    """Return a track id for each person of one video.

    Only boxes, joints and frame numbers are used, by the rules of `PoseTracker`; the identities
    that annotations give are not.

    Args:
        people: predictions of one video in any order; frames may be missing.
        skeleton: of the J joints.

    Raises:
        ValueError: if the people are of several videos.
    """
    videos = sorted({person.person.video for person in people})
    if len(videos) > 1:
        raise ValueError(f"people of one video expected, got those of {', '.join(videos)}")
    frames: dict[int, list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        frames[person.person.frame].append(index)
    tracker = PoseTracker(skeleton)
    track_ids = [0] * len(people)
    for frame, indices in sorted(frames.items()):
        seen = [people[index] for index in indices]
        found = tracker.update(
            frame,
            np.stack([pose.person.box_xywh for pose in seen]),
            np.array([pose.person.box_score for pose in seen]),
            np.stack([pose.joints for pose in seen]),
            np.stack([pose.heatmap_scores for pose in seen]),
        )
        for index, track_id in zip(indices, found.tolist(), strict=True):
            track_ids[index] = track_id
    return track_ids
