"""Videos of data sets that label one person in every frame: Penn Action, Sub-JHMDB.

Legend: T frames, J joints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.posetrack.records import VideoAnnotation, box_around, unusable_box
from dcpose.skeleton import Skeleton
from dcpose.structures import PersonRecord

SIDED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
"""Joints that both data sets have on the left and on the right."""
FLIP_PAIRS = tuple((f"left_{stem}", f"right_{stem}") for stem in SIDED)
GROUPS = tuple(zip(("Shou", "Elb", "Wri", "Hip", "Knee", "Ankl"), FLIP_PAIRS, strict=True))
"""Columns of result tables, but for the head."""


def one_person_video(
    root: Path,
    folder: PurePosixPath,
    index: int,
    source: Path,
    joints: np.ndarray,
    boxes: Sequence[np.ndarray | None],
    image_wh: tuple[int, int],
    digits: int,
    suffix: str,
) -> VideoAnnotation:
    """Return a video whose frames count from 1.

    Args:
        root: of the data set.
        folder: of the frames, below the root; its name is that of the video.
        index: place of the video in its split, which makes image ids different.
        source: file of the labels, for messages.
        joints: (T, J, 3) x, y in image pixels from 0, and visibility 0 or 1.
        boxes: T boxes xywh; where there is none, the enlarged extent of the visible joints.
        image_wh: (width, height) of the frames.
        digits: of the names of frames.
        suffix: of frames, with its dot.
    """
    people: list[PersonRecord] = []
    skipped = Counter[str]()
    images = []
    for frame, (own, box) in enumerate(zip(joints, boxes, strict=True), start=1):
        image_id = (index + 1) * 10**6 + frame
        images.append(
            {
                "id": image_id,
                "file_name": str(folder / f"{frame:0{digits}d}{suffix}"),
                "nframes": len(joints),
                "width": image_wh[0],
                "height": image_wh[1],
            }
        )
        box = box_around(own) if box is None else box
        reason = unusable_box(box, image_wh)
        if box is None or reason is not None:
            skipped[str(reason)] += 1
        else:
            people.append(PersonRecord(folder.name, image_id, frame, box, joints=own, track_id=0))
    return VideoAnnotation(
        name=folder.name,
        source=source,
        images=images,
        frame_numbers=list(range(1, len(joints) + 1)),
        folder=root / folder,
        digits=digits,
        first_frame=1,
        suffix=suffix,
        num_frames=len(joints),
        image_wh=image_wh,
        people=people,
        skipped=skipped,
        base=root,
    )


def write_annotations(videos: Iterable[VideoAnnotation], folder: Path, skeleton: Skeleton) -> None:
    """Write the annotations of each video in the 2018 form, `<video>.json`, for the evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}
    for video in videos:
        content: dict[str, Any] = {
            "images": video.images,
            "annotations": [_entry(number, p) for number, p in enumerate(video.people, start=1)],
            "categories": [category],
        }
        write_json(folder / f"{video.name}.json", content)


def _entry(number: int, person: PersonRecord) -> dict[str, Any]:
    joints = np.zeros((0, 3)) if person.joints is None else person.joints
    # not labelled is 0, 0, 0 in this form, wherever the joint may be
    kept = np.where(joints[:, 2:] > 0, joints, 0.0)
    return {
        "id": number,
        "image_id": person.image_id,
        "category_id": 1,
        "track_id": person.track_id or 0,
        "bbox": person.box_xywh.tolist(),
        "keypoints": kept.ravel().tolist(),
    }
