"""Skeletons from YAML files."""

from pathlib import Path

import pytest
import yaml

from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import POSETRACK

POSETRACK_FILE = Path(__file__).resolve().parents[2] / "configs/skeletons/posetrack.yaml"
TOY = {
    "name": "toy",
    "joints": ["a", "left_b", "right_b"],
    "flip_pairs": [["left_b", "right_b"]],
    "limbs": [["a", "left_b"]],
    "upper_body": ["a"],
    "evaluation": {"joints": ["right_b", "a"], "groups": {"A": ["a"]}},
}


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "toy.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write_file


def test_file_of_posetrack_is_the_default():
    assert read_skeleton(POSETRACK_FILE) == POSETRACK


def test_file_of_15_joints_leaves_the_ears_out():
    skeleton = read_skeleton(POSETRACK_FILE.with_name("posetrack15.yaml"))
    kept = [name for name in POSETRACK.joint_names if not name.endswith("_ear")]
    assert skeleton.joint_names == tuple(kept)
    assert skeleton.num_joints == 15
    assert skeleton.unlabelled == ()
    for name in ("evaluation_joints", "evaluation_aliases", "evaluation_groups", "limbs"):
        assert getattr(skeleton, name) == getattr(POSETRACK, name)
    assert set(skeleton.flip_pairs) == set(POSETRACK.flip_pairs) - {("left_ear", "right_ear")}
    sigma_of = dict(zip(POSETRACK.joint_names, POSETRACK.oks_sigmas, strict=True))
    assert skeleton.oks_sigmas == tuple(sigma_of[name] for name in kept)


def test_optional_keys(write):
    toy = read_skeleton(write(TOY))
    assert (toy.unlabelled, toy.oks_sigmas) == ((), ())
    assert toy.evaluation_names == ("right_b", "a")
    more = {
        **TOY,
        "unlabelled": ["left_b"],
        "oks_sigmas": {"right_b": 3, "a": 0.1, "left_b": 0.2},
        "evaluation": {**TOY["evaluation"], "groups": {"A": ["A!"]}, "aliases": {"a": "A!"}},
    }
    toy = read_skeleton(write(more))
    assert toy.oks_sigmas == (0.1, 0.2, 3.0)  # in the order of the joints
    assert toy.evaluation_names == ("right_b", "A!")
    assert toy.evaluation_groups == (("A", ("A!",)),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": "a"}, r"toy\.yaml: joints: found 'a', expected a list of joint names"),
        ({"joints": ["a", 1]}, r"joints: found 1, expected a name"),
        ({"joint": []}, r"the file: unknown key 'joint', expected one of name, joints"),
        ({"limbs": [["a"]]}, r"limbs: found \['a'\], expected a pair"),
        ({"flip_pairs": None}, r"flip_pairs: found None, expected a list of pairs"),
        ({"upper_body": ["c"]}, r"toy\.yaml: skeleton toy: unknown joint 'c'"),
        ({"evaluation": {"joints": ["a"]}}, r"evaluation: groups is missing"),
        ({"evaluation": ["a"]}, r"evaluation: found \['a'\], expected keys"),
        ({"oks_sigmas": {"a": 0.1}}, r"one per joint; missing or unknown: \['left_b', 'right_b'\]"),
        ({"oks_sigmas": {"a": True, "left_b": 1, "right_b": 1}}, r"oks_sigmas\.a: found True"),
        ({"oks_sigmas": {"a": 0, "left_b": 1, "right_b": 1}}, r"oks_sigmas\.a: found 0, expected"),
    ],
)
def test_wrong_values_are_named(write, changes, message):
    with pytest.raises(ValueError, match=message):
        read_skeleton(write({**TOY, **changes}))


def test_files_that_hold_nothing(write, tmp_path):
    with pytest.raises(ValueError, match=r"missing\.yaml: cannot be read"):
        read_skeleton(tmp_path / "missing.yaml")
    with pytest.raises(ValueError, match=r"toy\.yaml: no valid YAML"):
        read_skeleton(write("a: ["))
    with pytest.raises(ValueError, match=r"toy\.yaml: the file: found None, expected keys"):
        read_skeleton(write(""))
