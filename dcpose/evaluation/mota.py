"""How well tracks follow people: PoseTrack's MOTA per joint, IDF1 and HOTA of whole people.

MOTA is that of the official evaluator (poseval), with two of its habits: the last evaluated frame
of every video is left out, and a frame in which nobody is annotated or predicted counts as one
miss and one false positive of every joint, whatever is there. MOTP is the mean closeness of matched
joints; poseval's differs, because it adds up unmatched pairs with motmetrics 1.2 and later.

IDF1 compares whole people, by their boxes, in all evaluated frames. It needs the optional package
motmetrics, as MOTA does. HOTA (`hota.py`) compares them by OKS in the same frames.

Legend: J evaluated joints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpose.evaluation.evaluator import group_means, mean_of_defined, none_if_nan
from dcpose.evaluation.hota import HotaCounts, video_counts
from dcpose.evaluation.matching import (
    DISTANCE_LIMIT,
    evaluated_people,
    joint_distances,
    people_of_frame,
)
from dcpose.evaluation.oks_ap import oks
from dcpose.evaluation.pixel_result import evaluated_sigmas
from dcpose.evaluation.subsets import person_boxes
from dcpose.files.packages import require
from dcpose.formats.posetrack.predictions import read_pairs
from dcpose.formats.posetrack.video_poses import VideoPoses
from dcpose.geometry import box_iou
from dcpose.skeleton import POSETRACK, Skeleton

if TYPE_CHECKING:
    from motmetrics import MOTAccumulator

IOU_LIMIT = 0.5
"""Boxes that overlap less are not of the same person (IDF1)."""


@dataclass(frozen=True, eq=False)
class TrackingResult:
    """Counts of all videos, and what follows from them, in percent.

    Attributes:
        num_objects: (J,) int64 annotated joints.
        num_matches: (J,) int64 predicted joints that continue the track of theirs.
        num_switches: (J,) int64 right joints whose track was another one before.
        num_false_positives: (J,) int64 predicted joints of nobody.
        distance_sum: (J,) float64 of right joints, in head sizes.
        id_true_positives: boxes with the right identity, over people.
        id_false_positives: predicted boxes without.
        id_false_negatives: annotated boxes without.
        id_switches: changes of identity, over people.
        hota: counts of HOTA, over people.
        num_videos: videos evaluated.
        skeleton: names the J joints and the groups of the table.
    """

    num_objects: np.ndarray
    num_matches: np.ndarray
    num_switches: np.ndarray
    num_false_positives: np.ndarray
    distance_sum: np.ndarray
    id_true_positives: int
    id_false_positives: int
    id_false_negatives: int
    id_switches: int
    hota: HotaCounts
    num_videos: int
    skeleton: Skeleton = POSETRACK

    @property
    def num_detections(self) -> np.ndarray:
        """(J,) int64 right joints."""
        return self.num_matches + self.num_switches

    @property
    def mota(self) -> np.ndarray:
        """(J,) share of annotated joints, less misses, switches and false positives."""
        misses = self.num_objects - self.num_detections
        wrong = misses + self.num_switches + self.num_false_positives
        return 100 * (1 - _share(wrong, self.num_objects))

    @property
    def motp(self) -> np.ndarray:
        """(J,) 100 for right joints in their very place, 50 at the limit; 0 without any."""
        return np.where(
            self.num_detections, 100 * (1 - _share(self.distance_sum, self.num_detections)), 0.0
        )

    @property
    def precision(self) -> np.ndarray:
        """(J,) right share of all predicted joints."""
        return 100 * _share(self.num_detections, self.num_detections + self.num_false_positives)

    @property
    def recall(self) -> np.ndarray:
        """(J,) found share of all annotated joints."""
        return 100 * _share(self.num_detections, self.num_objects)

    @property
    def idf1(self) -> float:
        """Boxes with the right identity, as a share of the mean of annotated and predicted ones."""
        wrong = self.id_false_positives + self.id_false_negatives
        total = 2 * self.id_true_positives + wrong
        return 100 * 2 * self.id_true_positives / total if total else math.nan

    @property
    def columns(self) -> dict[str, float]:
        """MOTA of the skeleton's groups, then of all joints."""
        return group_means(self.mota, self.skeleton)

    def to_json_dict(self) -> dict[str, Any]:
        """Return mota, motp, precision and recall per joint and in total, groups, and identities.

        Undefined values are None.
        """
        rows = {name: getattr(self, name) for name in ("mota", "motp", "precision", "recall")}
        return {
            **{name: [none_if_nan(value) for value in row] for name, row in rows.items()},
            "total": {name: none_if_nan(mean_of_defined(row)) for name, row in rows.items()},
            "groups": {name: none_if_nan(value) for name, value in self.columns.items()},
            "switches": self.num_switches.tolist(),
            "idf1": none_if_nan(self.idf1),
            "hota": self.hota.values,
            "id_switches": self.id_switches,
        }


