"""2018 predictions to the 2017 form and back."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcpose.formats.posetrack.convert import to_posetrack17, to_posetrack18
from dcpose.formats.posetrack.predictions import read_poses
from dcpose.skeleton import POSETRACK


def assert_same_poses(first, second):
    assert first.frame_names == second.frame_names
    np.testing.assert_array_equal(first.frame_of, second.frame_of)
    np.testing.assert_array_equal(first.present, second.present)
    shown = first.present[..., None]
    np.testing.assert_array_equal(first.joints * shown, second.joints * shown)
    np.testing.assert_array_equal(first.scores * first.present, second.scores * first.present)


def test_form_of_2017_files(build, tmp_path):
    keypoints = build.joint_column(absent=("nose", "right_ankle"))
    people = [build.person18(1, 3, keypoints, np.arange(17.0).tolist(), score=0.5)]
    content, _ = to_posetrack17(build.video18(people), tmp_path)
    empty, frame = content["annolist"]
    assert empty == {
        "image": [{"name": f"images/val/{build.VIDEO}/000000.jpg"}],
        "imgnum": [1],
        "annorect": [],  # no filler person
    }
    (person,) = frame["annorect"]
    assert person["track_id"] == [3]
    assert person["score"] == [0.5]
    points = person["annopoints"][0]["point"]
    # ids 0 (right_ankle) and 13 (nose) are absent and simply not listed
    assert [p["id"][0] for p in points] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14]
    # id 12 is head_bottom, joint 1 of the 2018 order, at y = 60
    assert points[11] == {"id": [12], "x": [100.0], "y": [60.0], "score": [1.0]}


coordinates = st.one_of(st.just(0.0), st.floats(-1e4, 1e4))
triplets = st.one_of(st.just((0.0, 0.0, 0.0)), st.tuples(coordinates, coordinates, coordinates))
scores = st.one_of(st.just(0.0), st.floats(-2, 2))
people = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(triplets, min_size=17, max_size=17),
        st.lists(scores, min_size=17, max_size=17),
    ),
    max_size=4,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(people=people)
def test_round_trip_keeps_what_is_evaluated(build, write, people):
    annotations = [
        build.person18(frame, track, np.array(joints).ravel().tolist(), joint_scores, score=0.3)
        for track, (frame, joints, joint_scores) in enumerate(people)
    ]
    path18 = write("a.json", build.video18(annotations, num_frames=3))
    path17 = write("b.json", to_posetrack17(json.loads(path18.read_text()), path18)[0])
    back = write("c.json", to_posetrack18(json.loads(path17.read_text()), path17)[0])

    original = read_poses(path18, "predictions")
    assert_same_poses(original, read_poses(path17, "predictions"))
    assert_same_poses(original, read_poses(back, "predictions"))
    returned = json.loads(back.read_text())["annotations"]
    key = ("image_id", "track_id", "score")
    assert sorted(tuple(a[k] for k in key) for a in returned) == sorted(
        tuple(a[k] for k in key) for a in annotations
    )


def test_back_from_2017_adds_ids_and_a_box(build, tmp_path):
    frames = [
        {
            "image": [{"name": "images/bonn_5sec/000342_bonn/00000001.jpg"}],
            "annorect": [
                {
                    "track_id": [4],
                    "score": [0.5],
                    "annopoints": [
                        {
                            "point": [
                                {"id": [0], "x": [10], "y": [20], "score": [0.5]},
                                {"id": [13], "x": [30], "y": [120]},
                            ]
                        }
                    ],
                },
                {"annopoints": []},
            ],
        }
    ]
    content, omissions = to_posetrack18({"annolist": frames}, tmp_path)
    assert omissions == {"person without a list of points": 1}
    assert content["images"][0]["id"] == 20003420001
    (person,) = content["annotations"]
    # extent 20 x 100 around (20, 70), times 1.3
    assert person["bbox"] == pytest.approx([7, 5, 26, 130])
    nose, ankle = POSETRACK.index("nose"), POSETRACK.index("right_ankle")
    assert person["keypoints"][3 * nose : 3 * nose + 3] == [30, 120, -9999]
    assert person["scores"][ankle] == 0.5
    assert sum(person["keypoints"][2::3]) == 0.5 - 9999
    assert person["track_id"] == 4


def test_2017_names_without_a_video_are_refused(tmp_path):
    content = {"annolist": [{"image": [{"name": "frame.jpg"}], "annorect": []}]}
    with pytest.raises(ValueError, match=r"annolist\[0\].*does not follow"):
        to_posetrack18(content, tmp_path / "a.json")
