"""scripts/results_table.py: rows, differences, undefined values, refusals."""

import json

import pytest

GROUPS = ("Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", "Total")


@pytest.fixture(scope="module")
def script(load_command):
    return load_command("scripts/results_table.py")


def write_run(folder, values):
    folder.mkdir()
    groups = dict(zip(GROUPS, values, strict=True))
    (folder / "results.json").write_text(json.dumps({"groups": groups}))
    return folder


def test_rows_and_difference_to_the_first(script, tmp_path):
    first = write_run(tmp_path / "a", [10, 20, 30, 40, 50, 60, 70, 40.04])
    second = write_run(tmp_path / "b", [11, 21, None, 41, 51, 61, 71, 43.0])
    lines = script.table([f"one={first}", f"two={second}"]).splitlines()
    assert lines[0].startswith("| model | Head | Shoulder | Elbow | Wrist | Hip | Knee | Ankle |")
    assert lines[2] == "| one | 10.0 | 20.0 | 30.0 | 40.0 | 50.0 | 60.0 | 70.0 | 40.0 |  |"
    assert lines[3] == "| two | 11.0 | 21.0 | - | 41.0 | 51.0 | 61.0 | 71.0 | 43.0 | +3.0 |"
    assert {line.count("|") for line in lines} == {11}


def test_refuses_runs_on_other_joints(script, tmp_path):
    first = write_run(tmp_path / "a", range(8))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "results.json").write_text(json.dumps({"groups": {"Hand": 1, "Total": 1}}))
    assert len(script.table([f"b={tmp_path / 'b'}"]).splitlines()) == 3
    with pytest.raises(ValueError, match=r"groups Hand, Total, expected Head, Shou"):
        script.table([f"a={first}", f"b={tmp_path / 'b'}"])


@pytest.mark.parametrize("run", ["name", "name=absent", "="])
def test_refuses_a_run_without_results(script, capsys, run):
    assert script.main([run]) == 2
    assert "run tools/val.py first" in capsys.readouterr().err
