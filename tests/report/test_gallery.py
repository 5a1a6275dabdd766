"""Whom the gallery shows. Head size 60 px."""

import base64

import cv2
import numpy as np
import pytest

from dcpose.evaluation.matching import match_people
from dcpose.formats.posetrack.video_poses import VideoPoses
from dcpose.report.gallery import LOST, draw_worst, to_data_uri, worst_people
from dcpose.skeleton import POSETRACK

NUM_JOINTS = len(POSETRACK.evaluation_joints)
COLUMN = np.stack([np.full(NUM_JOINTS, 100.0), 50 + 10.0 * np.arange(NUM_JOINTS)], axis=1)
BOX = [80.0, 40.0, 60.0, 190.0]


def poses(tmp_path, frames, offsets, boxes, absent=()):
    """People whose joints are a column moved to the right, one per frame given."""
    count = len(frames)
    present = np.ones((count, NUM_JOINTS), dtype=bool)
    present[:, list(absent)] = False
    return VideoPoses(
        path=tmp_path / "v.json",
        frame_names=["v/000000.jpg", "v/000001.jpg"],
        frame_of=np.array(frames, dtype=np.int64),
        joints=np.stack([COLUMN + np.array([x, 0]) for x in offsets])
        if count
        else np.zeros((0, 15, 2)),
        present=present,
        scores=np.ones((count, NUM_JOINTS)),
        listed=np.ones(count, dtype=bool),
        has_head_box=np.ones(count, dtype=bool),
        head_boxes=np.tile([100.0, 40, 160, 120], (count, 1)),
        boxes_xywh=np.array([[BOX[0] + x, *BOX[1:]] for x in boxes]).reshape(count, 4),
        conditions=np.array([frozenset({"defocus"})] * count, dtype=object),
        ignore_regions={},
        notes=[],
        track_ids=np.zeros(count, dtype=np.int64),
    )


def test_the_largest_error_comes_first(tmp_path):
    annotated = poses(tmp_path, [0, 1], [0, 0], [0, 0])
    predicted = poses(tmp_path, [0, 1], [6, 45], [0, 0])
    worst = worst_people([match_people(annotated, predicted)], 5)
    # 45 px are 0.75 heads: no joint is right, so the box tells whose pose it is
    assert [person.frame for person in worst] == [1, 0]
    assert [person.error for person in worst] == pytest.approx([0.75, 0.1])
    assert len(worst[0].wrong) == NUM_JOINTS
    assert worst[1].wrong == ()
    assert worst[0].conditions == ("defocus",)


def test_a_person_without_a_prediction_is_lost(tmp_path):
    annotated = poses(tmp_path, [0], [0], [0])
    [person] = worst_people([match_people(annotated, poses(tmp_path, [], [], []))], 5)
    assert person.error == LOST
    assert np.isnan(person.predicted).all()
    assert person.box_xywh.tolist() == BOX


def test_a_missing_joint_is_lost_and_an_unlabelled_one_does_not_count(tmp_path):
    annotated = poses(tmp_path, [0], [0], [0], absent=[0])
    predicted = poses(tmp_path, [0], [0], [0], absent=[1])
    [person] = worst_people([match_people(annotated, predicted)], 1)
    assert person.error == pytest.approx(LOST / (NUM_JOINTS - 1))
    assert person.wrong == (POSETRACK.evaluation_names[1],)


def test_pictures_show_three_frames_truth_and_prediction(tmp_path):
    annotated = poses(tmp_path, [0], [0], [0])
    [person] = worst_people([match_people(annotated, poses(tmp_path, [0], [20], [0]))], 1)
    frames = [np.full((240, 320, 3), value, dtype=np.uint8) for value in (10, 90, 170)]
    drawn = draw_worst(person, frames)
    assert list(drawn) == ["before", "frame", "after", "truth", "predicted"]
    assert [int(np.median(drawn[name])) for name in ("before", "frame", "after")] == [10, 90, 170]
    assert (drawn["truth"] != drawn["frame"]).any()
    assert (drawn["truth"] != drawn["predicted"]).any()


def test_a_picture_survives_the_way_into_the_page():
    picture = np.zeros((40, 30, 3), dtype=np.uint8)
    picture[..., 0] = 200
    head, _, content = to_data_uri(picture).partition(",")
    assert head == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == picture.shape
    assert abs(int(decoded[20, 15, 2]) - 200) < 10
