"""Labels to the files of a data set: annotations per video, and the skeleton.

Frames are `images/<video>/<six digits>.jpg`. A video's folder has a name of PoseTrack's kind,
`000001_mpii_<name>`, and frame numbers stay below 10000, as its evaluator asks: where a video is
longer, stretches without labels are shortened. `source_frame` of an image is its number before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dcpose.formats.labels.labels import LabelledPerson, LabelledVideo
from dcpose.formats.labels.symmetry import guess_flip_pairs, stem

MAX_NUMBER = 9999
BOX_FACTOR = 1.3
"""Box side / extent of the joints, where the labels have no boxes (as in PoseTrack's own)."""
SHORTEST_SIDE = 0.4
"""Least side of such a box, in longer sides: joints on a line have no width."""
LEAST_EXTENT = 16.0
"""Pixels that joints in one place count as apart."""
MAX_COLUMNS = 8
"""Columns of a table of results; with more pairs and joints there is none but the mean."""


def folder_name(index: int, name: str) -> str:
    """Return the folder of a video, from its place among all and its name."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-") or "video"
    return f"{index + 1:06d}_mpii_{plain[:60]}"


def new_numbers(wanted: Iterable[int]) -> dict[int, int]:
    """Return the number that each wanted frame gets: its own, if all are small enough.

    Else gaps of more than ten frames become ten.

    Raises:
        ValueError: if there are too many frames for that.
    """
    ordered = sorted(wanted)
    if not ordered or ordered[-1] <= MAX_NUMBER:
        return {number: number for number in ordered}
    steps = np.minimum(np.diff(ordered, prepend=ordered[0]), 10)
    numbers = np.cumsum(steps).tolist()
    if numbers[-1] > MAX_NUMBER:
        raise ValueError(
            f"{len(ordered)} labelled frames and neighbours of one video do not fit into "
            f"{MAX_NUMBER + 1} numbers; split the video"
        )
    return dict(zip(ordered, numbers, strict=True))


def annotation_file(
    video: LabelledVideo,
    index: int,
    folder: str,
    joint_names: Sequence[str],
    limbs: Sequence[tuple[str, str]],
    numbers: Mapping[int, int],
    image_wh: tuple[int, int],
) -> dict[str, Any]:
    """Return the content of an annotation file, with all labelled frames of the video.

    Args:
        video: the frames of one split.
        index: place of the video among all of them; makes ids different.
        folder: of its frames, below `images`.
        joint_names: J names.
        limbs: pairs of them.
        numbers: number of every frame on disk, by its number in the video.
        image_wh: (width, height) of the frames.
    """
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for frame in video.frames:
        image_id = (index + 1) * 10**6 + numbers[frame.number]
        images.append(
            {
                "id": image_id,
                "file_name": f"images/{folder}/{numbers[frame.number]:06d}.jpg",
                "nframes": max(numbers.values()) + 1,
                "width": image_wh[0],
                "height": image_wh[1],
                "source_frame": frame.number,
            }
        )
        for person in frame.people:
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "track_id": person.track_id,
                    "bbox": np.round(person_box(person, image_wh), 3).tolist(),
                    "keypoints": np.round(person.joints, 3).ravel().tolist(),
                }
            )
    names = list(joint_names)
    skeleton = [[names.index(first) + 1, names.index(second) + 1] for first, second in limbs]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": skeleton}
    return {"images": images, "annotations": people, "categories": [category]}


def person_box(person: LabelledPerson, image_wh: tuple[int, int]) -> np.ndarray:
    """Return the (4,) box inside the image: the person's own, else one around its joints."""
    if person.box_xywh is not None:
        near, far = person.box_xywh[:2], person.box_xywh[:2] + person.box_xywh[2:]
    else:
        labelled = person.joints[person.joints[:, 2] > 0, :2]
        center = (labelled.min(axis=0) + labelled.max(axis=0)) / 2
        extent = np.ptp(labelled, axis=0)
        size = BOX_FACTOR * np.maximum(extent, SHORTEST_SIDE * max(extent.max(), LEAST_EXTENT))
        near, far = center - size / 2, center + size / 2
    near, far = np.maximum(near, 0.0), np.minimum(far, image_wh)
    return np.concatenate([near, far - near])


def skeleton_content(
    name: str, joint_names: Sequence[str], limbs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the content of a skeleton file; pairs are guessed from names."""
    pairs = guess_flip_pairs(joint_names)
    groups: dict[str, list[str]] = {}
    for joint in joint_names:
        pair = next((pair for pair in pairs if joint in pair), None)
        groups.setdefault(joint if pair is None else stem(pair), []).append(joint)
    return {
        "name": name,
        "joints": list(joint_names),
        "flip_pairs": [list(pair) for pair in pairs],
        "limbs": [list(limb) for limb in limbs],
        "upper_body": [],
        "evaluation": {
            "joints": list(joint_names),
            "groups": groups if len(groups) <= MAX_COLUMNS else {},
        },
    }
