"""One reader, two modes: what is collected begins with what is raised."""

import copy
import json
from pathlib import Path

import pytest

from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.findings import Findings
from dcpose.formats.posetrack.convert import to_posetrack17, to_posetrack18
from dcpose.formats.posetrack.records import read_video
from dcpose.formats.posetrack.video_file import parse_video_file
from dcpose.skeleton import POSETRACK


@pytest.fixture
def content(data_folder):
    return json.loads(data_folder.add_video("000001_test", num_frames=4, people=2).read_text())


def collected(content):
    findings = Findings(strict=False)
    return parse_video_file(content, "a.json", POSETRACK, findings), findings.found


def test_a_healthy_file_is_read_the_same_in_both_modes(content):
    loose, found = collected(content)
    strict = parse_video_file(content, "a.json", POSETRACK, Findings())
    assert found == []
    assert [p.where for p in loose.people] == [f"a.json: annotations[{k}]" for k in range(8)]
    assert (strict.numbers, strict.image_wh, strict.num_frames) == ([0, 1, 2, 3], (160, 120), 4)
    assert (loose.numbers, loose.image_wh, loose.num_frames) == ([0, 1, 2, 3], (160, 120), 4)


def test_everything_wrong_is_collected_and_the_rest_is_kept(content):
    content["images"][1]["id"] = "x"
    content["images"][2]["nframes"] = 9
    content["annotations"][0]["bbox"] = [1, 2]
    content["annotations"][7]["keypoints"][4] = None
    content["annotations"][6]["image_id"] = 5
    content["categories"][0]["keypoints"][0] = "snout"
    file, found = collected(content)
    assert [(f.code, f.where) for f in found] == [
        ("annotation-entry", "a.json: images[1]"),
        ("clip-length", "a.json"),
        ("keypoint-names", "a.json: categories"),
        ("annotation-entry", "a.json: annotations[0]"),
        ("annotation-entry", "a.json: annotations[7]"),
        # the image without an id takes its two people along
        ("unknown-image", "a.json: annotations[2]"),
    ]
    assert found[-1].count == 3
    assert file.numbers == [0, 2, 3]
    assert [p.where for p in file.people] == [f"a.json: annotations[{k}]" for k in (1, 4, 5)]
    assert file.people[0].keypoints.shape == (17, 3)
    with pytest.raises(ValueError, match=r"^a\.json: images\[1\]: id must be .*; correct this"):
        parse_video_file(content, "a.json", POSETRACK, Findings())


def test_a_joint_named_twice_is_found(content):
    names = content["categories"][0]["keypoints"]
    names[3] = "nose"  # an ear, which nobody needs
    (found,) = collected(content)[1]
    assert (found.code, found.found) == ("keypoint-names", "keypoints name nose twice")
    assert "in any order: nose, head_bottom" in found.mend


@pytest.mark.parametrize("content", [{}, {"images": {}}, {"images": []}, {"annolist": 3}])
def test_without_images_there_is_one_finding(content):
    file, (found,) = collected(content)
    assert found.code == "annotation-file"
    assert (file.images, file.people, file.num_frames) == ([], [], 0)


def in_2017_form(content, annotations=True):
    side = "annotations" if annotations else "predictions"
    content = copy.deepcopy(content)
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("000001_test", "000001_mpii")
    for person in content["annotations"]:
        person |= {"scores": [] if annotations else [0.5] * 17, "bbox_head": [40, 20, 9, 12]}
    return to_posetrack17(content, Path("a.json"), side)[0]


def test_places_of_a_2017_file_are_those_of_that_form(content):
    frames = in_2017_form(content)
    points = frames["annolist"][2]["annorect"][1]["annopoints"][0]["point"]
    points[0]["y"] = [float("nan")]
    (found,) = collected(frames)[1]
    assert found.where == "a.json: annolist[2].annorect[1]"
    assert "must be a finite number" in found.found


def unlist(frames, *keys):
    """The file as tools write it that drop lists of one object."""
    for frame in frames["annolist"]:
        for key in keys:
            for holder in [frame, *frame["annorect"]]:
                if isinstance(holder.get(key), list) and len(holder[key]) == 1:
                    holder[key] = holder[key][0]
    return frames


@pytest.mark.parametrize("keys", [(), ("annopoints",), ("annopoints", "image")])
def test_lists_of_one_that_tools_drop_are_read_the_same_everywhere(content, keys, write, tmp_path):
    """`annopoints` as an object was nobody for the evaluation and a person for training."""
    truth = write("gt/000001_mpii.json", unlist(in_2017_form(content), *keys))
    found = write("pred/000001_mpii.json", unlist(in_2017_form(content, False), *keys))
    assert evaluate_folders(truth.parent, found.parent).total == 100
    video = read_video(truth, tmp_path)
    assert len(video.people) == 8
    assert video.people[0].joints[:, 2].sum() == 15
    back, _ = to_posetrack18(json.loads(truth.read_text()), truth, "annotations")
    assert back["annotations"][0]["keypoints"][:2] == video.people[0].joints[0, :2].tolist()


def test_people_without_a_list_of_points_stay_without(content, write):
    frames = in_2017_form(content)
    for rect, empty in zip(frames["annolist"][0]["annorect"], ([], {}), strict=True):
        rect["annopoints"] = empty
    truth = write("gt/a.json", frames)
    found = write("pred/a.json", in_2017_form(content, False))
    result = evaluate_folders(truth.parent, found.parent)
    assert result.num_annotated.tolist() == [6] * 15
    assert result.num_predicted.tolist() == [8] * 15
