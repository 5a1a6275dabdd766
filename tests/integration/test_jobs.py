"""Jobs as a whole: how often frames are decoded, and videos in which nobody is."""

import json

import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build import data as build_data
from dcpose.data import frames as frame_files
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.jobs.predict import predict_split
from dcpose.jobs.test import make_submission
from dcpose.jobs.train import make_trainer, train
from dcpose.jobs.validate import validate

CPU = torch.device("cpu")


@pytest.fixture
def decoded(monkeypatch):
    """List that grows with every JPEG that is decoded."""
    sizes, decode = [], frame_files.decode_jpeg

    def count(data):
        sizes.append(len(data))
        return decode(data)

    monkeypatch.setattr(frame_files, "decode_jpeg", count)
    return sizes


@pytest.fixture
def index_reads(monkeypatch):
    """List that grows with the name of every split whose videos and boxes are read."""
    splits, read_videos = [], build_data.read_videos

    def count(cfg, split):
        splits.append(split)
        return read_videos(cfg, split)

    for module in ("data", "training"):
        monkeypatch.setattr(f"dcpose.build.{module}.read_videos", count)
    return splits


def write_detections(path, image_ids, people):
    boxes = [[20.0 + 30 * person, 30.0, 50.0, 100.0] for person in range(people)]
    entries = [
        {"image_id": image_id, "category_id": 1, "bbox": box, "score": 0.9}
        for image_id in image_ids
        for box in boxes
    ]
    path.write_text(json.dumps(entries))


@pytest.mark.parametrize("people", [1, 8])
@pytest.mark.parametrize(
    ("name", "max_gap", "frames"),
    [("dcpose", 1, 6 + 2), ("dcpose", 3, 8 + 2), ("single_frame", 1, 3 + 1)],
)
def test_val_decodes_every_frame_it_needs_once(
    name, max_gap, frames, people, tiny_cfg, run_here, decoded
):
    # One video has people in frames 0, 4 and 5. T = 1 takes 0 1, 3 4 5, 4 5 6: six frames. T = 3
    # takes the farthest, 0 3, 1 4 7, 2 5 8: eight frames. The other video has people in its last
    # frame, 11, with a neighbour before it: two frames. A single frame needs no neighbours.
    first = [10100010000, 10100010004, 10100010005]
    write_detections(run_here / "boxes.json", [*first, 10100020011], people)
    overrides = [f"data.val_detections={run_here / 'boxes.json'}", f"data.max_gap={max_gap}"]
    cfg = load_config(tiny_cfg, [*overrides, f"model.name={name}"])
    weights = run_here / "weights.pth"
    torch.save(build_model(cfg).state_dict(), weights)
    _, protocol = validate(cfg, CPU, str(weights), run_here / "run")
    assert protocol.num_boxes == 4 * people
    assert len(decoded) == frames


def test_training_reads_the_val_split_once(tiny_cfg, run_here, index_reads):
    trainer = make_trainer(load_config(tiny_cfg), CPU, run_here / "run")
    for _ in range(2):
        trainer.validate(trainer.state.model.eval())
    assert sorted(index_reads) == ["train", "val"]


def test_leaderboard_reads_the_test_split_once(tiny_cfg, tiny_weights, run_here, index_reads):
    write_detections(run_here / "boxes.json", [10100010000], people=1)
    cfg = load_config(tiny_cfg, [f"data.test_detections={run_here / 'boxes.json'}"])
    make_submission(cfg, CPU, str(tiny_weights), run_here / "out", "posetrack18")
    assert index_reads == ["test"]


def test_video_without_people_gets_a_file(tiny_cfg, tiny_weights, run_here):
    write_detections(run_here / "boxes.json", [10100010000], people=1)
    cfg = load_config(tiny_cfg, [f"data.test_detections={run_here / 'boxes.json'}"])
    make_submission(cfg, CPU, str(tiny_weights), run_here / "out", "posetrack18")
    empty = json.loads((run_here / "out" / "010002_mpii_test.json").read_text())
    assert len(empty["images"]) == 12
    assert empty["annotations"] == []


def test_processes_share_the_videos(tiny_cfg, run_here, monkeypatch):
    # what one of two processes would do, without starting two
    cfg = load_config(tiny_cfg)
    model = build_model(cfg)
    for rank in (0, 1):
        monkeypatch.setattr("dcpose.jobs.predict.world_size", lambda: 2)
        monkeypatch.setattr("dcpose.jobs.predict.rank", lambda rank=rank: rank)
        total = predict_split(cfg, model, "val", run_here / str(rank), CPU)
        assert total == 21
    names = [{path.name for path in (run_here / str(rank)).iterdir()} for rank in (0, 1)]
    assert sorted(map(sorted, names)) == [["010001_mpii_test.json"], ["010002_mpii_test.json"]]


@pytest.fixture
def fifteen_joints(tiny_cfg, few_people, pytestconfig):
    """Config without the ears, which are never annotated; the annotation files list them."""
    skeleton = pytestconfig.rootpath / "configs" / "skeletons" / "posetrack15.yaml"
    overrides = [f"data.skeleton={skeleton}", "model.num_joints=15", *few_people]
    return load_config(tiny_cfg, [*overrides, "model.prf.channels=15", "model.ptm.channels=15"])


def test_fifteen_joints_are_trained_and_measured(fifteen_joints, run_here):
    run = train(fifteen_joints, CPU, run_here / "run")
    saved = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert saved["model"]["pcn.deform_convs.0.weight"].shape == (15, 15, 3, 3)
    predicted = json.loads((run / "predictions" / "val" / "010001_mpii_test.json").read_text())
    assert len(predicted["categories"][0]["keypoints"]) == 15
    assert {len(person["keypoints"]) for person in predicted["annotations"]} == {45}
    joints = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert joints["kind"] == "epoch"
    assert joints["AP"] >= 0


def test_annotations_without_ears_are_a_perfect_prediction(fifteen_joints, sample_dir, run_here):
    for file in (sample_dir / "annotations" / "val").glob("*.json"):
        content = json.loads(file.read_text())
        names = content["categories"][0]["keypoints"]
        kept = [i for i, name in enumerate(names) if not name.endswith("_ear")]
        content["categories"][0]["keypoints"] = [names[i] for i in kept]
        for number, person in enumerate(content["annotations"]):
            points = [person["keypoints"][3 * i : 3 * i + 3] for i in kept]
            person["keypoints"] = [value for point in points for value in point]
            person.update(scores=[1.0] * 15, score=1.0, track_id=number)
        (run_here / file.name).write_text(json.dumps(content))
    skeleton = build_data.build_skeleton(fifteen_joints)
    result = evaluate_folders(sample_dir / "annotations" / "val", run_here, skeleton)
    assert result.total == pytest.approx(100)
