"""Evaluation on another joint set than PoseTrack's: one joint on the left, one on the right."""

import json

import numpy as np
import pytest
import yaml

from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.evaluation.matching import match_people
from dcpose.formats.posetrack.leaderboard import check_submission, export_submission
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.report.tables import row_of
from dcpose.skeleton import Skeleton

HANDS = Skeleton(
    name="hands",
    joint_names=("left_thumb", "right_thumb", "cuff"),
    flip_pairs=(("left_thumb", "right_thumb"),),
    limbs=(),
    upper_body=(),
    unlabelled=("cuff",),
    evaluation_joints=("right_thumb", "left_thumb"),
    evaluation_aliases=(("right_thumb", "right"), ("left_thumb", "left")),
    evaluation_groups=(("A long title", ("left",)), ("Thumbs", ("right", "left"))),
)


@pytest.fixture
def folders(build, write, tmp_path):
    """Two people with both thumbs; predicted are one person and one thumb more, off by 500 px."""
    category = {"id": 1, "name": "person", "keypoints": list(HANDS.joint_names)}

    def video(people):
        return {**build.video18(people), "categories": [category]}

    def person(track_id, left, right, scores=(), **more):
        return build.person18(0, track_id, [*left, *right, 0, 0, 0], scores, **more)

    everybody = [
        person(0, (100, 100, 1), (140, 100, 1), bbox_head=build.HEAD),
        person(1, (900, 100, 1), (940, 100, 1), bbox_head=build.HEAD),
    ]
    found = [
        person(0, (100, 100, 1), (140, 100, 1), [0.5, 0.5, 0]),
        person(1, (900, 100, 1), (440, 100, 1), [0.4, 0.9, 0]),
    ]
    write("gt/a.json", video(everybody))
    write("pred/a.json", video(found))
    return tmp_path / "gt", tmp_path / "pred"


def test_order_groups_and_table_are_the_skeletons(folders):
    result = evaluate_folders(*folders, HANDS)
    # left: both right; right: a wrong one first, then one of two at precision 1/2
    assert result.ap.tolist() == [25, 100]
    assert result.groups == {"A long title": 100, "Thumbs": 62.5, "Total": 62.5}
    assert result.to_json_dict()["joint_names"] == ["right", "left"]
    lines = row_of(result.columns).text().splitlines()
    assert lines[0].split("  ")[0] == "A long title"
    assert lines[1].split() == ["100.0", "62.5", "62.5"]
    assert len(lines[0]) == len(lines[1])


@pytest.mark.parametrize("form", ["posetrack18", "posetrack17"])
def test_export_and_back(folders, tmp_path, form):
    annotations, predictions = folders
    out = tmp_path / form
    export_submission(predictions, out, form, HANDS)
    assert check_submission(out, annotations, HANDS) == []
    assert evaluate_folders(annotations, out, HANDS).ap.tolist() == [25, 100]
    export_submission(out, tmp_path / "back", "posetrack18", HANDS)
    again = json.loads((tmp_path / "back" / "a.json").read_text())
    assert again["categories"][0]["keypoints"] == list(HANDS.joint_names)
    assert evaluate_folders(annotations, tmp_path / "back", HANDS).ap.tolist() == [25, 100]


def test_files_with_other_joints_are_refused(folders):
    annotations, predictions = folders
    with pytest.raises(ValueError, match=r"found 3 names, expected the 17 joint names"):
        evaluate_folders(annotations, predictions)
    content = json.loads((predictions / "a.json").read_text())
    content["categories"][0]["keypoints"][0] = "thumb"
    (predictions / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"left_thumb not listed exactly once.*hands"):
        evaluate_folders(annotations, predictions, HANDS)


def test_messages_name_the_skeletons_joints(folders):
    _, predictions = folders
    content = json.loads((predictions / "a.json").read_text())
    content["annotations"][0]["keypoints"][3] = None
    (predictions / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"joint right has a null coordinate"):
        read_poses(predictions / "a.json", "predictions", HANDS)


def test_distances_are_still_in_head_sizes(folders, build):
    annotations, predictions = folders
    content = json.loads((annotations / "a.json").read_text())
    for person in content["annotations"]:
        person["bbox_head"] = [0, 0, 1200, 1600]  # head size 1200 px: 500 px off is right
    (annotations / "a.json").write_text(json.dumps(content))
    detections = match_people(
        read_poses(annotations / "a.json", "annotations", HANDS),
        read_poses(predictions / "a.json", "predictions", HANDS),
    ).detections()
    np.testing.assert_array_equal(detections.hits, np.ones((2, 2), bool))
    del content["annotations"][1]["bbox_head"]
    (annotations / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"no head box \(bbox_head"):
        evaluate_folders(annotations, predictions, HANDS)


def test_command_line(folders, load_command, tmp_path, capsys):
    file = tmp_path / "hands.yaml"
    content = {
        "name": "hands",
        "joints": list(HANDS.joint_names),
        "flip_pairs": [list(pair) for pair in HANDS.flip_pairs],
        "limbs": [],
        "upper_body": [],
        "evaluation": {
            "joints": list(HANDS.evaluation_joints),
            "groups": {"Both": list(HANDS.evaluation_joints)},
        },
    }
    file.write_text(yaml.safe_dump(content))
    main = load_command("scripts/evaluate_ap.py").main
    annotations, predictions = folders
    arguments = ["--annotations", str(annotations), "--predictions", str(predictions)]
    assert main([*arguments, "--skeleton", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["Both", "Mean"]
    assert main([*arguments, "--skeleton", str(file), "--with-poseval"]) == 2
    assert "poseval knows PoseTrack's joints only" in capsys.readouterr().err
