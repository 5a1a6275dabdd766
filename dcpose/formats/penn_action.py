"""Penn Action: 2,326 videos of one person each, 13 joints in every frame.

Tree: `frames/0001/000001.jpg` (videos and frames count from 1) and `labels/0001.mat` with
`nframes`, `dimensions` (height, width, frames), `x`, `y` and `visibility` (frames, 13), `bbox`
(frames, 4: left, top, right, bottom; it may lack the last rows) and `train` (1 or -1). Pixels
count from 1 there and from 0 here.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from dcpose.formats.findings import Findings
from dcpose.formats.mat_files import MatFile
from dcpose.formats.one_person import FLIP_PAIRS, GROUPS, SIDED, one_person_video
from dcpose.formats.posetrack.records import VideoAnnotation, log_size
from dcpose.skeleton import Skeleton

_NAMES = ("head", *(f"{side}_{stem}" for stem in SIDED for side in ("left", "right")))

PENN_ACTION = Skeleton(
    name="penn_action",
    joint_names=_NAMES,
    flip_pairs=FLIP_PAIRS,
    limbs=(
        *(("head", f"{side}_shoulder") for side in ("left", "right")),
        ("left_hip", "right_hip"),
        *(
            (f"{side}_{first}", f"{side}_{second}")
            for side in ("left", "right")
            for first, second in (
                ("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"),
                ("knee", "ankle"),
            )
        ),
    ),
    upper_body=_NAMES[:7],
    evaluation_joints=_NAMES,
    evaluation_groups=(("Head", ("head",)), *GROUPS),
)  # fmt: skip
VARIABLES = ("nframes", "dimensions", "x", "y", "visibility", "bbox", "train")


def read_penn_action(
    root: Path,
    train: bool,
    labels: str = "labels",
    frames: str = "frames",
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    """Read the videos of a split, in the order of their numbers.

    Args:
        root: folder of the tree above.
        train: the training videos; else those for tests.
        labels: folder of the labels, below the root.
        frames: folder of the videos, below the root.
        findings: takes what is wrong with single files; None raises the first.

    Raises:
        ValueError: if there are no labels, or a file breaks the form.
    """
    findings = findings or Findings()
    files = sorted((root / labels).glob("*.mat"))
    if not files:
        raise ValueError(f"{root / labels}: no .mat files, expected the labels of Penn Action")
    videos: list[VideoAnnotation] = []
    for file in files:
        with findings.of_entry("annotation-file", str(file), "fetch the file again"):
            content = MatFile(file, VARIABLES)
            flag = float(content.numbers("train", (1, 1))[0, 0])
            if flag not in (1.0, -1.0):
                raise ValueError(f"{file}: train is {flag}, expected 1 or -1")
            if (flag > 0) == train:
                videos.append(_video(content, file, root, frames, len(videos)))
    log_size(root, videos)
    if not videos:
        raise ValueError(f"{root / labels}: no video is for {'training' if train else 'tests'}")
    return videos


def _video(content: MatFile, file: Path, root: Path, frames: str, index: int) -> VideoAnnotation:
    num_frames = int(content.numbers("nframes", (1, 1))[0, 0])
    height, width = content.numbers("dimensions", (1, 3))[0, :2].astype(int).tolist()
    shape = (num_frames, len(_NAMES))
    columns = [
        content.numbers("x", shape) - 1,
        content.numbers("y", shape) - 1,
        content.numbers("visibility", shape) > 0,
    ]
    joints = np.stack(columns, axis=-1)
    if not np.isfinite(joints).all():
        raise ValueError(f"{file}: x or y holds values that are not finite")
    corners = content.numbers("bbox", (None, 4)) if "bbox" in content else np.zeros((0, 4))
    boxes = [_box(row) for row in corners[:num_frames]]
    boxes += [None] * (num_frames - len(boxes))
    folder = PurePosixPath(frames, file.stem)
    return one_person_video(root, folder, index, file, joints, boxes, (width, height), 6, ".jpg")


def _box(corners: np.ndarray) -> np.ndarray | None:
    """Return the (4,) box xywh of corners whose pixels count from 1; None for empty rows."""
    if not np.isfinite(corners).all() or not corners.any():
        return None
    return np.concatenate([corners[:2] - 1, corners[2:] - corners[:2] + 1])
