"""scripts/compare.py: whom it draws, and which prediction belongs to whom."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dcpose.formats.posetrack.records import read_annotations
from dcpose.skeleton import POSETRACK

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "sample"


@pytest.fixture(scope="module")
def script(load_command):
    return load_command("scripts/compare.py")


@pytest.fixture(scope="module")
def videos():
    return read_annotations(SAMPLE / "annotations" / "val", SAMPLE)


def predictions_of(videos, folder):
    """The annotations themselves as predictions, and a stranger in every frame."""
    folder.mkdir()
    for video in videos:
        people = [
            {
                "image_id": p.image_id,
                "bbox": list(p.box_xywh),
                "keypoints": p.joints.ravel().tolist(),
            }
            for p in video.people
        ]
        stranger = [
            {"image_id": image["id"], "bbox": [0, 0, 1, 1], "keypoints": [0.0] * 51}
            for image in video.images
        ]
        content = {"annotations": stranger + people}
        (folder / f"{video.name}.json").write_text(json.dumps(content))
    return folder


def test_conditions_choose_people(script, videos):
    everybody = sum(len(video.people) for video in videos)
    chosen = {
        condition: script.choose_people(videos, condition, everybody)
        for condition in ("clean", *script.CONDITIONS)
    }
    assert all(not choice.conditions for choice in chosen["clean"])
    for condition in script.CONDITIONS:
        assert all(condition in choice.conditions for choice in chosen[condition])
    assert len(script.choose_people(videos, "clean", 1)) == 1


def test_prediction_of_the_overlapping_box_is_drawn(script, videos, tmp_path):
    folder = predictions_of(videos, tmp_path / "predictions")
    person = videos[0].people[0]
    np.testing.assert_allclose(script._joints_near(person, folder), person.joints[:, :2])


def test_nobody_near_gives_no_joints(script, videos, tmp_path):
    person = videos[0].people[0]
    (tmp_path / f"{person.video}.json").write_text('{"annotations": []}')
    joints = script._joints_near(person, tmp_path)
    assert joints.shape == (POSETRACK.num_joints, 2)
    assert np.isnan(joints).all()


def test_a_joint_is_wrong_from_half_a_head_size_on(script, videos):
    choice = replace(script.choose_people(videos, "clean", 1)[0], head_size=20.0)
    truth = choice.person.joints
    counted = np.flatnonzero(script._counted(choice.person))
    joints = truth[:, :2].copy()
    joints[counted[0]] += [6, 8]  # 10 px: exactly the limit, which is right
    joints[counted[1]] += [6, 8.1]
    joints[counted[2]] = np.nan
    wrong = script.wrong_joints(choice, joints)
    assert np.flatnonzero(wrong).tolist() == counted[1:3].tolist()
    joints[~script._counted(choice.person)] += 1000  # ears, and joints that are not annotated
    np.testing.assert_array_equal(script.wrong_joints(choice, joints), wrong)
    unknown = replace(choice, head_size=np.nan)
    assert not script.wrong_joints(unknown, joints).any()


def test_head_size_is_the_evaluators(script, videos):
    choice = script.choose_people(videos, "clean", 1)[0]
    content = json.loads(choice.video.source.read_text())
    (entry,) = [
        entry
        for entry in content["annotations"]
        if (entry["image_id"], entry["track_id"])
        == (choice.person.image_id, choice.person.track_id)
    ]
    width, height = entry["bbox_head"][2:]
    assert choice.head_size == pytest.approx(0.6 * (width**2 + height**2) ** 0.5)


def test_pictures_are_written(script, videos, tmp_path, capsys):
    folder = predictions_of(videos, tmp_path / "predictions")
    arguments = [
        *("--annotations", str(SAMPLE / "annotations" / "val"), "--root", str(SAMPLE)),
        *("--predictions", f"same={folder}", "--out", str(tmp_path / "out"), "--rows", "2"),
    ]
    assert script.main(arguments) == 0
    written = capsys.readouterr().out.split()
    assert written
    # before, after, truth, same: four columns
    assert all(cv2.imread(path).shape[1] >= 4 * script.CELL_WH[0] for path in written)


def test_refuses_a_folder_that_is_not_there(script, tmp_path, capsys):
    arguments = ["--annotations", str(SAMPLE), "--root", str(SAMPLE), "--out", str(tmp_path)]
    assert script.main([*arguments, "--predictions", "x=absent"]) == 2
    assert "expected NAME=DIR with an existing DIR" in capsys.readouterr().err
