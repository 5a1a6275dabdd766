"""Sub-JHMDB: 316 videos of one person each, whole in the picture, 15 joints in every frame.

Tree: `Rename_Images/<action>/<video>/00001.png` (from 1, 320 x 240),
`joint_positions/<action>/<video>/joint_positions.mat` with `pos_img` (2, 15, frames: x, y from 1),
`puppet_mask/<action>/<video>/puppet_mask.mat` with `part_mask` (height, width, frames), whose tight
box is the person's, and `sub_splits/<action>_test_split<1|2|3>.txt` with lines `<video>.avi 1|2`, 1
for training, 2 for tests. Joints outside the picture are not labelled.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from dcpose.formats.findings import Findings
from dcpose.formats.mat_files import MatFile
from dcpose.formats.one_person import FLIP_PAIRS, GROUPS, SIDED, one_person_video
from dcpose.formats.posetrack.images import name_fault
from dcpose.formats.posetrack.records import VideoAnnotation, log_size
from dcpose.skeleton import Skeleton

FOLDS = (1, 2, 3)

JHMDB = Skeleton(
    name="jhmdb",
    joint_names=(
        "neck", "belly", "head", "right_shoulder", "left_shoulder", "right_hip", "left_hip",
        "right_elbow", "left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist",
        "right_ankle", "left_ankle",
    ),
    flip_pairs=FLIP_PAIRS,
    limbs=(
        ("head", "neck"), ("neck", "belly"),
        *((start, f"{side}_{end}") for side in ("left", "right")
          for start, end in (("neck", "shoulder"), ("belly", "hip"))),
        *((f"{side}_{start}", f"{side}_{end}") for side in ("left", "right")
          for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"),
                             ("knee", "ankle"))),
    ),
    upper_body=(
        "neck", "belly", "head", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow",
        "right_wrist", "left_wrist",
    ),
    evaluation_joints=(
        "head", "neck", "belly",
        *(f"{side}_{stem}" for stem in SIDED for side in ("left", "right")),
    ),
    evaluation_groups=(("Head", ("head", "neck", "belly")), *GROUPS),
)  # fmt: skip


def read_jhmdb(
    root: Path,
    train: bool,
    fold: int,
    splits: str = "sub_splits",
    frames: str = "Rename_Images",
    findings: Findings | None = None,
) -> list[VideoAnnotation]:
    """Read the videos of a split, in the order of actions and names.

    Args:
        root: folder of the tree above.
        train: the training videos; else those for tests.
        fold: which of the three splits.
        splits: folder of the lists of videos, below the root.
        frames: folder of the actions with the frames, below the root.
        findings: takes what is wrong with single files; None raises the first.

    Raises:
        ValueError: if there is no such split, or a file is missing or breaks the form.
    """
    findings = findings or Findings()
    if fold not in FOLDS:
        raise ValueError(f"fold {fold} of Sub-JHMDB, expected one of 1, 2, 3")
    lists = sorted((root / splits).glob(f"*_test_split{fold}.txt"))
    if not lists:
        raise ValueError(
            f"{root / splits}: no files <action>_test_split{fold}.txt, expected the splits "
            "of Sub-JHMDB"
        )
    videos: list[VideoAnnotation] = []
    for file in lists:
        action = file.name.removesuffix(f"_test_split{fold}.txt")
        names: list[str] = []
        with findings.of_entry("annotation-file", str(file), "fetch the file again"):
            names = _members(file, train)
        for name in names:
            place = root / "joint_positions" / action / name
            with findings.of_entry("annotation-file", str(place), "fetch the video's files again"):
                videos.append(_video(root, frames, action, name, len(videos)))
    log_size(root, videos)
    if not videos:
        raise ValueError(f"{root / splits}: split {fold} lists no video for this use")
    return videos


def _members(file: Path, train: bool) -> list[str]:
    """Return the names of the videos of a list that are for this use."""
    names = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        name, _, use = line.strip().rpartition(" ")
        name = name.strip().removesuffix(".avi")
        if use not in ("0", "1", "2") or not name or "/" in name or name_fault(name):
            raise ValueError(f"{file}: line {number}: {line[:60]!r}, expected <video>.avi 1|2")
        if use == ("1" if train else "2"):
            names.append(name)
    return names


def _video(root: Path, frames: str, action: str, name: str, index: int) -> VideoAnnotation:
    file = root / "joint_positions" / action / name / "joint_positions.mat"
    places = MatFile(file, ("pos_img",)).numbers("pos_img", (2, JHMDB.num_joints, None))
    places = places.transpose(2, 1, 0) - 1  # (T, J, 2), from 0
    folder = PurePosixPath(frames, action, name)
    image_wh = _image_wh(root / folder / "00001.png")
    boxes = _mask_boxes(root / "puppet_mask" / action / name / "puppet_mask.mat", len(places))
    inside = ((places >= 0) & (places <= np.array(image_wh) - 1)).all(axis=-1, keepdims=True)
    joints = np.concatenate([places, inside], axis=-1)
    return one_person_video(root, folder, index, file, joints, boxes, image_wh, 5, ".png")


def _image_wh(first: Path) -> tuple[int, int]:
    """Return (width, height) of a video, from the header of its first frame."""
    try:
        with Image.open(first) as image:
            return image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"{first}: no frame that can be read ({error})") from None


def _mask_boxes(file: Path, num_frames: int) -> list[np.ndarray | None]:
    """Return the (4,) tight box of each frame's mask; None for empty ones, or without a file."""
    if not file.exists():
        return [None] * num_frames
    masks = MatFile(file, ("part_mask",)).numbers("part_mask", (None, None, num_frames)) > 0
    boxes: list[np.ndarray | None] = []
    for frame in range(num_frames):
        rows, columns = (np.flatnonzero(masks[..., frame].any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            boxes.append(None)
            continue
        near = np.array([columns[0], rows[0]], dtype=np.float64)
        boxes.append(np.concatenate([near, np.array([columns[-1], rows[-1]]) - near + 1]))
    return boxes
