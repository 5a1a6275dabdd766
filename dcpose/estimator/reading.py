"""Predictions files, our own and others in the 2018 form, back to people per frame."""

from pathlib import Path
from typing import Any

import numpy as np

from dcpose.estimator.frame_result import NOT_TRACKED, People
from dcpose.formats.posetrack.predictions import load_json
from dcpose.skeleton import POSETRACK, Skeleton


def read_people(path: Path, skeleton: Skeleton = POSETRACK) -> list[People]:
    """Return the people of each image of a predictions file, in the order of its images.

    Joint scores are those of the file, in which the score of the box is usually a factor.

    Raises:
        ValueError: if the file is not in the 2018 form, or has other joints.
    """
    content = load_json(path)
    try:
        names = tuple(content["categories"][0]["keypoints"])
        order = [image["id"] for image in content["images"]]
        rows: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in order}
        for person in content["annotations"]:
            rows[person["image_id"]].append(person)
        if names == skeleton.joint_names:
            return [_people(rows[image_id], skeleton.num_joints) for image_id in order]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a predictions file in the 2018 form ({type(error).__name__}: {error})"
        ) from None
    raise ValueError(
        f"{path}: has the joints {', '.join(names)}, expected those of the skeleton "
        f"{skeleton.name}: {', '.join(skeleton.joint_names)}"
    )


def _people(rows: list[dict[str, Any]], num_joints: int) -> People:
    triplets = np.array([row["keypoints"] for row in rows], np.float64).reshape(-1, num_joints, 3)
    return People(
        boxes_xywh=np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
        box_scores=np.array([row.get("score", 1.0) for row in rows], np.float64),
        track_ids=np.array([row.get("track_id", NOT_TRACKED) for row in rows], np.int64),
        joints=triplets[..., :2],
        joint_scores=triplets[..., 2],
    )
