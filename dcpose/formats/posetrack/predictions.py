"""Files with the people of one video: reading every form, writing predictions.

Both forms of PoseTrack are read, recognised by their content: 2017 files have `annolist`, 2018
files `images`, `annotations` and `categories`. Predictions are written in the 2018 form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dcpose.files.writing import replacing, write_bytes
from dcpose.formats import fields
from dcpose.formats.posetrack.annolist import image_name
from dcpose.formats.posetrack.folders import paired_files
from dcpose.formats.posetrack.parse import parse_posetrack17, parse_posetrack18, read_images
from dcpose.formats.posetrack.video_poses import (
    ALMOST_ZERO,
    TRACK_ID_LIMIT,
    Complaint,
    Side,
    VideoPoses,
    require_same_frames,
)
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.structures import PosePrediction

JointScore = Literal["heatmap_times_box", "heatmap"]


def read_poses(path: Path, side: Side, skeleton: Skeleton = POSETRACK) -> VideoPoses:
    """Read the people of one video from a 2017 or 2018 file.

    Args:
        path: JSON file.
        side: "annotations" for ground truth, "predictions" for scored people.
        skeleton: joints of the file, and which of them are evaluated.

    Raises:
        ValueError: if the file is not in one of the forms; the message names file,
            frame, person and joint, what was expected, and the way out.
    """
    return parse_poses(fields.read_object(path), path, side, skeleton)


def parse_poses(
    content: dict[str, Any], path: Path, side: Side, skeleton: Skeleton = POSETRACK
) -> VideoPoses:
    """Turn the content of a 2017 or 2018 file into arrays; `path` is for messages.

    Raises:
        ValueError: as `read_poses` does.
    """
    if "annolist" in content:
        return parse_posetrack17(content, path, side, skeleton)
    if "images" in content:
        return parse_posetrack18(content, path, side, skeleton)
    raise _unknown_form(path, content)


def read_frame_names(path: Path) -> list[str]:
    """Return the image names of a 2017 or 2018 file, which needs no people.

    Raises:
        ValueError: if the file is not in one of the forms.
    """
    content = fields.read_object(path)
    if "annolist" in content:
        frames = content["annolist"]
        if not isinstance(frames, list) or not frames:
            raise ValueError(f"{path}: annolist is empty or no list, expected an entry per frame")
        return [image_name(frame) or f"annolist[{index}]" for index, frame in enumerate(frames)]
    if "images" in content:
        images = read_images(content["images"], Complaint(path), [])
        return [image["file_name"] for image in images]
    raise _unknown_form(path, content)


def read_pairs(
    annotations_dir: Path, predictions_dir: Path, skeleton: Skeleton = POSETRACK
) -> Iterator[tuple[VideoPoses, VideoPoses]]:
    """Read every annotation file of a folder with the predictions file of the same name.

    Raises:
        ValueError: if a folder or file is missing or malformed, or the two files of a video list
            different numbers of frames.
    """
    for truth, found in paired_files(annotations_dir, predictions_dir):
        annotated = read_poses(truth, "annotations", skeleton)
        predicted = read_poses(found, "predictions", skeleton)
        require_same_frames(annotated, predicted)
        yield annotated, predicted


def _unknown_form(path: Path, content: dict[str, Any]) -> ValueError:
    return ValueError(
        f"{path}: has neither 'images' (2018 form) nor 'annolist' (2017 form), found "
        f"{', '.join(map(repr, list(content)[:5])) or 'an empty object'}"
    )


def write_predictions(
    path: Path,
    images: Sequence[Mapping[str, Any]],
    people: Sequence[PosePrediction],
    skeleton: Skeleton = POSETRACK,
    joint_score: JointScore = "heatmap_times_box",
    track_ids: Sequence[int] | None = None,
) -> None:
    """Write the predictions of one video in the 2018 form.

    The file holds every image, in the given order, and the people sorted by image; people of one
    image keep the order in which they are given. The file is complete or not there: it is written
    under another name first.

    Args:
        path: JSON file to write; its folder has to exist.
        images: image objects of the annotation file (`id`, `file_name`, ...), copied as they are.
        people: predictions of this video in any order.
        skeleton: names of the J joints.
        joint_score: "heatmap_times_box" multiplies the heatmap peak by the score of the box.
        track_ids: of the people; None numbers those of each image 0, 1, 2, ...

    Raises:
        ValueError: if a person belongs to none of the images or has values that are not finite,
            or a joint count that differs from the skeleton's; or for a track id that the
            evaluator would refuse.
    """
    per_image: dict[Any, list[tuple[int, PosePrediction]]] = {image["id"]: [] for image in images}
    for index, person in enumerate(people):
        if person.person.image_id not in per_image:
            raise ValueError(
                f"{path}: {person.person.person_id} has image id {person.person.image_id}, which "
                f"is none of the {len(per_image)} images of the video"
            )
        number = len(per_image[person.person.image_id]) if track_ids is None else track_ids[index]
        per_image[person.person.image_id].append((number, person))
    for image_people in per_image.values():
        _check_ids([number for number, _ in image_people], path)
    in_order = (pair for image_people in per_image.values() for pair in image_people)
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(f'{{"images":{compact([dict(image) for image in images])},"annotations":[')
        # one by one: as objects, the people of a long video take far more than their poses
        for place, (track_id, person) in enumerate(in_order, start=1):
            entry = annotation_entry(person, skeleton, joint_score)
            file.write("," if place > 1 else "")
            file.write(compact({**entry, "id": place, "track_id": track_id}))
        file.write(f'],"categories":{compact([category])}}}')


def _check_ids(track_ids: list[int], path: Path) -> None:
    """Raise ValueError for the track ids of one image that the evaluator would refuse."""
    if track_ids and max(track_ids) >= TRACK_ID_LIMIT:
        raise ValueError(
            f"{path}: track id {max(track_ids)}, expected less than {TRACK_ID_LIMIT}: so many "
            "people, or tracks that break so often, come from poor boxes; raise data.min_box_score"
        )
    if len(set(track_ids)) < len(track_ids):
        raise ValueError(f"{path}: track ids repeat in one image: {track_ids}")


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write compact JSON in one step: the file is the old one or the new one, never half of it."""
    write_bytes(path, compact(content).encode())


