"""The people that a model gets most wrong, and pictures of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dcpose.evaluation.matching import Matching, joint_distances, pairs_in_frames
from dcpose.evaluation.subsets import MIN_OVERLAP, person_boxes
from dcpose.geometry import apply_affine, paired_iou
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.visualize.pose import draw_pose
from dcpose.visualize.sheets import person_view

LOST = 2.0
"""Largest error of one joint in head sizes; a joint beyond it or without a prediction has this."""
MOST_NAMES = 5
"""Wrong joints are listed by name up to this number; beyond it the number is enough."""
_VIEW_WH = (216, 288)
_JPEG_QUALITY = 82


@dataclass(frozen=True, eq=False)
class WorstPerson:
    """An annotated person and the prediction that belongs to it.

    Attributes:
        video: name of the annotation file without `.json`.
        frame: position of the frame in it.
        frame_name: its image.
        error: mean distance of the annotated joints in head sizes, each at most `LOST`.
        wrong: names of joints more than half a head size off.
        box_xywh: (4,) person box in image pixels, of the prediction where there is one.
        truth: (J, 2) joints in image pixels, all joints of the skeleton; NaN where not annotated.
        predicted: the same of the prediction; all NaN if nothing was predicted.
        conditions: labels that say what makes the person hard.
    """

    video: str
    frame: int
    frame_name: str
    error: float
    wrong: tuple[str, ...]
    box_xywh: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    conditions: tuple[str, ...]


def worst_people(
    matchings: Iterable[Matching], count: int, skeleton: Skeleton = POSETRACK
) -> list[WorstPerson]:
    """Return the `count` people with the largest errors, worst first; ties in order of the files.

    A person's prediction is the one that is assigned to it, else the one whose box overlaps the
    person's most, even if that pose is of somebody else.
    """
    everybody = [person for matching in matchings for person in _people(matching, skeleton)]
    everybody.sort(key=lambda person: -person.error)
    return everybody[:count]


def _people(matching: Matching, skeleton: Skeleton) -> list[WorstPerson]:
    annotated, predicted = matching.annotated, matching.predicted
    names = np.array(skeleton.evaluation_names)
    prediction_of = _prediction_of_each(matching)
    people = []
    for person in np.flatnonzero(annotated.present.any(axis=1)):
        present = annotated.present[person]
        prediction = int(prediction_of[person])
        off = np.full(len(present), LOST)
        given = np.full(len(present), False)
        if prediction >= 0:
            given = predicted.present[prediction]
            distance = joint_distances(
                annotated, predicted, np.array([person]), np.array([prediction])
            )[0]
            off = np.where(distance < LOST, distance, LOST)
        frame = int(annotated.frame_of[person])
        boxes = annotated.boxes_xywh[person] if prediction < 0 else predicted.boxes_xywh[prediction]
        truth = annotated.joints[person]
        people.append(
            WorstPerson(
                video=annotated.path.stem,
                frame=frame,
                frame_name=annotated.frame_names[frame],
                error=float(off[present].mean()),
                wrong=tuple(names[present & (off > 0.5)].tolist()),
                box_xywh=boxes if np.isfinite(boxes).all() else _extent(truth[present]),
                truth=_on_skeleton(truth, present, skeleton),
                predicted=_on_skeleton(
                    predicted.joints[prediction] if prediction >= 0 else truth, given, skeleton
                ),
                conditions=tuple(sorted(annotated.conditions[person] or ())),
            )
        )
    return people


def _prediction_of_each(matching: Matching) -> np.ndarray:
    """Return the (G,) prediction of each annotated person, -1 where there is none."""
    annotated, predicted = matching.annotated, matching.predicted
    prediction, person = pairs_in_frames(annotated, predicted)
    overlap = paired_iou(person_boxes(predicted)[prediction], person_boxes(annotated)[person])
    chosen = np.full(len(annotated.present), -1)
    ascending = np.argsort(overlap, kind="stable")
    ascending = ascending[overlap[ascending] >= MIN_OVERLAP]
    chosen[person[ascending]] = prediction[ascending]  # the last write stays: the largest overlap
    assigned = np.flatnonzero(matching.person_of >= 0)
    chosen[matching.person_of[assigned]] = assigned
    return chosen


def _on_skeleton(joints: np.ndarray, present: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    placed = np.full((skeleton.num_joints, 2), np.nan)
    places = [skeleton.joint_names.index(name) for name in skeleton.evaluation_joints]
    placed[places] = np.where(present[:, None], joints, np.nan)
    return placed


def _extent(points: np.ndarray) -> np.ndarray:
    near, far = points.min(axis=0), points.max(axis=0)
    return np.concatenate([near, np.maximum(far - near, 1.0)])


def draw_worst(
    person: WorstPerson, frames: Sequence[np.ndarray], skeleton: Skeleton = POSETRACK
) -> dict[str, np.ndarray]:
    """Draw a person as the model saw it.

    Args:
        person: whom.
        frames: previous, current and next frame, (H, W, 3) uint8 RGB.
        skeleton: of the joints.

    Returns:
        Title to picture: the three frames, the annotated and the predicted joints.
    """
    previous, (view, matrix), following = (
        person_view(frame, person.box_xywh, _VIEW_WH) for frame in frames
    )
    labelled = np.isfinite(person.truth).all(axis=1)
    return {
        "before": previous[0],
        "frame": view,
        "after": following[0],
        "truth": draw_pose(view, apply_affine(person.truth, matrix), skeleton, labelled),
        "predicted": draw_pose(view, apply_affine(person.predicted, matrix), skeleton, labelled),
    }


def describe(person: WorstPerson) -> str:
    """Return how far off a person is, and in what."""
    hard = f" · {', '.join(person.conditions).replace('_', ' ')}" if person.conditions else ""
    annotated = int(np.isfinite(person.truth).all(axis=1).sum())
    wrong = f"{len(person.wrong)} of {annotated} joints"
    if len(person.wrong) <= MOST_NAMES:
        wrong = ", ".join(person.wrong).replace("_", " ") or "none"
    return f"mean error {person.error:.2f} head sizes{hard} · more than half a head off: {wrong}"


def to_data_uri(picture: np.ndarray) -> str:
    """Return an (H, W, 3) uint8 RGB picture as the address of a JPEG inside the page."""
    in_bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", in_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(content.tobytes()).decode()}"
