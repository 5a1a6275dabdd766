"""Tables and charts of runs."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from dcpose.evaluation.curves import PCKH_LIMITS, RECALL_STEPS, Curves
from dcpose.report.assemble import check_comparable, make_charts, protocol_line
from dcpose.report.comparison import Model, group_table, subset_comparison
from dcpose.report.results import Protocol
from dcpose.report.run_files import RunRecord


def run(name="a", total=50.0, steps=(), epochs=(), **results) -> RunRecord:
    return RunRecord(
        name=name,
        folder=Path(name),
        evaluation=Path(name),
        results={"groups": {"Head": None, "Total": total}, **results},
        config_file=Path(name) / "config.yaml",
        config={},
        environment={},
        steps=list(steps),
        epochs=list(epochs),
    )


def models(*runs):
    return [Model(own.name, [own.results]) for own in runs]


def test_rows_have_the_difference_to_the_first_run():
    table = group_table("run", models(run("a", 50.0), run("b", 53.25), run("c", None)))
    assert table.titles == ["run", "Head", "Mean", "difference"]
    assert table.rows[0] == ["a", "-", "50.0", ""]
    assert table.rows[1] == ["b", "-", "53.2", "+3.2"]
    assert table.rows[2] == ["c", "-", "-", ""]


def test_one_run_has_no_difference():
    assert group_table("run", models(run())).titles == ["run", "Head", "Mean"]


def test_subsets_are_columns_with_their_number_of_people():
    parts = {"motion_blur": {"people": 7, "total": 31.0}, "clean": {"people": 9, "total": None}}
    table = subset_comparison("run", models(run("a", subsets=parts), run("b")), show_changes=False)
    assert table.titles == ["run", "rapid motion (7)", "clean (9)"]
    assert table.rows == [["a", "31.0", "-"], ["b", "-", "-"]]
    assert subset_comparison("run", models(run()), show_changes=False) is None


def test_protocol_in_words():
    protocol = Protocol(
        annotations="gt", metric="PCKh", boxes="ground truth", min_box_score=None,
        joint_score="heatmap", flip=False, oks_nms=None, decoding="argmax", precision="fp32",
        crop_wh=(64, 96), clip_frames=3, max_gap=1, num_videos=2, num_frames=3,
        num_boxes=4, weights="best.pt", weights_hash="abcd",
    )  # fmt: skip
    on_disk = json.loads(json.dumps(asdict(protocol)))
    line = protocol_line(run(protocol=on_disk))
    assert line == protocol.line()
    parts = line.split(" · ")
    assert {"flip: off", "OKS-NMS: off", "crop 64x96", "boxes: ground truth (4)"} <= set(parts)


def test_protocol_of_another_version_is_told_all_the_same():
    line = protocol_line(run(protocol={"joint_score": "heatmap", "crop_wh": [64, 96]}))
    assert line == "joint score: heatmap · crop wh: [64, 96]"


def test_charts_follow_the_data():
    assert [chart.title for chart in make_charts([run()], {})] == ["AP by joint"]
    curves = Curves({"Head": np.zeros(len(RECALL_STEPS))}, np.zeros(len(PCKH_LIMITS)))
    trained = run(
        "b",
        steps=[{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}],
        epochs=[{"step": 2, "AP": 3.0}, {"step": 4}],
    )
    titles = [chart.title for chart in make_charts([trained], {"b": curves})]
    assert titles == ["AP by joint", "Precision and recall", "PCKh", "Training"]


def test_pixel_errors_have_a_table_and_charts_of_their_own():
    groups = {"mean px": 3.5, "PCK@0.2": 98.0, "AUC": 80.0}
    trained = run(
        headline="AUC",
        groups=groups,
        steps=[{"step": 1, "loss": 0.5}],
        epochs=[{"step": 2, "AUC": 80.0}],
    )
    assert group_table("run", models(trained)).titles == ["run", "mean px", "PCK@0.2", "AUC"]
    measures, training = make_charts([trained], {})
    assert (measures.title, training.title) == ("Measures", "Training")
    assert "PCK@0.2" in measures.svg
    assert "mean px" not in measures.svg
    assert "AUC on val" in training.svg
    assert "AUC of each validation" in training.caption


def test_runs_that_cannot_stand_side_by_side():
    with pytest.raises(ValueError, match="two runs are called 'a'"):
        check_comparable([run(), run()])
    other = run("b", groups={"AP": 1.0})
    with pytest.raises(ValueError, match="has AP, expected Head, Total as a"):
        check_comparable([run(), other])
    with pytest.raises(ValueError, match="no groups of joints"):
        check_comparable([run(groups={})])