def evaluate_tracks(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton = POSETRACK
) -> TrackingResult:
    """Measure the tracks of every annotation file against the predictions file of the same name.

    Args:
        annotations_dir: ground truth, one JSON file per video.
        predictions_dir: predictions with track ids that last; files without an annotation file are
            not read.
        skeleton: joints of the files, and which of them are evaluated.

    Raises:
        ValueError: if motmetrics is not installed, a folder or a predictions file is
            missing, or a file is malformed.
    """
    motmetrics = require("motmetrics", "measuring MOTA and IDF1")
    num_joints = len(skeleton.evaluation_joints)
    joints = np.zeros((5, num_joints))
    people = np.zeros(4, dtype=np.int64)
    hota = HotaCounts.none()
    sigmas = evaluated_sigmas(skeleton)
    num_videos = 0
    for pair in read_pairs(annotations_dir, predictions_dir, skeleton):
        num_videos += 1
        annotated, predicted, frames = evaluated_people(*pair)
        _require_different_ids(annotated)
        accumulators = accumulate_joints(motmetrics, annotated, predicted, frames)
        joints += np.array([_count(accumulator) for accumulator in accumulators]).T
        # people without a joint, who can be of no use to MOTA, do not count here either
        annotated = annotated.keep(np.any(annotated.present, axis=1))
        predicted = predicted.keep(np.any(predicted.present, axis=1))
        people += _count_identities(motmetrics, annotated, predicted, frames)
        hota = hota + video_counts(_alike_by_frame(annotated, predicted, frames, sigmas))
    objects, matches, switches, false_positives = joints[:4].astype(np.int64)
    return TrackingResult(
        num_objects=objects,
        num_matches=matches,
        num_switches=switches,
        num_false_positives=false_positives,
        distance_sum=joints[4],
        id_true_positives=int(people[0]),
        id_false_positives=int(people[1]),
        id_false_negatives=int(people[2]),
        id_switches=int(people[3]),
        hota=hota,
        num_videos=num_videos,
        skeleton=skeleton,
    )


def accumulate_joints(
    motmetrics: ModuleType, annotated: VideoPoses, predicted: VideoPoses, frames: np.ndarray
) -> list[MOTAccumulator]:
    """Return what motmetrics knows of each of the J joints of a video.

    Args:
        motmetrics: the package.
        annotated: people that count, see `evaluated_people`.
        predicted: people that count.
        frames: (F,) evaluated frames; the last is left out, as in poseval.
    """
    num_joints = annotated.present.shape[1]
    accumulators = [motmetrics.MOTAccumulator(auto_id=True) for _ in range(num_joints)]
    for frame in frames[:-1]:
        people, predictions = people_of_frame(annotated, frame), people_of_frame(predicted, frame)
        if not len(people) or not len(predictions):
            for accumulator in accumulators:
                accumulator.update([0], [0], [[np.nan]])
            continue
        rows, columns = np.repeat(people, len(predictions)), np.tile(predictions, len(people))
        distances = joint_distances(annotated, predicted, rows, columns)
        distances[~(distances <= DISTANCE_LIMIT)] = np.nan
        distances = distances.reshape(len(people), len(predictions), num_joints)
        for j, accumulator in enumerate(accumulators):
            there, seen = annotated.present[people, j], predicted.present[predictions, j]
            accumulator.update(
                annotated.track_ids[people[there]],
                predicted.track_ids[predictions[seen]],
                distances[there][:, seen, j],
            )
    return accumulators


def _count(accumulator: MOTAccumulator) -> tuple[float, ...]:
    """Return objects, matches, switches, false positives, and the distances of right joints."""
    events = accumulator.mot_events
    kinds = events["Type"].to_numpy(dtype=str)
    matches, switches = kinds == "MATCH", kinds == "SWITCH"
    right = matches | switches
    distance = events["D"].to_numpy(dtype=float)[right].sum()
    objects = right.sum() + (kinds == "MISS").sum()
    return objects, matches.sum(), switches.sum(), (kinds == "FP").sum(), distance


def _count_identities(
    motmetrics: ModuleType, annotated: VideoPoses, predicted: VideoPoses, frames: np.ndarray
) -> np.ndarray:
    """Return true positives, false positives and false negatives of identities, and switches."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    boxes, predicted_boxes = person_boxes(annotated), person_boxes(predicted)
    for frame in frames:
        people, predictions = people_of_frame(annotated, frame), people_of_frame(predicted, frame)
        overlap = box_iou(boxes[people], predicted_boxes[predictions])
        accumulator.update(
            annotated.track_ids[people],
            predicted.track_ids[predictions],
            np.where(overlap >= IOU_LIMIT, 1 - overlap, np.nan),
        )
    names = ["idtp", "idfp", "idfn", "num_switches"]
    measured = motmetrics.metrics.create().compute(
        accumulator, metrics=names, return_dataframe=False
    )
    return np.array([measured[name] for name in names], dtype=np.int64)


def _alike_by_frame(
    annotated: VideoPoses, predicted: VideoPoses, frames: np.ndarray, sigmas: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield ids of people and of predictions, and their OKS, frame by frame."""
    boxes = person_boxes(annotated)
    for frame in frames:
        people, predictions = people_of_frame(annotated, frame), people_of_frame(predicted, frame)
        similarity = oks(
            annotated.joints[people],
            annotated.present[people],
            boxes[people, 2] * boxes[people, 3],
            predicted.joints[predictions],
            sigmas,
        )
        yield annotated.track_ids[people], predicted.track_ids[predictions], similarity.T


def _require_different_ids(annotated: VideoPoses) -> None:
    pairs = np.column_stack([annotated.frame_of, annotated.track_ids])
    seen, counts = np.unique(pairs, axis=0, return_counts=True)
    if (counts > 1).any():
        frame, track_id = seen[counts > 1][0]
        raise ValueError(
            f"{annotated.path}: frame {annotated.frame_names[int(frame)]}: track_id {track_id:g} "
            "is used twice, expected the people of a frame to differ; MOTA cannot be measured"
        )


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
