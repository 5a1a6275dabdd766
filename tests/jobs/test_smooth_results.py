"""Smoothing a file of poses."""

import json

import numpy as np
import pytest

from dcpose.formats.results.video_results import read_results
from dcpose.jobs.smooth_results import smooth_file


@pytest.fixture
def poses(tmp_path):
    """A person that moves 4 px a frame for 20 frames, unseen in 3; another is there once."""
    images = [{"id": n, "file_name": f"a/{n:06d}.jpg", "time": n / 25} for n in range(20)]
    people = []
    for number in range(20):
        if number not in (8, 9, 10):
            x = 4.0 * number + (-1) ** number
            people.append(
                {
                    "image_id": number, "id": len(people) + 1, "track_id": 0, "category_id": 1,
                    "bbox": [x, 0, 40, 90], "score": 0.5 if number == 7 else 1.0,
                    "keypoints": [x, 30, 0.8], "scores": [0.8], "probabilities": [0.7],
                }
            )  # fmt: skip
    people.append({**people[3], "track_id": 5, "keypoints": [1, 2, 0.3]})
    categories = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": categories}))
    return path


def test_a_file_is_smoothed_and_its_gap_filled(poses):
    done = smooth_file(poses)
    assert (done.num_people, done.num_filled) == (21, 3)
    results = read_results(poses)
    rows = np.flatnonzero(results.track_ids == 0)
    assert results.frame_of[rows].tolist() == list(range(20))
    x = results.joints[rows, 0, 0]
    assert np.abs(np.diff(x, 2)).mean() < 1.5  # 4 before
    assert np.abs(x - 4.0 * np.arange(20)).mean() < 0.8  # 1 before, and in the gap nothing is known
    np.testing.assert_allclose(results.joint_scores, 0.8)
    (other,) = np.flatnonzero(results.track_ids == 5)
    assert results.joints[other].tolist() == [[1, 2]]


def test_people_of_a_gap_lie_between_and_are_marked(poses):
    smooth_file(poses)
    entries = json.loads(poses.read_text())["annotations"]
    filled = [entry for entry in entries if entry.get("filled")]
    assert [entry["image_id"] for entry in filled] == [8, 9, 10]
    # a quarter of the way from 0.5 at frame 7 to 1 at frame 11
    assert filled[0]["score"] == 0.625
    assert filled[0]["probabilities"] == [0.7]
    assert [entry["id"] for entry in entries] == list(range(1, 22))


def test_longer_gaps_stay_open(poses):
    content = json.loads(poses.read_text())
    seen = [p for p in content["annotations"] if p["image_id"] not in (7, 11, 12)]  # nor 8 to 10
    poses.write_text(json.dumps({**content, "annotations": seen}))
    assert smooth_file(poses).num_filled == 0


def test_malformed_files_are_refused_and_stay(poses):
    poses.write_text('{"images": []}')
    with pytest.raises(ValueError, match="categories is missing"):
        smooth_file(poses)
    assert poses.read_text() == '{"images": []}'
