"""dcpose.skeleton: index tables follow from names."""

import numpy as np
import pytest

from dcpose.skeleton import (
    POSETRACK,
    Skeleton,
)


def test_posetrack_order_and_pairs():
    assert POSETRACK.num_joints == 17
    assert POSETRACK.joint_names[:3] == ("nose", "head_bottom", "head_top")
    pairs = [(3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
    expected = np.arange(17)
    for a, b in pairs:
        expected[a], expected[b] = b, a
    np.testing.assert_array_equal(POSETRACK.flip_permutation, expected)
    np.testing.assert_array_equal(np.flatnonzero(~POSETRACK.upper_body_mask), range(11, 17))
    assert POSETRACK.limb_indices.shape == (15, 2)


def test_every_evaluated_joint_has_a_channel():
    names = [dict(POSETRACK.evaluation_aliases).get(name, name) for name in POSETRACK.joint_names]
    channels = [names.index(name) for name in POSETRACK.evaluation_names]
    # 15 <- 17 index of the released code
    assert channels == [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 1, 0, 2]
    grouped = [name for group in dict(POSETRACK.evaluation_groups).values() for name in group]
    assert sorted(grouped) == sorted(POSETRACK.evaluation_names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint_names": ("a", "a")}, "joint names repeat"),
        ({"flip_pairs": (("a", "b"), ("b", "a"))}, "in two flip pairs"),
        ({"limbs": (("a", "c"),)}, "unknown joint 'c', expected one of a, b"),
        ({"upper_body": ("c",)}, "unknown joint 'c'"),
        ({"evaluation_joints": ("c",)}, "unknown joint 'c'"),
        ({"evaluation_joints": ("a", "a")}, "evaluation joints repeat"),
        ({"evaluation_groups": (("A", ("a",)),)}, "unknown joint 'a'"),
        ({"oks_sigmas": (0.1,)}, "oks_sigmas must be 2 positive numbers"),
    ],
)
def test_refuses_inconsistent_skeletons(changes, message):
    fields = {"name": "toy", "joint_names": ("a", "b"), "flip_pairs": (), "limbs": ()}
    with pytest.raises(ValueError, match=message):
        Skeleton(**{**fields, "upper_body": (), **changes})


def test_unknown_joint_and_no_limbs():
    toy = Skeleton(name="toy", joint_names=("a",), flip_pairs=(), limbs=(), upper_body=())
    assert toy.limb_indices.shape == (0, 2)
    with pytest.raises(ValueError, match="no joint 'z'"):
        toy.index("z")
