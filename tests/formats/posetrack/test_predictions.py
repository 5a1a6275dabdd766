"""Writing predictions files and reading every form."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcpose.formats.posetrack.predictions import read_frame_names, read_poses, write_predictions
from dcpose.formats.posetrack.video_poses import NO_SCORE
from dcpose.skeleton import POSETRACK
from dcpose.structures import PersonRecord, PosePrediction

NOSE = POSETRACK.evaluation_names.index("nose")


@pytest.fixture
def predict(build):
    """One predicted person: predict(frame, joints=..., scores=..., box_score=...)."""

    def make(frame, joints=None, scores=None, box_score=0.5):
        record = PersonRecord(
            build.VIDEO, build.IMAGE_ID + frame, frame, np.array([10.0, 20, 30, 40]), box_score
        )
        joints = np.arange(34.0).reshape(17, 2) if joints is None else joints
        return PosePrediction(record, joints, np.full(17, 0.8) if scores is None else scores)

    return make


def test_written_file_follows_the_form(build, predict, tmp_path):
    images = build.video18([], num_frames=3)["images"]
    images[0]["nframes"] = 3
    path = tmp_path / "a.json"
    # given out of order: people come out by image, and within an image as given
    write_predictions(path, images, [predict(2), predict(0, box_score=0.25), predict(2)])
    content = json.loads(path.read_text())

    assert list(content) == ["images", "annotations", "categories"]
    assert content["images"] == images
    assert content["categories"] == [
        {"id": 1, "name": "person", "keypoints": list(POSETRACK.joint_names)}
    ]
    first, *others = content["annotations"]
    assert first["keypoints"][:6] == [0.0, 1.0, 0.2, 2.0, 3.0, 0.2]  # x, y, 0.8 * 0.25
    assert first["scores"] == [0.2] * 17
    assert first["bbox"] == [10, 20, 30, 40]
    assert first["score"] == 0.25
    assert first["category_id"] == 1
    assert [a["image_id"] - build.IMAGE_ID for a in content["annotations"]] == [0, 2, 2]
    assert [a["track_id"] for a in content["annotations"]] == [0, 0, 1]
    assert len({a["id"] for a in content["annotations"]}) == 3
    assert others[0]["scores"] == [0.4] * 17
    assert list(tmp_path.iterdir()) == [path]


def test_track_ids_go_with_their_people(build, predict, tmp_path):
    images = build.video18([], num_frames=3)["images"]
    people = [predict(2), predict(0), predict(2, box_score=0.25)]
    write_predictions(tmp_path / "a.json", images, people, track_ids=[7, 7, 3])
    annotations = json.loads((tmp_path / "a.json").read_text())["annotations"]
    frames = [a["image_id"] - build.IMAGE_ID for a in annotations]
    assert list(zip(frames, [a["track_id"] for a in annotations], strict=True)) == [
        (0, 7), (2, 7), (2, 3),
    ]  # fmt: skip
    assert annotations[2]["score"] == 0.25


@pytest.mark.parametrize(
    ("track_ids", "words"),
    [([1, 1], "track ids repeat"), ([0, 10000], "10000, expected less than 10000")],
)
def test_track_ids_that_the_evaluator_refuses(build, predict, tmp_path, track_ids, words):
    images = build.video18([])["images"]
    with pytest.raises(ValueError, match=words):
        write_predictions(tmp_path / "a.json", images, [predict(0)] * 2, track_ids=track_ids)
    assert not list(tmp_path.iterdir())


def test_joint_score_without_the_box(build, predict, tmp_path):
    images = build.video18([])["images"]
    write_predictions(tmp_path / "a.json", images, [predict(0)], joint_score="heatmap")
    assert read_poses(tmp_path / "a.json", "predictions").scores.tolist() == [[0.8] * 15]


def test_what_is_written_is_read_back_exactly(build, predict, tmp_path):
    rng = np.random.default_rng(0)
    joints, scores = rng.normal(300, 100, (17, 2)), rng.normal(0, 1, 17)
    person = predict(1, joints, scores, box_score=0.123456789)
    write_predictions(tmp_path / "a.json", build.video18([])["images"], [person])
    poses = read_poses(tmp_path / "a.json", "predictions")
    names = POSETRACK.evaluation_names
    columns = [POSETRACK.index("head_bottom" if n == "neck" else n) for n in names]
    np.testing.assert_array_equal(poses.joints[0], joints[columns])
    np.testing.assert_array_equal(poses.scores[0], (scores * 0.123456789)[columns])
    assert poses.frame_of.tolist() == [1]
    assert poses.notes == []


@pytest.mark.parametrize("score", [0.0, -0.0, 0.3])
def test_a_joint_at_the_origin_is_not_absent(build, predict, tmp_path, score):
    person = predict(0, np.zeros((17, 2)), np.full(17, score), box_score=1.0)
    write_predictions(tmp_path / "a.json", build.video18([])["images"], [person])
    poses = read_poses(tmp_path / "a.json", "predictions")
    assert poses.present.all()
    assert (poses.scores == score).all()


def test_nobody_is_predicted(build, tmp_path):
    write_predictions(tmp_path / "a.json", build.video18([])["images"], [])
    poses = read_poses(tmp_path / "a.json", "predictions")
    assert poses.num_frames == 2
    assert poses.joints.shape == (0, 15, 2)


def test_a_person_of_another_video_is_refused(build, predict, tmp_path):
    with pytest.raises(ValueError, match="none of the 2 images"):
        write_predictions(tmp_path / "a.json", build.video18([])["images"], [predict(7)])
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_are_refused(build, predict, tmp_path):
    images = build.video18([])["images"]
    joints, scores = np.ones((17, 2)), np.ones(17)
    joints[1, 0] = np.nan
    with pytest.raises(ValueError, match="joint head_bottom"):
        write_predictions(tmp_path / "a.json", images, [predict(0, joints)])
    scores[0] = np.inf
    with pytest.raises(ValueError, match="joint nose"):
        write_predictions(tmp_path / "a.json", images, [predict(0, scores=scores)])


def test_another_number_of_joints_is_refused(build, predict, tmp_path):
    person = predict(0, np.ones((15, 2)), np.ones(15))
    with pytest.raises(ValueError, match=r"\(15, 2\), expected \(17, 2\)"):
        write_predictions(tmp_path / "a.json", build.video18([])["images"], [person])


def test_an_old_file_survives_a_failed_write(build, predict, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_predictions(path, build.video18([])["images"], [predict(0)])
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_predictions(path, build.video18([])["images"], [])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def video17(*frames, first=1):
    """Content of a 2017 file from lists of people per frame."""
    return {
        "annolist": [
            {
                "image": [{"name": f"bonn/000342_mpii/{n:08d}.jpg"}],
                "imgnum": [n],
                "annorect": people,
            }
            for n, people in enumerate(frames, start=first)
        ]
    }


def point(joint_id, x, y, **more):
    return {"id": [joint_id], "x": [x], "y": [y], **{key: [v] for key, v in more.items()}}


def person17(points, track_id=0, **more):
    scalars = {key: [value] for key, value in more.items()}
    return {"track_id": [track_id], "annopoints": [{"point": points}], **scalars}


def test_2017_points(write):
    points = [
        point(NOSE, 1.5, 2.5, score=0.7),
        point(NOSE, 9, 9, score=0.9),  # repeated: the first counts
        point(0, 0, 0, score=0.0),  # at the origin, yet present
        point(40, 3, 3, score=0.5),
        point(2, 3, 4),
    ]
    poses = read_poses(write("a.json", video17([], [person17(points)])), "predictions")
    assert poses.frame_of.tolist() == [1]
    assert np.flatnonzero(poses.present[0]).tolist() == [0, 2, NOSE]
    assert poses.joints[0, NOSE].tolist() == [1.5, 2.5]
    assert poses.scores[0, [0, 2, NOSE]].tolist() == [0.0, NO_SCORE, 0.7]
    assert [note.split(":")[0] for note in poses.notes] == [
        "1 points have an id outside 0..14",
        "1 points repeat an id",
        "1 joints have no score",
    ]


def test_2017_head_boxes_regions_and_people_without_points(write):
    content = video17(
        [person17([point(0, 5, 5)], x1=1, y1=2, x2=3, y2=4), {"x1": [1]}, {"annopoints": []}]
    )
    square = [{"x": [x], "y": [y]} for x, y in ((0, 0), (2, 0), (2, 2))]
    content["annolist"][0]["ignore_regions"] = [{"point": square}]
    poses = read_poses(write("a.json", content), "annotations")
    assert poses.head_boxes[0].tolist() == [1, 2, 3, 4]
    assert poses.has_head_box.tolist() == [True, False, False]
    assert poses.listed.tolist() == [True, False, False]
    assert poses.ignore_regions[0][0].tolist() == [[0, 0], [2, 0], [2, 2]]


def test_frame_names_need_no_people(build, write):
    content = build.video18([])
    del content["annotations"], content["categories"]
    assert read_frame_names(write("a.json", content)) == [i["file_name"] for i in content["images"]]
    assert read_frame_names(write("b.json", video17([]))) == ["bonn/000342_mpii/00000001.jpg"]
    # DCPose writes `image` as an object
    content = {"annolist": [{"image": {"name": "x/1.jpg"}}, {}]}
    assert read_frame_names(write("c.json", content)) == ["x/1.jpg", "annolist[1]"]
    with pytest.raises(ValueError, match="neither 'images'"):
        read_frame_names(write("d.json", {"video": 1}))


def test_unreadable_files(tmp_path, write):
    with pytest.raises(ValueError, match="cannot be read"):
        read_poses(tmp_path / "missing.json", "predictions")
    with pytest.raises(ValueError, match="not valid JSON"):
        read_poses(write("a.json", "[" * 100_000), "predictions")
    (tmp_path / "b.json").write_bytes(b'{"images": "\xff"}')
    with pytest.raises(ValueError, match="not valid JSON"):
        read_poses(tmp_path / "b.json", "predictions")


def test_numbers_beyond_float64(build, write):
    people = [build.person18(0, 0, [10**400] * 51, [0.5] * 17)]
    with pytest.raises(ValueError, match="a number of 401 digits"):
        read_poses(write("a.json", build.video18(people)), "predictions")


def paths_of(value, path=()):
    """All places of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_of(value[key], (*path, key))


