"""Object keypoint similarity (OKS) between poses, and the suppression of duplicates by it.

OKS of COCO: the mean over joints of exp(-d^2 / (2 s k^2)), d the distance of two joints in pixels,
s the area of the person in pixels, k twice the joint's sigma. 1 means equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from dcpose.formats.coco_results import person_scores
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PosePrediction


def oks_matrix(joints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return the (P, P) similarity of every two poses; the area is the mean of the two.

    Args:
        joints: (P, J, 2) in pixels.
        areas: (P,) areas of the people in square pixels, > 0.
        sigmas: (J,) of the joints.
    """
    squared = ((joints[:, None] - joints[None]) ** 2).sum(axis=-1)  # (P, P, J)
    mean_areas = (areas[:, None] + areas[None]) / 2
    return np.exp(-squared / (2 * mean_areas[..., None] * (2 * sigmas) ** 2)).mean(axis=-1)


def oks_nms(similarity: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep the best pose, drop those that resemble it, and go on with the next.

    Args:
        similarity: (P, P) OKS.
        scores: (P,) scores of whole people; the earlier of equal ones wins.
        threshold: poses more similar than this are the same person.

    Returns:
        (P,) bool, True for the poses that stay.
    """
    keep = np.ones(len(scores), dtype=bool)
    order = np.argsort(-scores, kind="stable")
    for rank, person in enumerate(order):
        if keep[person]:
            weaker = order[rank + 1 :]
            keep[weaker[similarity[person, weaker] > threshold]] = False
    return keep


def suppress_duplicates(
    people: Sequence[PosePrediction],
    threshold: float,
    skeleton: Skeleton = POSETRACK,
) -> list[PosePrediction]:
    """Drop poses that repeat a better one of the same frame.

    People rank by the box score times the mean of the heatmap peaks over 0.2; the area of a
    person is that of its box.

    Args:
        people: of any frames.
        threshold: largest OKS of two people that both stay, in (0, 1].
        skeleton: of the J joints, with their sigmas; joints it never labels are not compared, for
            their place is noise.

    Returns:
        those that stay, in the order given.

    Raises:
        ValueError: if the skeleton has no sigmas, or a pose has other joints.
    """
    if not skeleton.oks_sigmas:
        raise ValueError(
            f"skeleton {skeleton.name} has no oks_sigmas, which OKS-NMS needs: add one for each "
            "joint, or set test.oks_nms=null"
        )
    frames: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, pose in enumerate(people):
        if pose.joints.shape != (skeleton.num_joints, 2):
            raise ValueError(
                f"{pose.person.person_id}: joints have shape {pose.joints.shape}, expected "
                f"({skeleton.num_joints}, 2) for the skeleton {skeleton.name}"
            )
        frames[pose.person.video, pose.person.image_id].append(index)
    compared = ~np.isin(skeleton.joint_names, skeleton.unlabelled)
    used_sigmas = np.array(skeleton.oks_sigmas)[compared]
    kept: list[int] = []
    for indices in frames.values():
        poses = [people[index] for index in indices]
        joints = np.stack([pose.joints[compared] for pose in poses]).astype(np.float64)
        boxes = np.stack([pose.person.box_xywh for pose in poses])
        peaks = np.stack([pose.heatmap_scores for pose in poses])
        scores = person_scores(peaks, np.array([pose.person.box_score for pose in poses]))
        similarity = oks_matrix(joints, boxes[:, 2] * boxes[:, 3], used_sigmas)
        kept += np.array(indices)[oks_nms(similarity, scores, threshold)].tolist()
    return [people[index] for index in sorted(kept)]
