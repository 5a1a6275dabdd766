"""Results as arrays, in the forms of other programs, and in files that grow frame by frame."""

import json

import numpy as np
import pytest

from dcpose.estimator.frame_result import NOT_TRACKED, FrameResult, People
from dcpose.estimator.posetrack_file import PoseTrackFile
from dcpose.formats.posetrack.predictions import read_poses, write_predictions
from dcpose.skeleton import POSETRACK
from dcpose.structures import PersonRecord, PosePrediction

J = POSETRACK.num_joints


def result_of(index, count, seed=0, tracked=False):
    rng = np.random.default_rng([seed, index])
    people = People(
        boxes_xywh=rng.uniform(1, 20, (count, 4)),
        box_scores=rng.uniform(0.5, 1, count),
        track_ids=np.arange(7, 7 + count) if tracked else np.full(count, NOT_TRACKED),
        joints=rng.uniform(0, 30, (count, J, 2)),
        joint_scores=rng.uniform(0, 1, (count, J)),
    )
    return FrameResult(index, index / 25, np.zeros((24, 32, 3), np.uint8), people, POSETRACK)


def test_posetrack_form_is_that_of_val(tmp_path):
    results = [result_of(0, 2), result_of(1, 0), result_of(2, 3)]
    images = [
        {"id": r.index, "file_name": f"000001_mpii_test/{r.index:06d}.jpg", "time": r.time,
         "width": 32, "height": 24} for r in results
    ]  # fmt: skip
    people = [
        PosePrediction(
            PersonRecord("v", r.index, r.index, box, float(score)), joints, joint_scores
        )
        for r in results
        for box, score, joints, joint_scores in zip(
            r.people.boxes_xywh, r.people.box_scores, r.people.joints, r.people.joint_scores,
            strict=True,
        )
    ]  # fmt: skip
    write_predictions(tmp_path / "val.json", images, people)
    with PoseTrackFile(tmp_path / "ours.json", POSETRACK) as file:
        for result, image in zip(results, images, strict=True):
            file.write(result, image["file_name"])
    assert json.loads((tmp_path / "ours.json").read_text()) == json.loads(
        (tmp_path / "val.json").read_text()
    )
    assert read_poses(tmp_path / "ours.json", "predictions").num_frames == 3
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_track_ids_are_written(tmp_path):
    entries = result_of(3, 2, tracked=True).to_posetrack(image_id=12, first_id=5)
    assert [(e["image_id"], e["id"], e["track_id"]) for e in entries] == [(12, 5, 7), (12, 6, 8)]


def test_interrupted_and_empty_files_are_valid(tmp_path):
    path = tmp_path / "poses.json"

    def write_two_then_stop():
        with PoseTrackFile(path, POSETRACK) as file:
            file.write(result_of(0, 1), "a.jpg")
            file.write(result_of(1, 1), "b.jpg")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_two_then_stop()
    content = json.loads(path.read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "b.jpg"]
    assert len(content["annotations"]) == 2
    file = PoseTrackFile(path, POSETRACK)
    file.close()
    file.close()
    content = json.loads(path.read_text())
    assert (content["images"], content["annotations"]) == ([], [])


def test_no_folder_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"none/poses\.json: cannot be written"):
        PoseTrackFile(tmp_path / "none" / "poses.json", POSETRACK)


def test_coco_form():
    result = result_of(4, 2)
    first, _ = result.to_coco()
    assert first["image_id"] == 4
    assert first["category_id"] == 1
    triplets = np.array(first["keypoints"]).reshape(J, 3)
    np.testing.assert_array_equal(triplets[:, :2], result.people.joints[0])
    np.testing.assert_array_equal(triplets[:, 2], result.people.joint_scores[0])
    peaks = result.people.joint_scores[0]
    expected = result.people.box_scores[0] * peaks[peaks > 0.2].mean()
    assert first["score"] == pytest.approx(expected, rel=1e-12)
    json.dumps(first)


def test_supervision_form():
    pytest.importorskip("supervision")
    result = result_of(0, 2, tracked=True)
    points = result.to_supervision()
    np.testing.assert_allclose(points.xy, result.people.joints, rtol=1e-6)
    np.testing.assert_allclose(points.keypoint_confidence, result.people.joint_scores, rtol=1e-6)
    assert points.data["track_id"].tolist() == [7, 8]
    assert len(result_of(0, 0).to_supervision()) == 0


def test_supervision_is_optional(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(ImportError, match=r"pip install -U 'dcpose\[supervision\]'"):
        result_of(0, 1).to_supervision()
