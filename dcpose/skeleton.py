"""Joints, flip pairs, limbs and evaluation groups of a skeleton (data only; NumPy only).

A skeleton is described by names, and every index table is derived from them, so that a joint
order appears in exactly one place. Sources: PoseTrack 2018 keypoint order (`categories` of the
annotation files); PoseTrack evaluator joint ids 0..14 for the evaluation order; the sigmas that
mmpose uses for PoseTrack 2018.
"""

from collections.abc import Sequence
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
        evaluation_joints: names that are scored, in the order of the results; the position is
            the point id of 2017-form files.
        evaluation_aliases: (joint, alias) where the results call a joint otherwise.
        evaluation_groups: (title, aliases or names) of the columns of result tables.
        oks_sigmas: J spreads of annotators, relative to the size of a person; empty if unknown.

    Raises:
        ValueError: if a name is listed twice, a pair, limb or group names an unknown joint, or
            there is not one positive sigma per joint.
    """

    name: str
    joint_names: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    limbs: tuple[tuple[str, str], ...]
    upper_body: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    evaluation_joints: tuple[str, ...] = ()
    evaluation_aliases: tuple[tuple[str, str], ...] = ()
    evaluation_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    oks_sigmas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for what, names in (
            ("joint names", self.joint_names),
            ("evaluation joints", self.evaluation_names),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"skeleton {self.name}: {what} repeat: {names}")
        paired = [name for pair in self.flip_pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(f"skeleton {self.name}: a joint is in two flip pairs: {paired}")
        limb_names = [name for limb in self.limbs for name in limb]
        aliased = [joint for joint, _ in self.evaluation_aliases]
        self._require_known((*paired, *limb_names), self.joint_names)
        self._require_known((*self.upper_body, *self.unlabelled), self.joint_names)
        self._require_known((*self.evaluation_joints, *aliased), self.joint_names)
        grouped = [name for _, names in self.evaluation_groups for name in names]
        self._require_known(grouped, self.evaluation_names)
        count = len(self.oks_sigmas)
        if count and (count != self.num_joints or min(self.oks_sigmas) <= 0):
            raise ValueError(
                f"skeleton {self.name}: oks_sigmas must be {self.num_joints} positive numbers, "
                f"found {self.oks_sigmas}"
            )

    def _require_known(self, used: Sequence[str], known: Sequence[str]) -> None:
        for name in used:
            if name not in known:
                raise ValueError(
                    f"skeleton {self.name}: unknown joint {name!r}, expected one of "
                    f"{', '.join(known)}"
                )

    @property
    def evaluation_names(self) -> tuple[str, ...]:
        """Names of the scored joints in results, in their order."""
        alias_of = dict(self.evaluation_aliases)
        return tuple(alias_of.get(name, name) for name in self.evaluation_joints)

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
    evaluation_joints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist", "head_bottom", "nose", "head_top",
    ),
    evaluation_aliases=(("head_bottom", "neck"),),
    evaluation_groups=(
        ("Head", ("head_top", "neck", "nose")),
        ("Shou", ("right_shoulder", "left_shoulder")),
        ("Elb", ("right_elbow", "left_elbow")),
        ("Wri", ("right_wrist", "left_wrist")),
        ("Hip", ("right_hip", "left_hip")),
        ("Knee", ("right_knee", "left_knee")),
        ("Ankl", ("right_ankle", "left_ankle")),
    ),
    oks_sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072,
        0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ),
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
