import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = str(REPOSITORY / "configs/posetrack18/dcpose_hrnet_w48.yaml")


@pytest.fixture
def check(load_command, tmp_path, monkeypatch):
    """Runs the command line with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = load_command("scripts/check_dataset.py")
    return lambda *arguments: command.main(["--cfg", CONFIG, *map(str, arguments)])


def test_a_healthy_set_with_report_and_sheet(check, sample_dir, tmp_path, capsys):
    report, sheet = tmp_path / "report.json", tmp_path / "sheets" / "sheet.png"
    assert check(f"data.root={sample_dir}", "--json", report, "--contact-sheet", sheet) == 0
    output = capsys.readouterr()
    assert "healthy: no problems" in output.out
    assert "val frames: 2 of 2 videos" in output.err
    content = json.loads(report.read_text())
    assert content["healthy"] is True
    assert [split["split"] for split in content["splits"]] == ["train", "val", "test"]
    assert list((tmp_path / "cache" / "dcpose").iterdir())
    picture = cv2.imread(str(sheet))
    # two columns and two rows of cells: train and val have two videos each, test nobody
    assert picture.shape[1] > 2 * 480
    assert picture.shape[0] > 2 * 320
    assert (picture == (60, 230, 255)).all(axis=2).sum() > 500  # boxes


def test_problems_give_one_and_allowed_ones_zero(check, sample_dir, tmp_path, capsys):
    root = shutil.copytree(sample_dir, tmp_path / "set")
    frame = root / "images/val/010001_mpii_test/000005.jpg"
    frame.write_bytes(frame.read_bytes()[:999])
    assert check(f"data.root={root}") == 1
    assert f"[unreadable-frame] {frame}: cut short" in capsys.readouterr().out
    assert check(f"data.root={root}", "--splits", "train") == 0
    assert check(f"data.root={root}", "--allow", "unreadable-frame") == 0
    shutil.copy(sample_dir / "images/val/010001_mpii_test/000005.jpg", frame)
    assert check(f"data.root={root}") == 0


def test_a_sheet_leaves_out_what_cannot_be_read(check, sample_dir, tmp_path, capsys):
    root = shutil.copytree(sample_dir, tmp_path / "set")
    for folder in ("images/train", "images/val"):
        shutil.rmtree(root / folder / sorted((root / folder).iterdir())[0].name)
    assert check(f"data.root={root}", "--contact-sheet", tmp_path / "sheet.png") == 1
    assert np.all(np.array(cv2.imread(str(tmp_path / "sheet.png")).shape[:2]) > (320, 480))
    shutil.rmtree(root / "images")
    assert check(f"data.root={root}", "--contact-sheet", tmp_path / "none.png") == 2
    assert "nothing to draw" in capsys.readouterr().err


def test_wrong_use_gives_two(check, tmp_path, capsys):
    assert check(f"data.root={tmp_path / 'nowhere'}") == 2
    assert "data.root: no such folder" in capsys.readouterr().err
    assert check(f"data.root={tmp_path}", "data.roof=1") == 2
    assert check(f"data.root={tmp_path}", "data.layout=coco") == 2


def test_the_real_frames_are_reported_with_what_they_lack(check, shared_dir, tmp_path, capsys):
    root = shared_dir / "data" / "posetrack18_real"
    report = tmp_path / "report.json"
    real = [f"data.root={root}", "data.val_detections=detections_coco_format.json"]
    assert check(*real, "--json", report) == 1
    content = json.loads(report.read_text())
    codes = [finding["code"] for finding in content["problems"]]
    # three single frames of clips: no train split, and no frame next to the labelled ones
    assert codes == ["layout", "missing-neighbor", "missing-neighbor", "missing-neighbor"]
    assert "which holds 1 of the 149 frames of the clip" in content["problems"][1]["found"]
    assert content["labels"] == "not recognised: 3 val videos (3 labelled frames)"

    single = [*real, "data.missing_neighbors=repeat", "--splits", "val", "--json", report]
    assert check(*single) == 0
    content = json.loads(report.read_text())
    assert content["problems"] == []
    (split,) = content["splits"]
    assert (split["videos"], split["people"], split["boxes"]) == (3, 14, 278)
    notes = {finding["code"]: finding for finding in content["notes"]}
    assert "74 in PoseTrack18 v0.2 (3,902)" in notes["counts"]["found"]
    assert notes["unannotated-video"]["where"].endswith("images/val/000001_mpiinew_test")
    assert "missing-neighbor" in notes


@pytest.mark.parametrize(
    "order",
    [
        ["--splits", "train", "val", "data.root={root}"],
        ["--splits", "train", "val", "data.root", "{root}"],
        ["--allow", "no-people", "data.root={root}", "--splits", "val"],
        ["data.root={root}", "--splits", "val", "data.max_gap=2", "--no-cache"],
    ],
)
def test_overrides_stand_anywhere(check, sample_dir, capsys, order):
    assert check(*(part.format(root=sample_dir) for part in order)) == 0
    assert "val frames: 2 of 2 videos" in capsys.readouterr().err


def test_unknown_splits_and_codes_are_named(check, capsys):
    for option, value in (("--splits", "vall"), ("--allow", "no-such-code")):
        with pytest.raises(SystemExit):
            check(option, value)
        assert f"argument {option}: found {value!r}, expected of " in capsys.readouterr().err