def compact(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return JSON without spaces.

    Raises:
        ValueError: for NaN and infinity.
    """
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def annotation_entry(
    person: PosePrediction, skeleton: Skeleton, joint_score: JointScore
) -> dict[str, Any]:
    """Return one of the `annotations` of a predictions file, still without `id` and `track_id`.

    Raises:
        ValueError: as `write_predictions`.
    """
    record = person.person
    if person.joints.shape != (skeleton.num_joints, 2):
        raise ValueError(
            f"{record.person_id}: joints have shape {person.joints.shape}, expected "
            f"({skeleton.num_joints}, 2) for the skeleton {skeleton.name}"
        )
    box_factor = record.box_score if joint_score == "heatmap_times_box" else 1.0
    scores = person.heatmap_scores.astype(np.float64) * box_factor
    triplets = np.column_stack([person.joints.astype(np.float64), scores])
    if not np.isfinite(triplets).all():
        joint = skeleton.joint_names[int(np.argwhere(~np.isfinite(triplets))[0, 0])]
        raise ValueError(
            f"{record.person_id}: joint {joint} or its score is not finite; check the weights "
            "and, with train.precision fp16, try bf16 or fp32"
        )
    triplets[~triplets.any(axis=1), 2] = ALMOST_ZERO
    return {
        "image_id": record.image_id,
        "category_id": 1,
        "bbox": np.asarray(record.box_xywh, dtype=np.float64).tolist(),
        "score": float(record.box_score),
        "keypoints": triplets.reshape(-1).tolist(),
        "scores": scores.tolist(),
    }
