"""Folders of annotations and predictions from form to form: AP stays, omissions are counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.posetrack.convert import (
    convert_folder,
    describe_omissions,
    to_posetrack17,
    to_posetrack18,
)
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.skeleton import POSETRACK

HIDDEN = "hidden joint kept (training counts it in the 2017 form and not in the 2018 form)"
CASES = Path(__file__).resolve().parents[4] / "shared" / "goldens" / "ap"
CASE_NAMES = sorted(path.parent.name for path in CASES.glob("*/expected.json"))


@pytest.mark.skipif(not CASE_NAMES, reason=f"no golden cases at {CASES}")
@pytest.mark.parametrize("name", CASE_NAMES)
@pytest.mark.parametrize("forms", [("posetrack17", "posetrack18"), ("posetrack18", "posetrack17")])
def test_ap_survives_there_and_back(name, forms, tmp_path):
    annotations, predictions = CASES / name / "gt", CASES / name / "pred"
    before = evaluate_folders(annotations, predictions)
    for form in (*forms, forms[0]):
        step = tmp_path / str(len(list(tmp_path.iterdir())))
        convert_folder(annotations, step / "gt", form, "annotations")
        convert_folder(predictions, step / "pred", form, "predictions")
        annotations, predictions = step / "gt", step / "pred"

        after = evaluate_folders(annotations, predictions)
        # exactly, not only to 1e-9: no coordinate, score or head size may move
        np.testing.assert_array_equal(after.ap, before.ap)
        np.testing.assert_array_equal(after.precision, before.precision)
        np.testing.assert_array_equal(after.recall, before.recall)
        assert after.num_frames == before.num_frames
        assert all(("annolist" in json.loads(p.read_text())) == (form == "posetrack17")
                   for folder in (annotations, predictions) for p in folder.iterdir())  # fmt: skip


def annotated18(build):
    """A 2018 video with everything that one of the forms may have no place for."""
    keypoints = build.joint_column(absent=("right_ankle",))
    keypoints[0:3] = [7, 8, 0]  # a hidden nose
    keypoints[9:12] = [1, 2, 1]  # the left ear
    person = build.person18(0, 4, keypoints, bbox_head=[10, 20, 30, 40], bbox=[1, 2, 3, 4])
    lost = build.person18(9, 0, keypoints, bbox_head=[0, 0, 1, 1])
    content = build.video18([person, build.person18(1, 0, [0] * 51), lost])
    content["images"][0] |= {
        "vid_id": "000342",
        "is_labeled": True,
        "nframes": 30,
        "ignore_regions_x": [[0, 9, 9], [1]],
        "ignore_regions_y": [[0, 0, 9, 9]],
    }
    return content


def test_annotations_in_the_2017_form(build, tmp_path):
    content, omissions = to_posetrack17(annotated18(build), tmp_path, "annotations")
    frame, other = content["annolist"]
    assert frame["is_labeled"] == [1]
    corners = [(0, 0), (9, 0), (9, 9)]
    assert frame["ignore_regions"] == [{"point": [{"x": [x], "y": [y]} for x, y in corners]}]
    (person,) = frame["annorect"]
    assert {k: person[k] for k in ("x1", "y1", "x2", "y2", "track_id")} == {
        "x1": [10], "y1": [20], "x2": [40], "y2": [60], "track_id": [4],
    }  # fmt: skip
    points = {p["id"][0]: p for p in person["annopoints"][0]["point"]}
    assert sorted(points) == [*range(1, 15)]  # 0, the right ankle, is absent
    assert points[13] == {"id": [13], "x": [7], "y": [8], "is_visible": [0]}
    assert other["annorect"][0]["annopoints"] == [{"point": []}]  # still a person
    assert omissions == {
        "ear": 1,
        "person of an unknown image": 1,
        "person field bbox": 1,
        "person field id": 2,
        "image field nframes": 1,
        "ignore region without x or y": 1,
        "corner of an ignore region without x or y": 1,
        HIDDEN: 1,
    }


def test_annotations_back_in_the_2018_form(build, tmp_path):
    content17, _ = to_posetrack17(annotated18(build), tmp_path, "annotations")
    content, omissions = to_posetrack18(content17, tmp_path, "annotations")
    first = content["images"][0]
    assert first == {
        "id": build.IMAGE_ID,
        "frame_id": build.IMAGE_ID,
        "file_name": f"images/val/{build.VIDEO}/000000.jpg",
        "vid_id": "000342",
        "nframes": 2,
        "is_labeled": True,
        "ignore_regions_x": [[0, 9, 9]],
        "ignore_regions_y": [[0, 0, 9]],
    }
    person, empty = content["annotations"]
    assert person["bbox_head"] == [10, 20, 30, 40]
    assert person["keypoints"][:3] == [7, 8, 0]
    assert person["keypoints"][9:12] == [0, 0, 0]
    assert person["scores"] == []
    assert empty["keypoints"] == [0] * 51
    assert omissions == {HIDDEN: 1}


def person17(points, **more):
    return {"annopoints": [{"point": points}], **{key: [value] for key, value in more.items()}}


def video17(*people):
    name = "images/bonn_5sec/000342_bonn/00000007.jpg"
    return {"annolist": [{"image": [{"name": name}], "vidnum": [3], "annorect": list(people)}]}


def test_oddities_of_2017_annotations_are_said(tmp_path):
    hidden = {"id": [0], "x": [0], "y": [0], "is_visible": [0], "score": [1]}
    plain = {"id": [13], "x": [5], "y": [6], "is_visible": []}
    points = [hidden, plain, {**plain, "x": [9]}, {"id": [15], "x": [1], "y": [1]}]
    people = person17(points, track_id=0, x1=1, y1=2, x2=4), {"annopoints": []}
    content, omissions = to_posetrack18(video17(*people), tmp_path, "annotations")

    person, unlisted = content["annotations"]
    assert "bbox_head" not in person
    assert person["keypoints"][:3] == [5, 6, 1]
    ankle = 3 * POSETRACK.index("right_ankle")
    assert person["keypoints"][ankle : ankle + 3] == [0, 0, 1]
    assert unlisted["bbox_head"] == [0, 0, 0, 0]
    assert unlisted["track_id"] == -1
    assert content["images"][0]["nframes"] == 7  # eight digits count from 1
    assert omissions == {
        "frame field vidnum": 1,
        "person field x1": 1,
        "person field y1": 1,
        "person field x2": 1,
        "point with an unknown id": 1,
        "point that repeats an id": 1,
        "point field score": 1,
        "hidden joint at 0, 0 marked visible (0, 0, 0 would mean absent)": 1,
        "empty head box given to a person without points": 1,
        "track id -1 given to a person without one": 1,
    }
    assert "1 x frame field vidnum" in describe_omissions(omissions)
    assert describe_omissions({}) == "nothing left out"


def test_head_sizes_do_not_move_in_the_last_bit(tmp_path, write):
    rng = np.random.default_rng(0)
    people = [
        person17([], track_id=k, x1=x, y1=y, x2=x + w, y2=y + h)
        for k, (x, y, w, h) in enumerate(rng.uniform(-50, 2000, (500, 4)).tolist())
    ]
    path17 = write("a.json", video17(*people))
    content, _ = to_posetrack18(video17(*people), path17, "annotations")
    path18 = write("b.json", content)
    np.testing.assert_array_equal(
        read_poses(path18, "annotations").head_boxes, read_poses(path17, "annotations").head_boxes
    )


@settings(max_examples=300, deadline=None)
@given(*[st.floats(-1e5, 1e5)] * 2)
@example(-3.7, 0.1)
def test_any_head_size_is_exact(low, high):
    """Also where no width reaches the corner: -3.7 + 3.8000000000000003 is not 0.1."""
    content, _ = to_posetrack18(
        video17(person17([], track_id=0, x1=low, y1=0, x2=high, y2=1)), Path("a"), "annotations"
    )
    x, _, width, _ = content["annotations"][0]["bbox_head"]
    assert (x + width) - x == high - low


def test_a_frame_listed_twice_is_refused(tmp_path):
    content = {"annolist": video17()["annolist"] * 2}
    with pytest.raises(ValueError, match=r"annolist\[1\].*list each frame once"):
        to_posetrack18(content, tmp_path, "annotations")


def test_test_annotations_need_no_people(build, write, tmp_path):
    content = build.video18([])
    del content["annotations"], content["categories"]
    write("test/a.json", content)
    assert not convert_folder(tmp_path / "test", tmp_path / "17", "posetrack17", "annotations")
    frames = json.loads((tmp_path / "17" / "a.json").read_text())["annolist"]
    assert [frame["annorect"] for frame in frames] == [[], []]


def test_every_file_is_parsed_once(build, write, tmp_path, monkeypatch):
    for name in ("a", "b"):
        write(
            f"in/{name}.json", build.video18([build.person18(0, 0, build.joint_column(), [1] * 17)])
        )
    parsed = []
    parse = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(text) or parse(text))
    convert_folder(tmp_path / "in", tmp_path / "out", "posetrack17", "predictions")
    assert len(parsed) == 2
