"""AP of labelled subsets, on crafted frames. Head size 60 px: 30 px is the limit."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dcpose.evaluation.evaluator import Evaluator, evaluate_folders
from dcpose.evaluation.matching import match_people
from dcpose.evaluation.subsets import in_order, owners, split_by_condition, subset_title
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.skeleton import POSETRACK

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "datasets" / "sample" / "annotations" / "val"
BOX = [80.0, 40.0, 60.0, 190.0]


def moved(box, offset_x):
    return [box[0] + offset_x, *box[1:]]


@pytest.fixture
def scene(build, write):
    """Function (people, poses, extra keys of images) -> the two files of a two-frame video.

    People are (frame, place, conditions), poses (frame, place of the box, place of the joints,
    score); places 0, 1, 2, ... are 400 px apart.
    """

    def make(people, poses):
        annotated, predicted = [], []
        for track, (frame, place, conditions) in enumerate(people):
            head = moved(build.HEAD, 400 * place)
            labels = {} if conditions is None else {"conditions": conditions}
            annotated.append(
                build.person18(
                    frame,
                    track,
                    build.joint_column(400 * place),
                    bbox_head=head,
                    bbox=moved(BOX, 400 * place),
                    **labels,
                )
            )
        for track, (frame, box, joints, score) in enumerate(poses):
            given = {} if box is None else {"bbox": moved(BOX, 400 * box)}
            predicted.append(
                build.person18(
                    frame, track, build.joint_column(400 * joints), [score] * 17, **given
                )
            )
        return (
            write("gt/a.json", build.video18(annotated)),
            write("pred/a.json", build.video18(predicted)),
        )

    return make


def measure(files):
    evaluator = Evaluator(by_condition=True)
    evaluator.update(*files)
    return evaluator.compute()


def totals(files):
    result = measure(files)
    return {name: part.total for name, part in result.subsets.items()} | {"all": result.total}


def test_each_subset_is_judged_by_its_own_poses(scene):
    # the clean person's pose is far off and ranks first: one wrong, one right of two people
    files = scene([(0, 0, ["defocus"]), (0, 1, [])], [(0, 0, 0, 0.5), (0, 1, 2, 0.9)])
    # precision 1/2 at recall 1/2; without the other subset 1 at 1, and 0
    assert totals(files) == {"all": 25, "defocus": 100, "clean": 0}


def test_a_person_with_two_labels_is_in_both(scene):
    files = scene(
        [(0, 0, ["defocus", "crossing"]), (0, 1, ["crossing"])], [(0, 0, 0, 0.5), (0, 1, 2, 0.9)]
    )
    result = measure(files)
    assert {name: part.num_people for name, part in result.subsets.items()} == {
        "crossing": 2,
        "defocus": 1,
    }
    assert totals(files) == {"all": 25, "defocus": 100, "crossing": 25}


def test_a_pose_of_nobody_counts_in_the_frames_of_the_subset(scene):
    # frame 0: a blurred person and a box in the background; frame 1: a clean person alone
    people = [(0, 0, ["motion_blur"]), (1, 0, [])]
    poses = [(0, 0, 0, 0.5), (0, 3, 3, 0.9), (1, 0, 0, 0.5)]
    # all: wrong, right, right of 2: the envelope is 2/3 everywhere
    expected = {"all": pytest.approx(200 / 3), "motion_blur": 50, "clean": 100}
    assert totals(scene(people, poses)) == expected


def test_a_second_pose_counts_against_its_own_person(scene):
    # two poses in the box of the clean person, the higher score is displaced by 400 px
    people = [(0, 0, []), (0, 1, ["occlusion"])]
    poses = [(0, 0, 0, 0.5), (0, 0, 2, 0.9), (0, 1, 1, 0.5)]
    assert totals(scene(people, poses)) == {
        "all": pytest.approx(200 / 3),
        "clean": 50,
        "occlusion": 100,
    }


def test_a_person_without_a_pose_is_missed_by_its_subset_only(scene):
    files = scene([(0, 0, []), (0, 1, ["occlusion"])], [(0, 0, 0, 0.5)])
    assert totals(files) == {"all": 50, "clean": 100, "occlusion": 0}
    recall = {name: part.recall[0] for name, part in measure(files).subsets.items()}
    assert recall == {"clean": 100, "occlusion": 0}


def test_unlabelled_people_are_in_no_subset_nor_held_against_one(scene):
    people = [(0, 0, None), (0, 1, ["occlusion"])]
    poses = [(0, 0, 2, 0.9), (0, 1, 1, 0.5)]
    assert totals(scene(people, poses)) == {"all": 25, "occlusion": 100}


def test_labels_of_another_kind_are_noted(scene, caplog):
    result = measure(scene([(0, 0, "blur"), (0, 1, [1])], [(0, 0, 0, 0.5)]))
    assert result.subsets == {}
    assert "the conditions of 2 people are no lists of labels" in caplog.text


@pytest.mark.parametrize(("overlap_px", "owner"), [(20, 0), (20.5, -1), (-20, 0)])
def test_half_a_box_decides_whose_a_pose_is(scene, overlap_px, owner):
    annotations, predictions = scene([(0, 0, [])], [(0, 0, 3, 0.5)])
    content = json.loads(predictions.read_text())
    # boxes 60 px wide, 20 px apart: (60 - 20) / (60 + 20) = 1/2
    content["annotations"][0]["bbox"] = moved(BOX, overlap_px)
    predictions.write_text(json.dumps(content))
    matching = match_people(
        read_poses(annotations, "annotations"), read_poses(predictions, "predictions")
    )
    assert owners(matching).tolist() == [owner]


def test_without_boxes_the_joints_tell_the_box(scene):
    # 45 px to the side hits no joint; columns of joints have no width, so give them some
    annotations, predictions = scene([(0, 0, [])], [(0, None, 0, 0.5)])
    for path, offset in ((annotations, 0), (predictions, 45)):
        content = json.loads(path.read_text())
        keypoints = content["annotations"][0]["keypoints"]
        names = POSETRACK.joint_names
        for joint in (i for i, name in enumerate(names) if name not in POSETRACK.unlabelled):
            keypoints[3 * joint] += offset + 200 * (joint % 2)
        content["annotations"][0].pop("bbox", None)
        path.write_text(json.dumps(content))
    matching = match_people(
        read_poses(annotations, "annotations"), read_poses(predictions, "predictions")
    )
    assert not matching.hits.any()
    assert owners(matching).tolist() == [0]  # (200 - 45) / (200 + 45) > 1/2


def noisy_predictions(source, target, seed):
    """Annotated people as predictions: some displaced, some gone, some twice, random scores."""
    rng = np.random.default_rng(seed)
    content = json.loads(source.read_text())
    people = []
    for person in content["annotations"]:
        for _ in range(rng.choice(3, p=[0.1, 0.8, 0.1])):
            joints = np.array(person["keypoints"]).reshape(-1, 3)
            joints[:, :2] += rng.normal(0, 10, joints[:, :2].shape)
            scores = rng.uniform(size=17).tolist()
            people.append({**person, "keypoints": joints.ravel().tolist(), "scores": scores})
    for number, person in enumerate(people):
        person["track_id"] = number
    target.write_text(json.dumps({**content, "annotations": people}))


@pytest.fixture
def folders(tmp_path):
    """The sample's annotations, and noisy predictions of them."""
    (tmp_path / "pred").mkdir()
    for seed, path in enumerate(sorted(SAMPLE.glob("*.json"))):
        noisy_predictions(path, tmp_path / "pred" / path.name, seed)
    return SAMPLE, tmp_path / "pred"


