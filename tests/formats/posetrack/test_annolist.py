"""2017 annotations (annolist): what becomes of frames, people and points, and what is refused."""

import json

import pytest

from dcpose.formats.posetrack.records import read_video, training_people
from dcpose.skeleton import POSETRACK


def point(joint_id, x, y, **more):
    return {"id": [joint_id], "x": [x], "y": [y], **more}


def frame(number, people=(), folder="000342_mpii"):
    name = f"images/bonn_5sec/{folder}/{number:08d}.jpg"
    return {"image": [{"name": name}], "imgnum": [number], "annorect": list(people)}


def person(*points, **more):
    return {"annopoints": [{"point": list(points)}], "track_id": [7], **more}


@pytest.fixture
def read(tmp_path):
    def read_frames(*frames):
        path = tmp_path / "video.json"
        path.write_text(json.dumps({"annolist": list(frames)}))
        return read_video(path, tmp_path)

    return read_frames


def test_frames(read, tmp_path):
    video = read(frame(1), frame(2), frame(3))
    assert (video.name, video.num_frames, video.first_frame) == ("video", 3, 1)
    assert video.frame_path(2) == tmp_path / "images/bonn_5sec/000342_mpii/00000002.jpg"
    assert [image["id"] for image in video.images] == [10003420001, 10003420002, 10003420003]
    assert video.people == []


def test_frames_that_are_not_renamed(read):
    video = read(frame(52), frame(53), frame(55))
    assert list(video.frame_range) == [52, 53, 54, 55]


def test_points_become_joints_and_a_box(read):
    # right_ankle 0, nose 13, head_top 14; the box is 1.3 times the extent of the joints
    points = [point(0, 100, 300, is_visible=[0]), point(13, 120, 100), point(14, 110, 80)]
    (found,) = read(frame(1), frame(2, [person(*points)])).people
    assert (found.frame, found.image_id, found.track_id) == (2, 10003420002, 7)
    labelled = {
        name: found.joints[j, :2].tolist()
        for j, name in enumerate(POSETRACK.joint_names)
        if found.joints[j, 2]
    }
    # is_visible 0 is a hidden joint, and the evaluation counts it
    assert labelled == {"right_ankle": [100, 300], "nose": [120, 100], "head_top": [110, 80]}
    assert found.box_xywh.tolist() == pytest.approx([97, 47, 26, 286])


def test_a_joint_at_the_origin_is_labelled(read):
    (found,) = read(frame(1, [person(point(13, 0, 0), point(14, 9, 9))])).people
    assert found.joints[POSETRACK.index("nose")].tolist() == [0, 0, 1]


def test_of_repeated_ids_the_first_counts_and_unknown_ids_do_not(read):
    points = [point(13, 1, 2), point(13, 3, 4), point(14, 5, 6), point(15, 7, 8), point(-1, 7, 8)]
    (found,) = read(frame(1, [person(*points)])).people
    assert found.joints[POSETRACK.index("nose"), :2].tolist() == [1, 2]
    assert found.joints[:, 2].sum() == 2


def test_people_without_points_are_counted(read):
    nobody = [person(), {"track_id": [1]}, {"annopoints": []}]
    video = read(frame(1, nobody))
    assert training_people([video]) == []
    assert video.skipped == {"neither box nor joints": 3}


def test_frames_of_the_test_split_list_nobody(read):
    images = [{"image": {"name": frame(n)["image"][0]["name"]}} for n in (1, 2)]
    assert read(*images).num_frames == 2


def test_file_of_a_golden_case(shared_dir):
    (path,) = (shared_dir / "goldens/ap/pt17_format/gt").glob("*.json")
    video = read_video(path, path.parent)
    assert (video.num_frames, video.first_frame, len(video.people)) == (5, 1, 15)
    assert all(person.track_id is not None for person in video.people)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"imgnum": [1]}, r"video\.json: annolist\[1\]: image is missing"),
        ({"image": [{}]}, r"annolist\[1\]\.image: name is missing"),
        ({**frame(2, folder="x")}, r"annolist\[1\]: image 'images/bonn_5sec/x/00000002\.jpg'"),
        ({**frame(2), "annorect": 3}, r"annolist\[1\]: annorect must be a list"),
        (frame(2, [4]), r"annolist\[1\]\.annorect\[0\]: expected an object, found a number 4"),
        (
            frame(2, [person({"id": 1})]),
            r"annorect\[0\]: point 0: 'id' is 1, expected .* \[12\.5\]",
        ),
        (
            frame(2, [person({"id": [1], "y": [1]})]),
            r"annorect\[0\]: point 0: 'x' is missing, expected id, x, y",
        ),
        (
            frame(2, [person(point(1, "a", 1))]),
            r"annorect\[0\]: point 0: 'x' is \['a'\], expected id, x",
        ),
        (frame(2, [person(point(1, 1, 1), track_id=[])]), r"annorect\[0\]: track_id must be"),
        (frame(1), r"annolist\[1\]: .* give the same image id 10003420001; list each frame"),
    ],
)
def test_broken_files(read, broken, message):
    with pytest.raises(ValueError, match=message):
        read(frame(1), broken)
