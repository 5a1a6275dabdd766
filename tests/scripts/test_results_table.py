"""scripts/results_table.py: rows, differences, undefined values, refusals."""

import json

import pytest

GROUPS = ("Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", "Total")


@pytest.fixture(scope="module")
def script(load_command):
    return load_command("scripts/results_table.py")


def write_run(folder, values, subsets=None):
    folder.mkdir()
    content = {"groups": dict(zip(GROUPS, values, strict=True))}
    if subsets is not None:
        content["subsets"] = {
            name: {"people": people, "total": total} for name, (people, total) in subsets.items()
        }
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def test_rows_and_difference_to_the_first(script, tmp_path):
    first = write_run(tmp_path / "a", [10, 20, 30, 40, 50, 60, 70, 40.04])
    second = write_run(tmp_path / "b", [11, 21, None, 41, 51, 61, 71, 43.0])
    lines = script.tables([f"one={first}", f"two={second}"]).splitlines()
    assert lines[0].startswith("| model | Head | Shoulder | Elbow | Wrist | Hip | Knee | Ankle |")
    assert lines[2] == "| one | 10.0 | 20.0 | 30.0 | 40.0 | 50.0 | 60.0 | 70.0 | 40.0 |  |"
    assert lines[3] == "| two | 11.0 | 21.0 | - | 41.0 | 51.0 | 61.0 | 71.0 | 43.0 | +3.0 |"
    assert {line.count("|") for line in lines} == {11}


def test_refuses_runs_on_other_joints(script, tmp_path):
    first = write_run(tmp_path / "a", range(8))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "results.json").write_text(json.dumps({"groups": {"Hand": 1, "Total": 1}}))
    assert len(script.tables([f"b={tmp_path / 'b'}"]).splitlines()) == 3
    with pytest.raises(ValueError, match=r"groups Hand, Total, expected Head, Shou"):
        script.tables([f"a={first}", f"b={tmp_path / 'b'}"])


def test_seeds_give_mean_and_spread_of_differences(script, tmp_path):
    runs = {
        name: write_run(tmp_path / name, [10.0] * 7 + [total])
        for name, total in {"a0": 50, "a1": 54, "b0": 53, "b1": 58, "c0": 57}.items()
    }
    models = ["a={a0},{a1}", "b={b0},{b1}", "c={c0}"]
    lines = script.tables([model.format(**runs) for model in models]).splitlines()
    # sample standard deviations: 4 / sqrt 2, 5 / sqrt 2; the differences are 3 and 4
    assert lines[2].endswith("| 52.0 ± 2.8 |  |")
    assert lines[3].endswith("| 55.5 ± 3.5 | +3.5 ± 0.7 |")
    assert lines[4].endswith("| 57.0 | +5.0 |")


def test_subsets_make_a_second_table(script, tmp_path):
    first = write_run(tmp_path / "a", range(8), {"clean": (9, 70.0), "motion_blur": (4, 40.0)})
    second = write_run(tmp_path / "b", range(8), {"clean": (9, 71.5), "motion_blur": (4, None)})
    lines = script.tables([f"one={first}", f"two={second}"]).splitlines()
    assert lines[5:] == [
        "| mean AP (people) | clean (9) | rapid motion (4) |",
        "|---| ---: | ---: |",
        "| one | 70.0 | 40.0 |",
        "| two | 71.5 (+1.5) | - |",
    ]


def test_refuses_other_subsets(script, tmp_path):
    first = write_run(tmp_path / "a", range(8), {"clean": (9, 70.0)})
    second = write_run(tmp_path / "b", range(8), {"clean": (8, 70.0)})
    with pytest.raises(ValueError, match=r"subsets \{'clean': 8\}, expected \{'clean': 9\}"):
        script.tables([f"one={first}", f"two={second}"])
    with pytest.raises(ValueError, match=r"subsets \{\}, expected \{'clean': 9\}"):
        script.tables([f"one={first}", f"two={write_run(tmp_path / 'c', range(8))}"])


@pytest.mark.parametrize("run", ["name", "name=absent", "="])
def test_refuses_a_run_without_results(script, capsys, run):
    assert script.main([run]) == 2
    assert "run tools/val.py first" in capsys.readouterr().err
