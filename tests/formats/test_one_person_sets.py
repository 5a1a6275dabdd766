"""Penn Action and Sub-JHMDB, on miniatures in their layout."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dcpose.formats.jhmdb import JHMDB, read_jhmdb
from dcpose.formats.one_person import write_annotations
from dcpose.formats.penn_action import PENN_ACTION, read_penn_action


def penn_label(frames=3, train=1, **more):
    joints = np.arange(frames * 13, dtype=float).reshape(frames, 13)
    return {
        "nframes": frames, "dimensions": [[48, 64, frames]], "x": joints + 1, "y": joints / 2 + 1,
        "visibility": np.ones((frames, 13)), "train": train, "action": "jump",
        "bbox": np.tile([3.0, 5, 32, 44], (frames - 1, 1)), **more,
    }  # fmt: skip


@pytest.fixture
def penn(tmp_path):
    def make(**labels):
        (tmp_path / "labels").mkdir(exist_ok=True)
        for name, content in labels.items():
            savemat(tmp_path / "labels" / f"{name.removeprefix('v')}.mat", content)
        return tmp_path

    return make


def test_penn_action(penn):
    root = penn(v0001=penn_label(), v0002=penn_label(train=-1), v0003=penn_label(frames=2))
    videos = read_penn_action(root, train=True)
    assert [video.name for video in videos] == ["0001", "0003"]
    assert [video.name for video in read_penn_action(root, train=False)] == ["0002"]
    first = videos[0]
    assert first.frame_path(1) == root / "frames" / "0001" / "000001.jpg"
    assert list(first.frame_range) == [1, 2, 3]
    assert first.image_wh == (64, 48)
    # pixels from 1 in the file; its box covers columns 3 to 32
    np.testing.assert_array_equal(first.people[0].box_xywh, [2, 4, 30, 40])
    np.testing.assert_array_equal(first.people[0].joints[1], [1, 0.5, 1])
    # the last frame has no box: 1.3 times the joints, x 26 to 38, y 13 to 19
    np.testing.assert_allclose(first.people[2].box_xywh, [24.2, 12.1, 15.6, 7.8])
    assert [person.frame for person in first.people] == [1, 2, 3]


def test_penn_joints_that_are_not_visible(penn):
    visibility = np.ones((3, 13))
    visibility[0, 4] = 0
    (video,) = read_penn_action(penn(v0001=penn_label(visibility=visibility)), train=True)
    assert video.people[0].joints[:, 2].sum() == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((3, 12))}, r"x is float64 of shape \(3, 12\), expected numbers, 3 x 13"),
        ({"train": 0}, "train is 0.0, expected 1 or -1"),
        ({"y": np.full((3, 13), np.nan)}, "not finite"),
        ({"nframes": "three"}, "nframes is"),
    ],
)
def test_malformed_penn_labels(penn, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_penn_action(penn(v0001=penn_label(**change)), train=True)
    assert "0001.mat" in str(caught.value)


def test_damaged_and_missing_penn_labels(penn, tmp_path):
    with pytest.raises(ValueError, match=r"no \.mat files"):
        read_penn_action(tmp_path, train=True)
    root = penn(v0001=penn_label())
    with pytest.raises(ValueError, match="no video is for tests"):
        read_penn_action(root, train=False)
    file = root / "labels" / "0001.mat"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(ValueError, match="no MATLAB 5 file that can be read") as caught:
        read_penn_action(root, train=True)
    assert "\n" not in str(caught.value)


@pytest.fixture
def jhmdb(tmp_path):
    """Two videos of an action in split 1: `a` to train on, `b` to test on; `a` has a mask."""
    for name in ("a", "b"):
        frames = tmp_path / "Rename_Images" / "jump" / name
        frames.mkdir(parents=True)
        Image.new("RGB", (32, 24)).save(frames / "00001.png")
        places = np.full((2, 15, 2), 5.0)
        places[:, 0, 0] = [40, 5]  # the neck is outside the first frame
        places[:, 1, 0] = [11, 9]
        folder = tmp_path / "joint_positions" / "jump" / name
        folder.mkdir(parents=True)
        savemat(folder / "joint_positions.mat", {"pos_img": places, "scale": np.ones((1, 2))})
    mask = np.zeros((24, 32, 2), np.uint8)
    mask[4:10, 3:20, 0] = 1
    folder = tmp_path / "puppet_mask" / "jump" / "a"
    folder.mkdir(parents=True)
    savemat(folder / "puppet_mask.mat", {"part_mask": mask})
    (tmp_path / "sub_splits").mkdir()
    (tmp_path / "sub_splits" / "jump_test_split1.txt").write_text("a.avi 1\nb.avi 2\n")
    return tmp_path


def test_jhmdb(jhmdb):
    (video,) = read_jhmdb(jhmdb, train=True, fold=1)
    assert video.frame_path(2) == jhmdb / "Rename_Images" / "jump" / "a" / "00002.png"
    assert video.image_wh == (32, 24)
    first, *_ = video.people
    np.testing.assert_array_equal(first.box_xywh, [3, 4, 17, 6])
    assert first.joints[:, 2].tolist() == [0] + [1] * 14
    np.testing.assert_array_equal(first.joints[1], [10, 8, 1])
    # the second frame has an empty mask, and all joints in one place: nothing to crop
    assert len(video.people) == 1
    assert video.skipped == {"box without area": 1}
    (other,) = read_jhmdb(jhmdb, train=False, fold=1)
    assert other.name == "b"
    # without a mask: 1.3 times the joints, x 4 to 10, y 4 to 8
    np.testing.assert_allclose(other.people[0].box_xywh, [3.1, 3.4, 7.8, 5.2])


def test_jhmdb_files_that_are_missing_or_wrong(jhmdb):
    with pytest.raises(ValueError, match="fold 4 of Sub-JHMDB"):
        read_jhmdb(jhmdb, train=True, fold=4)
    with pytest.raises(ValueError, match="no files <action>_test_split2"):
        read_jhmdb(jhmdb, train=True, fold=2)
    splits = jhmdb / "sub_splits" / "jump_test_split1.txt"
    for line in ("a.avi", "../a.avi 1", "a.avi 5"):
        splits.write_text(line)
        with pytest.raises(ValueError, match=r"line 1: .*expected <video>.avi 1\|2"):
            read_jhmdb(jhmdb, train=True, fold=1)
    splits.write_text("c.avi 1\n")
    with pytest.raises(ValueError, match=r"c/joint_positions\.mat"):
        read_jhmdb(jhmdb, train=True, fold=1)


@pytest.mark.parametrize("skeleton", [PENN_ACTION, JHMDB])
def test_skeletons_are_whole(skeleton):
    assert set(skeleton.evaluation_joints) == set(skeleton.joint_names)
    grouped = [name for _, names in skeleton.evaluation_groups for name in names]
    assert sorted(grouped) == sorted(skeleton.joint_names)
    assert len(skeleton.flip_pairs) == 6
    assert {name for limb in skeleton.limbs for name in limb} == set(skeleton.joint_names)


def test_annotations_for_the_evaluation(penn, tmp_path):
    visibility = np.ones((3, 13))
    visibility[0, 4] = 0
    videos = read_penn_action(penn(v0001=penn_label(visibility=visibility)), train=True)
    write_annotations(videos, tmp_path / "gt", PENN_ACTION)
    content = json.loads((tmp_path / "gt" / "0001.json").read_text())
    assert content["annotations"][0]["keypoints"][12:15] == [0, 0, 0]
    assert content["images"][2]["file_name"] == "frames/0001/000003.jpg"
