"""tools/val.py: the table and its protocol, on the sample and on real PoseTrack18 frames."""

import json

import pytest
import torch

from dcpose import load_config
from dcpose.build.data import read_people


@pytest.fixture(scope="session")
def val(load_command):
    """Function (capsys, arguments) -> what tools/val.py, which has to succeed, prints."""

    def run(capsys, *arguments):
        assert load_command("tools/val.py").main([str(item) for item in arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def base(tiny_cfg, tiny_weights):
    """Arguments that every call takes."""
    return ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu"]


def test_prints_and_writes_table_and_protocol(val, base, run_here, capsys):
    out = val(capsys, *base, "--run-dir", "run", "data.val_detections=detections/val.json")
    table, protocol = out.splitlines()[:2], out.splitlines()[2]
    columns = ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]
    assert table[0].split() == columns
    assert len(table[1].split()) == len(columns)
    for part in ("2 videos", "boxes: detections/val.json, score >= 0.2", "flip: off", "T = 1",
                 "argmax, quarter-pixel shift", "precision: fp32", "crop 32x32",
                 "tiny.pth"):  # fmt: skip
        assert part in protocol
    # the sample's people are labelled with what makes them hard to see
    subsets = out.splitlines()[4:]
    assert subsets[0].split() == ["subset", "people", *columns]

    results = json.loads((run_here / "run" / "results.json").read_text())
    assert results["protocol"]["num_videos"] == 2
    assert results["protocol"]["boxes"] == "detections/val.json"
    assert len(results["ap"]) == 15
    assert len(results["subsets"]) == len(subsets) - 1
    assert [str(part["people"]) for part in results["subsets"].values()] == [
        line.split()[-9] for line in subsets[1:]
    ]
    written = (run_here / "run" / "results.md").read_text()
    assert written.endswith(f"\n\n{protocol}\n")
    assert (run_here / "run" / "config.yaml").exists()
    videos = sorted(path.stem for path in (run_here / "run/predictions/val").iterdir())
    assert videos == ["010001_mpii_test", "010002_mpii_test"]


def test_default_run_folder(val, base, run_here, capsys):
    val(capsys, *base)
    (run,) = (run_here / "runs" / "tiny").iterdir()
    assert (run / "results.json").exists()


def test_a_training_run_keeps_its_own_config(val, base, run_here, capsys):
    run_dir = run_here / "trained"
    run_dir.mkdir()
    (run_dir / "config.yaml").write_text("experiment: trained\n")
    val(capsys, *base, "--run-dir", run_dir)
    assert (run_dir / "config.yaml").read_text() == "experiment: trained\n"
    assert (run_dir / "results.json").is_file()


def test_flip_and_joint_score(val, base, run_here, capsys):
    overrides = ["test.flip=true", "test.joint_score=heatmap"]
    out = val(
        capsys, *base, "--run-dir", "run", *overrides, "data.val_detections=detections/val.json"
    )
    assert "flip: on" in out
    assert "joint score: heatmap ·" in out


def test_single_frame_says_so(val, base, tiny_cfg, run_here, capsys):
    weights = run_here / "single.pth"
    state = torch.load(base[3], weights_only=True)
    torch.save({k: v for k, v in state.items() if k.startswith("backbone.")}, weights)
    out = val(capsys, "--cfg", tiny_cfg, "--weights", weights, "model.name=single_frame")
    assert "single frame" in out
    assert "T = " not in out


def test_overrides_before_between_and_after_options(val, base, run_here, capsys):
    val(capsys, "test.batch_size", "3", *base, "data.min_box_score=0.5", "--run-dir", "run",
        "data.max_gap", "2", "test.flip=true")  # fmt: skip
    cfg = load_config(run_here / "run" / "config.yaml")
    assert (cfg.test.batch_size, cfg.data.min_box_score, cfg.data.max_gap) == (3, 0.5, 2)
    assert cfg.test.flip


@pytest.mark.parametrize("boxes", ["null", "detections_coco_format.json"])
def test_real_frames(boxes, val, base, shared_dir, run_here, capsys):
    root = shared_dir / "data" / "posetrack18_real"
    overrides = [f"data.root={root}", f"data.val_detections={boxes}"]
    out = val(capsys, *base, "--run-dir", "run", *overrides, "data.missing_neighbors=repeat")
    row, protocol = out.splitlines()[1:]
    assert all(0 <= float(value) <= 100 for value in row.split())
    assert "annotations/val: 3 videos, 3 frames" in protocol
    source = "boxes: ground truth (14)" if boxes == "null" else f"boxes: {boxes}, score >= 0.2"
    assert source in protocol
    # the evaluator found the annotated people: 14, and all of them got a pose
    cfg = load_config(run_here / "run" / "config.yaml")
    _, people = read_people(cfg, "val")
    for video, crowd in people.items():
        predicted = json.loads((run_here / f"run/predictions/val/{video}.json").read_text())
        assert len(predicted["annotations"]) == len(crowd)
        assert [image["id"] for image in predicted["images"]] == [crowd[0].image_id]


def test_real_frames_lack_their_neighbours(refused, base, shared_dir, capsys):
    root = shared_dir / "data" / "posetrack18_real"
    line = refused("tools/val.py", [*base, f"data.root={root}"], capsys)
    assert f"{root}/images/val/003418_mpii_test/000001.jpg: neighbour frame not found" in line
    assert "data.missing_neighbors=repeat" in line


@pytest.mark.slow
def test_two_processes_write_the_files_of_one(val, base, run_two, run_here, capsys):
    boxes = "data.val_detections=detections/val.json"
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # the two processes have one each
    try:
        out = val(capsys, *base, "--run-dir", "one", boxes)
    finally:
        torch.set_num_threads(threads)
    run_two("tools/val.py", *base, "--run-dir", "two", boxes)
    one, two = (sorted((run_here / name / "predictions/val").iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert len(one) == 2
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()
    results = [(run_here / name / "results.json").read_bytes() for name in ("one", "two")]
    assert results[0] == results[1]
    assert out.splitlines()[2] in (run_here / "two" / "results.md").read_text()


class TestRefusals:
    def test_no_weights(self, refused, tiny_cfg, capsys):
        line = refused("tools/val.py", ["--cfg", tiny_cfg], capsys)
        assert line.startswith("error: --weights is missing: name a checkpoint")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "no weights file at bad.pth"),
            (b"", "bad.pth is empty"),
            (b"not a file of torch", "bad.pth is truncated or no weights file"),
        ],
    )
    def test_unreadable_weights(self, content, message, refused, tiny_cfg, run_here, capsys):
        if content is not None:
            (run_here / "bad.pth").write_bytes(content)
        line = refused("tools/val.py", ["--cfg", tiny_cfg, "--weights", "bad.pth"], capsys)
        assert message in line

    def test_weights_of_another_model(self, refused, base, capsys):
        line = refused("tools/val.py", [*base, "model.prf.channels=18"], capsys)
        assert "does not fit the model" in line

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("data.root=nowhere", "data.root: no such folder: nowhere"),
            ("data.val_detections=nowhere.json", "nowhere.json"),
            (
                "data.min_box_score=1.5",
                "detections/val.json: no person box is left to use; left out: ",
            ),
            ("test.precision=fp16", "fp16 needs CUDA"),
            ("data.crop_wh=[60, 64]", "the nearest size is [64, 64]"),
            ("test.flips=true", "unknown key; the nearest valid keys are test.flip"),
            ("test.flip", "test.flip"),
        ],
    )
    def test_config(self, override, message, refused, base, capsys):
        boxes = "data.val_detections=detections/val.json"
        assert message in refused("tools/val.py", [*base, boxes, override], capsys)

    def test_as_a_process(self, start_program, tiny_cfg):
        arguments = ["tools/val.py", "--cfg", tiny_cfg, "--weights", "nowhere.pth"]
        plain = start_program(*arguments)
        assert plain.wait() == 2
        (line,) = plain.said().splitlines()
        assert line.startswith("error: no weights file at nowhere.pth, and no weights of that name")
        shown = start_program(*arguments, DCPOSE_TRACEBACK="1")
        assert shown.wait() == 1
        assert "Traceback" in shown.said()
