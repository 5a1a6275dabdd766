"""PCK of Penn Action and Sub-JHMDB against hand-computed values."""

import math

import pytest

from dcpose.evaluation.pck_result import evaluate_pck
from dcpose.skeleton import Skeleton

NAMES = ("head", "left_shoulder", "right_hip")
SKELETON = Skeleton(
    name="three",
    joint_names=NAMES,
    flip_pairs=(),
    limbs=(),
    upper_body=(),
    evaluation_joints=NAMES,
    evaluation_groups=(("Head", ("head",)), ("Body", ("left_shoulder", "right_hip"))),
)
SHOULDER, HIP = (30, 0, 1), (0, 40, 1)  # 50 px apart: PCK by torso reaches 10 px
BOX = [0, 0, 60, 100]  # by the box it reaches 20 px


@pytest.fixture
def pck(build, write, tmp_path):
    def video(people, **more):
        entries = [
            build.person18(frame, 0, [value for joint in joints for value in joint], **more)
            for frame, joints in enumerate(people)
        ]
        category = {"id": 1, "name": "person", "keypoints": list(NAMES)}
        return {**build.video18(entries), "categories": [category]}

    def evaluate(annotated, predicted, by_torso=True):
        write("gt/a.json", video(annotated, bbox=BOX))
        write("pred/a.json", video(predicted, scores=[1, 1, 1]))
        return evaluate_pck(tmp_path / "gt", tmp_path / "pred", SKELETON, by_torso)

    return evaluate


def test_values(pck):
    result = pck(
        [[(10, 10, 1), SHOULDER, HIP], [(10, 10, 1), SHOULDER, (0, 0, 0)]],
        [
            [(10, 30, 1), (30, 9, 1), (0, 61, 1)],  # 20, 9 and 21 px off
            [(31, 10, 1), (30, 15, 1), (9, 9, 1)],  # 21 and 15 px off
        ],
    )
    assert result.columns["Head"] == 50
    assert result.columns["Body"] == 50  # shoulder 2/2, hip 0/1
    assert result.total == 50
    # by torso, of the first person alone: the other one has no hip
    assert result.columns["Mean (torso)"] == pytest.approx(100 / 3)
    assert result.details == {"head": 50, "left_shoulder": 100, "right_hip": 0}
    assert result.to_json_dict()["torso_pck"] == [0, 100, 0]
    assert list(result.columns)[-1] == "Mean"  # tables compare by the last
    assert result.metric.endswith("0.2 of the longer side of the box, or of the torso")


def test_torso_only_where_it_is_published(pck):
    pose = [(10, 10, 1), SHOULDER, HIP]
    result = pck([pose], [pose], by_torso=False)
    assert result.columns == {"Head": 100, "Body": 100, "Mean": 100}
    assert "torso_pck" not in result.to_json_dict()


def test_a_joint_that_is_never_annotated_does_not_count(pck):
    result = pck([[(0, 0, 0), SHOULDER, HIP]], [[(1, 1, 1), SHOULDER, HIP]])
    assert math.isnan(result.columns["Head"])
    assert result.total == 100
