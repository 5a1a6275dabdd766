"""scripts/propagation_table.py: what labels on neighbours are worth."""

import json

import pytest

from dcpose import load_config


@pytest.fixture
def arguments(tiny_cfg, data_folder, tmp_path):
    """A data set of six frames, all labelled, of two people; val is the same."""
    data_folder.add_video("000001_mpii_a", num_frames=8, people=2)
    return [
        "--cfg", str(tiny_cfg), "--device", "cpu", "--out", str(tmp_path / "out"),
        f"data.root={tmp_path}", "data.train_annotations=annotations",
        "data.val_annotations=annotations", "data.val_detections=null", "train.epochs=1",
        "data.workers=0", "train.batch_size=32",
    ]  # fmt: skip


def test_every_fourth_frame(load_command, tiny_cfg, arguments, tmp_path):
    script = load_command("scripts/propagation_table.py")
    cfg = load_config(tiny_cfg, [a for a in arguments if a.startswith("data.") and "sets" not in a])
    assert script.thin(cfg, 4, tmp_path / "thin") == 4
    content = json.loads((tmp_path / "thin" / "000001_mpii_a.json").read_text())
    assert len(content["images"]) == 8
    assert {entry["image_id"] % 100 for entry in content["annotations"]} == {0, 4}


@pytest.mark.slow
def test_a_table(load_command, arguments, tmp_path, capsys):
    script = load_command("scripts/propagation_table.py")
    assert script.main([*arguments, "--every", "4", "--min-score", "0"]) == 0
    lines = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert lines[2].startswith("| 1/4 | 4 |")
    for run in ("run_4", "run_4_both"):
        assert (tmp_path / "out" / run / "results.json").exists()
    assert script.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
