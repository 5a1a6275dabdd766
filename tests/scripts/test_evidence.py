"""scripts/evidence.py on the sample: it measures from kept frames what validation measures."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from benchmarks.evidence_rows import HRNET, ROWS, TABLE_5, VIT, EvidenceRow
from benchmarks.kept_windows import batches_to_predict
from dcpose.data.clip import ClipOptions
from dcpose.jobs.validate import validate
from dcpose.report.probe import TIES, read_joints, share_moved

HEATMAPS = SimpleNamespace(encodes="heatmaps", used=slice(None))
"""What takes the heatmaps of all frames of a clip."""

RECIPE = ["train.batch_size=25", "train.ema_decay=0.5", "optim.lr=0.03"]


@pytest.fixture(scope="module")
def tiny_rows(tmp_path_factory, tiny_cfg, tiny_weights):
    """Rows in the place of the real ones: the single frame, a mean, a DCPose, a TAR."""
    tiny = yaml.safe_load(tiny_cfg.read_text())
    alone = tiny["model"]["backbone"]
    backbone = {**alone, "frozen": True, "weights": str(tiny_weights)}
    models = {
        "single": {"name": "single_frame", "backbone": alone},
        "dcpose": {**tiny["model"], "backbone": backbone},
        "tar": {
            "name": "tar",
            "backbone": backbone,
            "jta": {"layers": 1, "heads": 2, "threshold": None},
        },
    }
    folder = tmp_path_factory.mktemp("rows")
    for name, model in models.items():
        own = {**tiny, "experiment": name, "model": model}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(own))
    rows = {
        "single_frame_hrnet": EvidenceRow("alone", f"{folder}/single.yaml", averaged=1),
        "mean": EvidenceRow("mean", f"{folder}/single.yaml", averaged=3),
        "dcpose_hrnet_tuned": EvidenceRow(
            "DCPose", f"{folder}/dcpose.yaml", ("data.max_gap=2", *RECIPE)
        ),
        "tar": EvidenceRow("TAR", f"{folder}/tar.yaml", ("data.offsets=[-1,0,1]", *RECIPE)),
    }
    before = dict(ROWS)
    ROWS.clear()
    ROWS.update(rows)
    yield rows
    ROWS.clear()
    ROWS.update(before)


@pytest.fixture(scope="module")
def script(load_command, tiny_rows):
    return load_command("scripts/evidence.py")


@pytest.fixture(scope="module")
def arguments(script, tmp_path_factory, tiny_rows):
    """Words of the command line that has been run, with its folder `out` and table `evidence`."""
    folder = tmp_path_factory.mktemp("evidence")
    words = ["--out", str(folder / "out"), "--windows", str(folder / "kept"), "--probe", "--costs"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.evidence_table.HRNET", tiny_rows)
        patch.setattr("benchmarks.evidence_costs.ROUNDS", 1)
        assert script.main([*words, "--table", str(folder / "evidence")]) == 0
    return words


@pytest.fixture
def folder(arguments, tmp_path_factory):
    return next(tmp_path_factory.getbasetemp().glob("evidence*"))


def test_every_row_is_a_config():
    for rows in (HRNET, VIT, TABLE_5):
        configs = {name: row.load(3) for name, row in rows.items()}
        backbones = {str(cfg.model.backbone.weights) for cfg in configs.values()} - {"None"}
        assert len(backbones) == 1, "rows of one table stand on one backbone"
        assert {cfg.seed for cfg in configs.values()} == {3}
    assert len(TABLE_5) == 13
    assert TABLE_5["ablation_dilations_3_6"].load(0).model.pcn.dilations == (1, 2)
    assert len(TABLE_5["ablation_complete"].load(0).model.pcn.dilations) == 5


def test_replaced_neighbours(script, arguments, folder, run_here):
    _, val = script.kept_splits("hrnet", folder / "kept")
    options = ClipOptions(frames=(-2, -1, 0, 1, 2))
    kinds = ("as_is", "current", "reversed", "other_video")
    as_is, current, backward, foreign = (
        torch.cat([b.encoded for b in batches_to_predict(val, options, HEATMAPS, kind)])
        for kind in kinds
    )
    assert torch.equal(current, as_is[:, 2:3].expand_as(as_is))
    assert torch.equal(backward, as_is.flip(1))
    assert torch.equal(foreign[:, 2], as_is[:, 2])
    assert torch.equal(foreign[:, [0, 1, 3, 4]], as_is[list(val.lent)][:, [0, 1, 3, 4]])
    neighbors = ClipOptions(max_gap=3)
    gaps = [
        torch.cat([batch.gaps for batch in batches_to_predict(val, neighbors, HEATMAPS, kind)])
        for kind in kinds
    ]
    assert torch.equal(gaps[2], gaps[0].flip(1))
    assert gaps[0].max() == 3


@pytest.mark.parametrize(
    ("name", "kind"), [("dcpose_hrnet_tuned", "other_video"), ("tar", "reversed")]
)
def test_measures_what_validation_measures(name, kind, folder, run_here):
    trial = folder / "out" / name / "seed0"
    cfg = ROWS[name].load(0, (f"test.neighbors={kind}", "test.fast=false"))
    weights = str(trial / "checkpoints" / "last.pt")
    result, _ = validate(cfg, torch.device("cpu"), weights, run_here / "val")
    found = json.loads((trial / f"{kind}.json").read_text())
    expected = read_joints(run_here / "val" / "predictions" / "val")
    assert share_moved(expected, read_joints(trial / "predictions" / kind)) < 0.05  # float16
    moved = share_moved(expected, read_joints(trial / "predictions" / "as_is"))
    assert found["moved"] == pytest.approx(moved, abs=0.05)
    assert moved > 0.1 or name == "tar", "a tiny TAR hardly moves"
    assert found["groups"]["Total"] == pytest.approx(result.total, abs=0.5)


def test_tables(folder):
    text = (folder / "evidence_tables.md").read_text()
    titles = [line.split(" | ")[0][2:] for line in text.splitlines() if line.startswith("| ")]
    assert titles == 2 * ["row", "alone", "mean", "DCPose", "TAR"]
    content = json.loads((folder / "evidence.json").read_text())
    costs = {name: cost["mmac"] for name, cost in content["costs"].items()}
    assert costs["mean"] == pytest.approx(3 * costs["single_frame_hrnet"])
    assert costs["dcpose_hrnet_tuned"] > costs["mean"]
    seeds = {name: row["seeds"]["0"] for name, row in content["rows"].items()}
    alone = seeds["single_frame_hrnet"]
    assert alone["other_video"] == alone["as_is"]
    assert seeds["tar"]["reversed"]["moved"] <= TIES


def test_repeats_nothing(script, arguments, monkeypatch):
    monkeypatch.setattr(script, "trained", None)
    monkeypatch.setattr(script, "measured", None)
    assert script.main(arguments[:-1]) == 0


def test_windows_give_the_frames_of_a_clip(script, arguments, folder, run_here):
    train, val = script.kept_splits("hrnet", folder / "kept")
    assert all(
        val.people[other].video != person.video
        for person, other in zip(val.people, val.lent, strict=True)
    )
    first = min(range(len(train.people)), key=lambda index: train.people[index].frame)
    before = train.people[first].frame - min(train.usable[train.people[first].video])
    maps = train.encoded["heatmaps"][0][first]
    assert before < 4
    assert all(np.array_equal(maps[4 - before], maps[place]) for place in range(4 - before))
    assert not np.array_equal(maps[4], maps[5])


def test_refusals(script, arguments, folder, run_here, capsys):
    (folder / "kept" / "hrnet" / "val" / "key.json").write_text("{}")
    script.kept_splits.cache_clear()
    assert script.main(["mean", "--out", "elsewhere", *arguments[2:4]]) == 2
    assert "holds encodings of another backbone" in capsys.readouterr().err
    assert script.main(["dcpose"]) == 2
    assert "no row is called dcpose" in capsys.readouterr().err
