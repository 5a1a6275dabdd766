"""Joints, flip pairs, limbs and evaluation groups of a skeleton (data only; NumPy only).

A skeleton is described by names, and every index table is derived from them, so that a joint
order appears in exactly one place. Sources: PoseTrack 2018 keypoint order (`categories` of the
annotation files); PoseTrack evaluator joint ids 0..14 for the evaluation order.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """The joints of a person and how they relate.

    Attributes:
        name: what the skeleton is called in messages.
        joint_names: J names; their order is the channel order of heatmaps and of (J, ...) arrays.
        flip_pairs: (left, right) names that change places when the image is mirrored.
        limbs: (from, to) names that a drawing connects.
        upper_body: names that the half-body augmentation counts as upper; the others are lower.
        unlabelled: names that exist in the format but are never annotated.

    Raises:
        ValueError: if a name is listed twice, or a pair, limb or group names an unknown joint.
    """

    name: str
    joint_names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    limbs: tuple[tuple[str, str], ...]
    upper_body: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.joint_names)) != len(self.joint_names):
            raise ValueError(f"skeleton {self.name}: joint names repeat: {self.joint_names}")
        paired = [name for pair in self.flip_pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(f"skeleton {self.name}: a joint is in two flip pairs: {paired}")
        limb_names = [name for limb in self.limbs for name in limb]
        for used in (*paired, *limb_names, *self.upper_body, *self.unlabelled):
            if used not in self.joint_names:
                raise ValueError(
                    f"skeleton {self.name}: unknown joint {used!r}, expected one of "
                    f"{', '.join(self.joint_names)}"
                )

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joint_names)

    def index(self, joint_name: str) -> int:
        """Return the channel of a joint; ValueError for an unknown name."""
        if joint_name not in self.joint_names:
            raise ValueError(f"skeleton {self.name} has no joint {joint_name!r}")
        return self.joint_names.index(joint_name)

    @cached_property
    def flip_permutation(self) -> np.ndarray:
        """(J,) int64: joint j of a mirrored person is joint flip_permutation[j] of the original."""
        permutation = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            left_index, right_index = self.index(left), self.index(right)
            permutation[left_index], permutation[right_index] = right_index, left_index
        return permutation

    @cached_property
    def limb_indices(self) -> np.ndarray:
        """(L, 2) int64 channel pairs of the limbs."""
        return np.array([[self.index(a), self.index(b)] for a, b in self.limbs]).reshape(-1, 2)

    @cached_property
    def upper_body_mask(self) -> np.ndarray:
        """(J,) bool, True for the joints of the upper body."""
        return np.isin(self.joint_names, self.upper_body)


def _sides(*stems: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"left_{stem}", f"right_{stem}") for stem in stems)


POSETRACK = Skeleton(
    name="posetrack",
    joint_names=(
        "nose", "head_bottom", "head_top", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    flip_pairs=_sides("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    limbs=(
        ("head_top", "nose"), ("nose", "head_bottom"),
        ("head_bottom", "left_shoulder"), ("head_bottom", "right_shoulder"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        ("left_hip", "right_hip"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
    upper_body=(
        "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    ),
    unlabelled=("left_ear", "right_ear"),
)  # fmt: skip
"""The 17 keypoints of PoseTrack 2018 files; the ears are placeholders."""

COCO = Skeleton(
    name="coco",
    joint_names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    flip_pairs=_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    limbs=(
        ("left_eye", "nose"), ("right_eye", "nose"),
        ("left_eye", "left_ear"), ("right_eye", "right_ear"),
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ),
    upper_body=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    ),
)  # fmt: skip
"""The 17 keypoints of COCO. Joints are the same where names are: PoseTrack lacks the two eyes,
COCO lacks head_bottom and head_top, and PoseTrack's ears exist but are never annotated."""

EVALUATION_JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "neck", "nose", "head_top",
)  # fmt: skip
"""The 15 joints that PoseTrack scores; the position is the point id of 2017 files."""

EVALUATION_NAME_OF = {"head_bottom": "neck"}
"""Names that 2018 files spell differently from the evaluator."""

EVALUATION_GROUPS = {
    "Head": ("head_top", "neck", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
}
"""Columns of the published tables; the mean is over the 15 joints, not over these groups."""