def test_the_subset_of_everybody_is_the_plain_result(folders, tmp_path):
    annotations = tmp_path / "gt"
    annotations.mkdir()
    for path in folders[0].glob("*.json"):
        content = json.loads(path.read_text())
        for person in content["annotations"]:
            person["conditions"] = ["everybody"]
        (annotations / path.name).write_text(json.dumps(content))
    result = evaluate_folders(annotations, folders[1], by_condition=True)
    (everybody,) = result.subsets.values()
    for name in ("ap", "precision", "recall", "num_annotated", "num_predicted", "num_right"):
        np.testing.assert_array_equal(getattr(everybody, name), getattr(result, name))
    assert 0 < result.total < 100


def test_subsets_share_out_people_and_hits_and_leave_the_plain_result(folders):
    result = evaluate_folders(*folders, by_condition=True)
    plain = evaluate_folders(*folders)
    assert plain.subsets == {}
    for name in ("ap", "precision", "recall"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(result, name))
    for path in folders[0].glob("*.json"):
        matching = match_people(
            read_poses(path, "annotations"), read_poses(folders[1] / path.name, "predictions")
        )
        # with one label each, every right joint is counted once and only once
        first = np.array([frozenset(sorted(c)[:1]) for c in matching.annotated.conditions])
        annotated = replace(matching.annotated, conditions=first)
        parts = split_by_condition(replace(matching, annotated=annotated)).values()
        assert sum(part.num_people for part in parts) == matching.detections().num_people
        hits = sum(part.hits.sum(axis=0) for part in parts)
        np.testing.assert_array_equal(hits, matching.hits.sum(axis=0))


def test_order_and_titles():
    names = ["night", "defocus", "crossing", "clean", "motion_blur", "deep_water", "occlusion"]
    assert [subset_title(name) for name in in_order(names)] == [
        *("clean", "rapid motion", "nearby person", "occlusion", "defocus"),
        *("deep water", "night"),
    ]


def test_script_reports_subsets_where_asked(folders, tmp_path):
    command = [
        *(sys.executable, "scripts/evaluate_ap.py", "--annotations", folders[0]),
        *("--predictions", folders[1], "--json", tmp_path / "ap.json"),
    ]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert "subset" not in plain.stdout
    assert "subsets" not in json.loads((tmp_path / "ap.json").read_text())
    asked = subprocess.run(
        [*command, "--subsets"], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert asked.stdout.startswith(plain.stdout)
    table = asked.stdout[len(plain.stdout) :].split("\n")
    assert table[0].split() == [
        *("subset", "people", "Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean")
    ]
    subsets = json.loads((tmp_path / "ap.json").read_text())["subsets"]
    assert [line.split()[-10:-8] for line in table[1:-1]] == [
        [subset_title(name).split()[-1], str(part["people"])] for name, part in subsets.items()
    ]
    assert {"ap", "total", "groups", "people"} <= subsets["clean"].keys()
