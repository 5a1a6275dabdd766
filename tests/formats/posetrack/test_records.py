"""Annotation files: what is read, what is left out and counted, what is refused."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcpose.formats.posetrack.records import read_annotations, read_video, training_people
from dcpose.skeleton import POSETRACK
from dcpose.structures import PersonRecord

NAME = "000001_test"


@pytest.fixture
def content(data_folder):
    """Return a valid annotation file of two frames with one person each, to be spoilt by tests."""
    return json.loads(data_folder.add_video(NAME, num_frames=2).read_text())


def read(data_folder, content):
    path = data_folder.annotations / f"{NAME}.json"
    path.write_text(json.dumps(content))
    return read_video(path, data_folder.root)


def test_real_annotations(shared_dir):
    root = shared_dir / "data/posetrack18_real"
    videos = read_annotations(root / "annotations/val", root)
    assert [video.name for video in videos] == [
        "003418_mpii_test", "009473_mpii_test", "012834_mpii_test"
    ]  # fmt: skip
    assert [video.num_frames for video in videos] == [149, 101, 140]
    assert all(video.frame_path(0).is_file() for video in videos)
    first = videos[1].people[0]
    assert first.box_xywh.tolist() == [631.5, 167.77146757999992, 351.0, 751.4322540400001]
    assert first.joints[0].tolist() == [750, 297.5, 1]
    assert first.joints[3].tolist() == [0, 0, 0]
    assert sum(len(video.people) for video in videos) == len(training_people(videos)) == 14


def test_record_of_a_person(data_folder):
    data_folder.add_video(NAME, num_frames=3, people=2)
    (video,) = data_folder.videos()
    assert len(video.people) == 6
    person = video.people[3]
    assert (person.video, person.frame, person.track_id) == (NAME, 1, 1)
    assert person.image_id == video.images[1]["id"]
    assert person.box_xywh.tolist() == [41, 16, 40, 72]
    assert person.joints.shape == (17, 3)
    assert person.joints[5].tolist() == [55, 40, 1]
    assert person.joints[3, 2] == 0
    assert person.box_score == 1


@pytest.mark.parametrize(("digits", "first"), [(6, 0), (8, 1)])
def test_frame_numbers(data_folder, digits, first):
    data_folder.add_video(NAME, num_frames=4, first=first, digits=digits)
    (video,) = data_folder.videos()
    assert video.frame_numbers == list(video.frame_range) == list(range(first, first + 4))
    assert all(video.frame_path(number).is_file() for number in video.frame_range)
    assert video.frames_on_disk() == set(video.frame_range)


def test_images_only_file(data_folder):
    images = [{"id": 7, "file_name": f"images/{NAME}/000002.jpg", "nframes": 9}]
    path = data_folder.annotations / f"{NAME}.json"
    path.write_text(json.dumps({"images": images}))
    video = read_video(path, data_folder.root)
    assert video.images == images
    assert video.num_frames == 9
    assert video.image_wh is None
    assert video.people == []
    assert video.frames_on_disk() == set()


def test_raw_images_keep_their_order_and_fields(data_folder, content):
    content["images"].reverse()
    content["images"][0]["ignore_regions_x"] = [[1, 2, 3]]
    video = read(data_folder, content)
    assert video.images == content["images"]
    assert video.frame_numbers == [1, 0]
    assert [person.frame for person in video.people] == [0, 1]


def test_clip_length_without_nframes(data_folder, content):
    for image in content["images"]:
        del image["nframes"]
    assert read(data_folder, content).num_frames == 2


def test_joints_follow_the_names_of_the_file(data_folder, content):
    names = [n for n in reversed(POSETRACK.joint_names) if "ear" not in n]
    content["categories"][0]["keypoints"] = names
    for annotation in content["annotations"]:
        annotation["keypoints"] = [v for i in range(15) for v in (i, 10 * i, 2)]
    joints = read(data_folder, content).people[0].joints
    assert joints[POSETRACK.index("right_ankle")].tolist() == [0, 0, 1]
    assert joints[POSETRACK.index("nose")].tolist() == [14, 140, 1]
    assert joints[POSETRACK.index("left_ear")].tolist() == [0, 0, 0]


def test_box_from_joints(data_folder, content):
    del content["annotations"][0]["bbox"]
    content["annotations"][0]["keypoints"] = [10, 20, 1, 30, 60, 1] + [0, 0, 0] * 15
    # extent (10, 20) to (30, 60) is 20 x 40; a factor of 1.3 adds 3 and 6 on either side
    np.testing.assert_allclose(read(data_folder, content).people[0].box_xywh, [7, 14, 26, 52])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iscrowd": True}, "crowd"),
        ({"category_id": 2, "keypoints": []}, "category other than person"),
        ({"bbox": [10, 10, 0, 20]}, "box without area"),
        ({"bbox": [10, 10, 20, -3]}, "box without area"),
        ({"bbox": [10, 10, 1, 1]}, "box without area"),
        ({"bbox": [160, 10, 20, 20]}, "box outside the image"),
        ({"bbox": [-30, 10, 20, 20]}, "box outside the image"),
        ({"bbox": None, "keypoints": [0] * 51}, "neither box nor joints"),
    ],
)
def test_people_left_out(data_folder, content, change, reason):
    content["annotations"][1].update(change)
    video = read(data_folder, content)
    assert len(video.people) == 1
    assert video.skipped == {reason: 1}


def test_people_without_joints_are_not_trained_on(data_folder, content, caplog):
    content["annotations"][1]["keypoints"] = [0] * 51
    caplog.set_level("INFO")
    video = read(data_folder, content)
    assert len(video.people) == 2
    assert training_people([video]) == video.people[:1]
    assert "left out: 1 no labelled joint" in caplog.text


def set_value(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def duplicate_image(content):
    content["images"].append(copy.deepcopy(content["images"][0]))


def duplicate_frame(content):
    content["images"].append({**content["images"][0], "id": 5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "images is missing"),
        (set_value("images", value=[]), "images is empty"),
        (set_value("images", value={}), "images must be a list, found an object"),
        (set_value("images", 1, value=3), r"images\[1\]: expected an object, found a number 3"),
        (set_value("images", 1, "id", value="x"), r"images\[1\]: id must be a whole number"),
        (set_value("images", 1, "file_name", value="a/0001.jpg"), "must be named by 6 digits"),
        (set_value("images", 1, "file_name", value="a/000001.jpg"), "must share folder"),
        (set_value("images", 1, "nframes", value=1), "nframes differs"),
        (set_value("images", 1, "width", value=0), "must be positive"),
        (set_value("images", 1, "height", value=121), "height differ"),
        (duplicate_image, "image id 10010000 occurs 2 times"),
        (duplicate_frame, "image frame number 0 occurs 2 times"),
        (lambda c: c.pop("categories"), "categories is missing"),
        (set_value("categories", value=[]), "expected one with id 1"),
        (lambda c: c["categories"][0]["keypoints"].remove("nose"), "keypoints lack nose"),
        (set_value("annotations", 1, "image_id", value=4), "image_id 4 is not the id of any"),
        (lambda c: c["annotations"][1]["keypoints"].pop(), "must hold 51 numbers, found 50"),
        (set_value("annotations", 1, "keypoints", 4, value=None), r"keypoints\[4\].*found null"),
        (set_value("annotations", 1, "keypoints", 4, value=float("nan")), r"keypoints\[4\].*nan"),
        (set_value("annotations", 1, "keypoints", 4, value=10**400), r"keypoints\[4\]"),
        (set_value("annotations", 1, "bbox", value=[1, 2, 3]), "bbox must hold 4 numbers"),
        (set_value("annotations", 1, "bbox", 2, value=float("inf")), r"bbox\[2\].*inf"),
        (set_value("annotations", 1, "track_id", value="a"), "track_id must be a whole number"),
    ],
)
def test_broken_file(data_folder, content, change, message):
    change(content)
    with pytest.raises(ValueError, match=rf"{NAME}\.json: .*{message}"):
        read(data_folder, content)


def test_frame_past_the_clip(data_folder, content):
    for image in content["images"]:
        image["nframes"] = 1
    with pytest.raises(ValueError, match=r"000001\.jpg is not in the clip of 1 frames"):
        read(data_folder, content)


def test_eight_digits_do_not_count_from_zero(data_folder):
    data_folder.add_video(NAME, first=0, digits=8)
    with pytest.raises(ValueError, match=r"00000000\.jpg is not in the clip"):
        data_folder.videos()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"images": [', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "expected a JSON object, found a list"),
        ('{"annolist": []}', "annolist is empty, expected at least one frame"),
        ('{"images": [{"id": ' + "9" * 5000 + "}]}", "not valid JSON"),
    ],
)
def test_other_content(data_folder, text, message):
    path = data_folder.annotations / f"{NAME}.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"{NAME}\.json: {message}"):
        data_folder.videos()


def test_folder_without_files(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="no annotation files"):
            read_annotations(folder, tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_spoilt_files_are_read_or_refused_by_name(data_folder, data):
    if not (path := data_folder.annotations / f"{NAME}.json").exists():
        data_folder.add_video(NAME, num_frames=2)
        path.rename(data_folder.root / "valid.json")
        path.touch()
    node = content = json.loads((data_folder.root / "valid.json").read_text())
    for _ in range(data.draw(st.integers(1, 4), label="depth")):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        parent, key = node, data.draw(st.sampled_from(keys))
        node = parent[key]
        if not isinstance(node, dict | list) or not node:
            break
    if data.draw(st.booleans(), label="delete"):
        del parent[key]
    else:
        parent[key] = data.draw(json_values)
    path.write_text(json.dumps(content))
    try:
        video = read_video(path, data_folder.root)
    except ValueError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - a result is as good as an error
    else:
        assert all(isinstance(person, PersonRecord) for person in video.people)
        assert all(np.isfinite(person.joints).all() for person in video.people)
        assert all(person.frame in video.frame_range for person in video.people)


@pytest.mark.parametrize(("number", "expected"), [(0, [0, 0, 1]), (1, [0, 1, 2]), (2, [1, 2, 2])])
def test_ends_of_a_clip_stand_in_for_frames_beyond(data_folder, number, expected):
    data_folder.add_video("000001", num_frames=3)
    (video,) = data_folder.videos()
    assert [int(path.stem) for path in video.clip_paths(number)] == expected
