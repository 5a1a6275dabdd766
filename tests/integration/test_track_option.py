"""test.track writes lasting ids into the predictions of val and test, and changes nothing else."""

import json

import pytest
import torch

from dcpose import load_config
from dcpose.jobs.validate import validate

CPU = torch.device("cpu")


@pytest.fixture
def annotated(sample_dir):
    """The people of each val video."""
    files = sorted((sample_dir / "annotations/val").glob("*.json"))
    return [json.loads(path.read_text())["annotations"] for path in files]


@pytest.fixture
def boxes(annotated, tmp_path):
    """Detections file with the annotated boxes, those of frame 6 in reversed order."""
    people = [person for video in annotated for person in video]
    people.sort(key=lambda a: (a["image_id"], a["track_id"] * (-1) ** (a["image_id"] % 10 == 6)))
    entries = [
        {"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 0.9}
        for a in people
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(entries))
    return path


def people_of(run_dir):
    files = sorted((run_dir / "predictions/val").glob("*.json"))
    return [json.loads(path.read_text())["annotations"] for path in files]


def same_but_for_ids(plain, tracked):
    return [{**a, "track_id": b["track_id"]} for a, b in zip(plain, tracked, strict=True)]


def test_ids_follow_people_and_ap_stays(tiny_cfg, tiny_weights, run_here, boxes, annotated):
    results, people = {}, {}
    for track in (False, True):
        cfg = load_config(tiny_cfg, [f"data.val_detections={boxes}", f"test.track={track}"])
        results[track], _ = validate(cfg, CPU, str(tiny_weights), run_here / str(track))
        people[track] = people_of(run_here / str(track))
    assert results[True].to_json_dict() == results[False].to_json_dict()
    assert people[True] != people[False]

    for plain, tracked, truth in zip(people[False], people[True], annotated, strict=True):
        assert same_but_for_ids(plain, tracked) == tracked
        # the sample's people stand apart, so boxes are enough, whatever poses the network finds
        true_id = {(a["image_id"], tuple(a["bbox"])): a["track_id"] for a in truth}
        pairs = {(a["track_id"], true_id[a["image_id"], tuple(a["bbox"])]) for a in tracked}
        assert len(pairs) == len(set(true_id.values())) == len({a["track_id"] for a in tracked})


def test_single_images_have_nobody_to_follow(tiny_cfg):
    overrides = ["data.layout=coco", "model.name=single_frame", "test.track=true"]
    with pytest.raises(ValueError, match=r"nobody to follow; set test\.track=false"):
        load_config(tiny_cfg, overrides)
