"""People at the edge of what is defined: a clip of one frame, a crowd, maps of zeros, twins."""

import json
import shutil

import numpy as np
import pytest
import torch

from dcpose import build_model, load_config
from dcpose.jobs.validate import validate

CPU = torch.device("cpu")
CROWD = 100


@pytest.fixture
def one_frame(tmp_path, sample_dir):
    """Function (boxes) -> overrides: a val split of one clip of one frame, and detections in it."""

    def make(boxes):
        source = next((sample_dir / "annotations" / "val").glob("*.json"))
        content = json.loads(source.read_text())
        labelled = {person["image_id"] for person in content["annotations"]}
        image = next(entry for entry in content["images"] if entry["id"] in labelled)
        people = [p for p in content["annotations"] if p["image_id"] == image["id"]]
        frame = tmp_path / "images" / "val" / source.stem / "000000.jpg"
        frame.parent.mkdir(parents=True)
        shutil.copy(sample_dir / image["file_name"], frame)
        image = {**image, "file_name": str(frame.relative_to(tmp_path)), "nframes": 1}
        annotations = tmp_path / "annotations" / "val" / source.name
        annotations.parent.mkdir(parents=True)
        annotations.write_text(json.dumps({**content, "images": [image], "annotations": people}))
        detections = [
            {"image_id": image["id"], "category_id": 1, "bbox": list(box), "score": 0.5}
            for box in boxes
        ]
        (tmp_path / "boxes.json").write_text(json.dumps(detections))
        return [f"data.root={tmp_path}", "data.val_detections=boxes.json"]

    return make


@pytest.fixture
def predicted(tiny_cfg, tmp_path):
    """Function (overrides, weights) -> AP and the people of the predictions file."""

    def run(overrides, weights):
        cfg = load_config(tiny_cfg, overrides)
        result, _ = validate(cfg, CPU, str(weights), tmp_path / "run")
        [path] = (tmp_path / "run" / "predictions" / "val").glob("*.json")
        return result, json.loads(path.read_text())["annotations"]

    return run


@pytest.fixture
def zero_weights(tiny_cfg, tmp_path):
    """Weights of a network whose heatmaps are zero everywhere."""
    state = build_model(load_config(tiny_cfg)).state_dict()
    path = tmp_path / "zeros.pth"
    torch.save({name: torch.zeros_like(value) for name, value in state.items()}, path)
    return path


def crowd():
    """Boxes all over the frame of 320 x 180, some of them across its border."""
    draws = np.random.Generator(np.random.PCG64(0))
    corners = draws.uniform((-20, -20), (280, 140), (CROWD, 2))
    return np.hstack([corners, draws.uniform(30, 90, (CROWD, 2))]).tolist()


def test_a_crowd_in_a_clip_of_one_frame(one_frame, predicted, tiny_weights):
    result, people = predicted(one_frame(crowd()), tiny_weights)
    assert len(people) == CROWD
    assert len({person["track_id"] for person in people}) == CROWD
    assert np.isfinite([person["keypoints"] for person in people]).all()
    assert 0 <= result.total <= 100


def test_maps_of_zeros_give_the_corner_of_the_crop_and_no_score(one_frame, predicted, zero_weights):
    boxes = [[100.0, 40.0, 64.0, 64.0], [30.0, 20.0, 32.0, 32.0]]
    result, people = predicted(one_frame(boxes), zero_weights)
    assert len(people) == 2
    for person, (left, top, width, height) in zip(people, boxes, strict=True):
        joints = np.array(person["keypoints"]).reshape(-1, 3)
        # all of them at heatmap pixel (0, 0): the upper left corner of the box, enlarged by 1.25
        corner = left - 0.125 * width, top - 0.125 * height
        assert joints[:, :2] == pytest.approx(np.tile(corner, (17, 1)), abs=width / 16)
        assert person["scores"] == [0.0] * 17
    assert result.total == 0


def test_twins_stay_two_people_unless_duplicates_are_dropped(one_frame, predicted, tiny_weights):
    overrides = one_frame([[100.0, 40.0, 60.0, 100.0]] * 2)
    result, people = predicted(overrides, tiny_weights)
    assert people[0]["keypoints"] == people[1]["keypoints"]
    assert people[0]["track_id"] != people[1]["track_id"]
    assert np.isfinite(result.total)
    tracked = predicted([*overrides, "test.track=true"], tiny_weights)[1]
    assert tracked[0]["track_id"] != tracked[1]["track_id"]
    assert len(predicted([*overrides, "test.oks_nms=0.9"], tiny_weights)[1]) == 1
