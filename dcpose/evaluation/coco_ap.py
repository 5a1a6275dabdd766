"""OKS AP of COCO, computed by pycocotools, over the joints that predictions and COCO share.

This is not the AP of PoseTrack, which counts joints by their distance in head sizes.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dcpose.files.packages import require
from dcpose.formats import fields
from dcpose.formats.coco import person_category
from dcpose.formats.coco_results import coco_results
from dcpose.formats.posetrack.folders import json_files
from dcpose.formats.posetrack.predictions import JointScore
from dcpose.skeleton import COCO, POSETRACK, Skeleton

STATISTICS = ("AP", "AP50", "AP75", "AP-M", "AP-L", "AR", "AR50", "AR75", "AR-M", "AR-L")
"""What pycocotools summarises, in its order; M and L are people of medium and large area."""


@dataclass(frozen=True)
class OksResult:
    """OKS AP of a set of images.

    Attributes:
        columns: `STATISTICS` in percent; NaN where no annotated person counts.
        joint_names: joints that are compared.
        num_frames: images evaluated, all that the annotation file lists.
    """

    columns: dict[str, float]
    joint_names: tuple[str, ...]
    num_frames: int
    headline: ClassVar[str] = "AP"
    metric: ClassVar[str] = "COCO AP, object keypoint similarity"
    num_videos: ClassVar[None] = None

    @property
    def total(self) -> float:
        """AP, the mean over OKS thresholds 0.5, 0.55, ... 0.95."""
        return self.columns["AP"]

    @property
    def details(self) -> dict[str, float]:
        """The other columns, for the log."""
        return {name: value for name, value in self.columns.items() if name != "AP"}

    def to_json_dict(self) -> dict[str, Any]:
        """Return joint_names, headline, total, groups; undefined values are None."""
        groups = {k: None if math.isnan(v) else v for k, v in self.columns.items()}
        total = groups.pop("AP")
        return {
            "joint_names": list(self.joint_names),
            "headline": self.headline,
            "total": total,
            "groups": {**groups, "Total": total},
        }


def evaluate_coco(
    annotations_path: Path,
    predictions_dir: Path,
    joint_score: JointScore,
    skeleton: Skeleton = POSETRACK,
) -> OksResult:
    """Measure predictions files against a COCO-form annotation file.

    Joints that the skeleton lacks (the eyes, for PoseTrack's) are taken out of the annotations,
    so people with nothing but eyes are ignored as people without joints are.

    Args:
        annotations_path: COCO-form keypoint annotations.
        predictions_dir: predictions files; all of them are read.
        joint_score: what the joint scores of the files are.
        skeleton: joints of the predictions.

    Raises:
        ValueError: if a file is malformed, or pycocotools is not installed.
    """
    content = fields.read_object(annotations_path)
    truth = _restricted_truth(content, annotations_path, skeleton)
    names = truth["categories"][0]["keypoints"]
    columns = [COCO.joint_names.index(name) for name in names]
    known = {image["id"] for image in truth["images"]}
    results = []
    for path in json_files(predictions_dir):
        for person in _people_of(fields.read_object(path), path, joint_score):
            if person["image_id"] not in known:
                raise ValueError(
                    f"{path}: image id {person['image_id']} is not in {annotations_path}; remove "
                    "predictions of other images from the folder"
                )
            joints = np.reshape(person["keypoints"], (-1, 3))[columns]
            category = truth["categories"][0]["id"]
            results.append(
                {**person, "category_id": category, "keypoints": joints.ravel().tolist()}
            )
    statistics = oks_statistics(truth, results, columns)
    return OksResult(statistics, tuple(names), len(known))


def oks_statistics(
    truth: dict[str, Any], results: Sequence[dict[str, Any]], coco_joints: Sequence[int]
) -> dict[str, float]:
    """Return `STATISTICS` in percent.

    Args:
        truth: COCO-form annotations with J joints.
        results: COCO keypoints results with the same J joints.
        coco_joints: which of COCO's 17 joints these are; they have its sigmas.

    Raises:
        MissingPackageError: if pycocotools is not installed.
    """
    coco = require("pycocotools.coco", "OKS AP")
    cocoeval = require("pycocotools.cocoeval", "OKS AP")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        annotated = coco.COCO()
        annotated.dataset = truth
        annotated.createIndex()
        predicted = coco.COCO()
        predicted.dataset = {**truth, "annotations": _measured(results)}
        predicted.createIndex()
        evaluation = cocoeval.COCOeval(annotated, predicted, "keypoints")
        evaluation.params.kpt_oks_sigmas = evaluation.params.kpt_oks_sigmas[list(coco_joints)]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # -1 stands for "nobody to find"
    values = [math.nan if value < 0 else 100 * float(value) for value in evaluation.stats]
    return dict(zip(STATISTICS, values, strict=True))


def _measured(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give results the ids and areas of pycocotools' `loadRes`, which refuses an empty list."""
    measured = []
    for number, person in enumerate(results, start=1):
        joints = np.reshape(person["keypoints"], (-1, 3))[:, :2]
        low, high = joints.min(axis=0), joints.max(axis=0)
        box = [*low.tolist(), *(high - low).tolist()]
        area = float(np.prod(high - low))
        measured.append({**person, "id": number, "bbox": box, "area": area, "iscrowd": 0})
    return measured


def _people_of(
    content: dict[str, Any], path: Path, joint_score: JointScore
) -> list[dict[str, Any]]:
    """Return the people of a predictions file as COCO results."""
    if "annolist" not in content:
        categories = fields.get_list(content, "categories", str(path))
        first = categories[0] if categories else None
        fields.get_texts(first, "keypoints", f"{path}: categories[0]")
        for index, person in enumerate(fields.get_list(content, "annotations", str(path))):
            fields.get_int(person, "image_id", f"{path}: annotations[{index}]")
    people, _ = coco_results(content, path, joint_score)
    return people


def _restricted_truth(content: dict[str, Any], path: Path, skeleton: Skeleton) -> dict[str, Any]:
    """Return the annotations with the joints that COCO and the skeleton share."""
    number, names = person_category(content, path)
    shared = [n for n in names if n in skeleton.joint_names and n in COCO.joint_names]
    if not shared or len(set(names)) < len(names):
        raise ValueError(
            f"{path}: 'categories': keypoints {', '.join(names)} share no name with those of COCO "
            f"and {skeleton.name}, which alone have OKS sigmas, or stand twice"
        )
    columns = [names.index(name) for name in shared]
    images = [
        {"id": fields.get_int(image, "id", f"{path}: images[{index}]")}
        for index, image in enumerate(fields.get_list(content, "images", str(path)))
    ]
    annotations = []
    for index, entry in enumerate(fields.get_list(content, "annotations", str(path))):
        where = f"{path}: annotations[{index}]"
        if fields.get(entry, "category_id", where) != number:
            continue
        missing = {"id", "image_id", "bbox", "area", "keypoints"} - entry.keys()
        if missing:
            raise ValueError(f"{where} lacks {', '.join(sorted(missing))}, which OKS AP needs")
        joints = fields.get_numbers(entry, "keypoints", 3 * len(names), where)
        joints = joints.reshape(-1, 3)[columns]
        annotations.append(
            {
                "id": fields.get_int(entry, "id", where),
                "image_id": fields.get_int(entry, "image_id", where),
                "category_id": number,
                "bbox": fields.get_numbers(entry, "bbox", 4, where).tolist(),
                "area": fields.get_number(entry, "area", where),
                "iscrowd": fields.get_int(entry, "iscrowd", where) if "iscrowd" in entry else 0,
                "keypoints": joints.ravel().tolist(),
                "num_keypoints": int((joints[:, 2] > 0).sum()),
            }
        )
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": "person", "keypoints": shared}],
    }