def damaged(content, path, replacement):
    """A copy with the value at `path` replaced, or removed where the replacement is `Ellipsis`."""
    content = copy.deepcopy(content)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if replacement is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = replacement
    return content


REPLACEMENTS = [..., None, -1, 2.5, "text", "", True, [], [1], [None], {}, {"a": 1}, [[]], [{}]]


@pytest.mark.parametrize("form", ["2018", "2017"])
@pytest.mark.parametrize("side", ["annotations", "predictions"])
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_ends_in_another_error(build, write, form, side, data):
    if form == "2018":
        person = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
        content = build.video18([person])
        content["images"][0] |= {"ignore_regions_x": [[0, 1, 1]], "ignore_regions_y": [[0, 0, 1]]}
    else:
        person = person17([point(0, 5, 5, score=0.5), point(3, 7, 7)], x1=1, y1=2, x2=3, y2=4)
        content = video17([person], [])
        triangle = [{"x": [x], "y": [y]} for x, y in ((0, 0), (2, 0), (2, 2))]
        content["annolist"][0]["ignore_regions"] = [{"point": triangle}]
    for _ in range(data.draw(st.integers(1, 2))):
        places = [path for path in paths_of(content) if path]
        if not places:
            break
        place = data.draw(st.sampled_from(places))
        content = damaged(content, place, data.draw(st.sampled_from(REPLACEMENTS)))
    path, message = write("a.json", content), ""
    try:
        poses = read_poses(path, side)
    except ValueError as error:
        message = str(error)
    else:
        assert poses.present.shape == poses.scores.shape == (len(poses.frame_of), 15)
    assert message == "" or (message.startswith(str(path)) and "\n" not in message)


def test_names_that_are_not_posetracks_tell_videos_by_their_folders(build, write):
    content = build.video18([], num_frames=2)
    names = ["frames/run-1/000001.jpg", "frames/run-1/000002.jpg"]
    for number, (image, name) in enumerate(zip(content["images"], names, strict=True), start=1):
        image["file_name"], image["id"] = name, number
    assert read_poses(write("a.json", content), "predictions").num_frames == 2
    content["images"][1]["file_name"] = "frames/run-2/000001.jpg"
    poses = read_poses(write("b.json", content), "predictions")
    assert poses.num_frames == 1
    assert "only the 1 images of the first (run-1) are used" in poses.notes[0]


def test_one_name_that_is_not_posetracks_among_others_is_refused(build, write):
    content = build.video18([], num_frames=2)
    content["images"][1]["file_name"] = "frames/run-1/000001.jpg"
    with pytest.raises(ValueError, match=r"images\[1\]: .* does not follow"):
        read_poses(write("a.json", content), "predictions")
