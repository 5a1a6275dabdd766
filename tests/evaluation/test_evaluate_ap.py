"""The command line scripts/evaluate_ap.py."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "evaluate_ap.py"


@pytest.fixture
def main(load_command):
    return load_command("scripts/evaluate_ap.py").main


@pytest.fixture
def arguments(build, write, tmp_path):
    """Two people, one of them found; a wrong one above in the ranking."""
    person = build.person18(0, 0, build.joint_column(), [0.5] * 17, bbox_head=build.HEAD)
    other = build.person18(0, 1, build.joint_column(900), bbox_head=build.HEAD)
    wrong = build.person18(0, 1, build.joint_column(500), [0.9] * 17)
    write("gt/a.json", build.video18([person, other]))
    write("pred/a.json", build.video18([person, wrong]))
    return ["--annotations", str(tmp_path / "gt"), "--predictions", str(tmp_path / "pred")]


def test_as_a_process(arguments, tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, str(SCRIPT), *arguments, "--json", str(out)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    header, row, *_ = run.stdout.splitlines()
    assert header.split()[0] == "Head"
    assert header.split()[-1] == "Mean"
    assert row.split() == ["25.0"] * 8  # 1 of 2 people, at precision 1/2
    assert json.loads(out.read_text())["total"] == 25


def test_as_a_process_with_bad_input(arguments, tmp_path):
    (tmp_path / "pred" / "a.json").write_text("{")
    command = [sys.executable, str(SCRIPT), *arguments]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"error: {tmp_path / 'pred' / 'a.json'}: not valid JSON")
    assert run.stderr.count("\n") == 1


def test_mota_on_demand(main, arguments, tmp_path, capsys):
    pytest.importorskip("motmetrics")
    out = tmp_path / "out.json"
    assert main([*arguments, "--json", str(out)]) == 0
    plain = json.loads(out.read_text())
    capsys.readouterr()
    assert main([*arguments, "--mota", "--json", str(out)]) == 0
    # one evaluated frame, which MOTA leaves out; one of two people is there, under one id
    assert "MOTA" in capsys.readouterr().out
    tracks = (measured := json.loads(out.read_text())).pop("tracks")
    assert measured == plain
    assert tracks["mota"] == [None] * 15
    assert tracks["id_switches"] == 0


def test_out_in_a_missing_folder(main, arguments, tmp_path, capsys):
    assert main([*arguments, "--json", str(tmp_path / "no" / "out.json")]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "no" / "out.json") in error
    assert error.count("\n") == 1


def test_unknown_option_ends_with_code_2(main, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--annotation", "x", "--wrong"])
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.fixture
def poseval(monkeypatch, tmp_path):
    """A stand-in for the official package with its two entry points; returns what it was given.

    The real package is not in the test environment; its numbers are in the golden cases.
    """
    folder = tmp_path / "packages" / "poseval"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "eval_helpers.py").write_text(
        "calls = []\n"
        "def load_data_dir(argv):\n"
        "    calls.append(argv)\n"
        "    print('progress')\n"
        "    return 'gt', 'pr'\n"
    )
    (folder / "evaluateAP.py").write_text(
        "import numpy as np\n"
        "ap = 25.0\n"
        "def evaluateAP(gt, pr, out, per_sequence, write):\n"
        "    assert (gt, pr, out, per_sequence, write) == ('gt', 'pr', None, False, False)\n"
        "    return np.full((16, 1), ap), np.full((16, 1), 50.0), np.full((16, 1), 50.0)\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    names = ("poseval", "poseval.eval_helpers", "poseval.evaluateAP")
    yield lambda name: importlib.import_module(f"poseval.{name}")
    for name in names:
        sys.modules.pop(name, None)


def test_with_poseval_that_agrees(main, arguments, poseval, capsys):
    assert main([*arguments, "--with-poseval"]) == 0
    captured = capsys.readouterr()
    assert "poseval agrees" in captured.out
    assert "progress" not in captured.out
    # it joins folder and file name as strings
    assert [folder[-1:] for folder in poseval("eval_helpers").calls[0]] == ["", "/", "/"]


def test_with_poseval_that_differs(main, arguments, poseval, capsys):
    poseval("evaluateAP").ap = 26.0
    assert main([*arguments, "--with-poseval"]) == 0
    out = capsys.readouterr().out
    assert out.count("poseval differs: ap of") == 15
    assert "nose: ours 25.000000, poseval 26.000000" in out


def test_with_poseval_that_stops(main, arguments, poseval, capsys):
    def fail(argv):
        raise AssertionError("two\nlines")

    poseval("eval_helpers").load_data_dir = fail
    assert main([*arguments, "--with-poseval"]) == 2
    assert capsys.readouterr().err == "error: poseval stopped: AssertionError: two lines\n"


def test_with_poseval_where_it_is_not_installed(main, arguments, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "poseval", None)
    assert main([*arguments, "--with-poseval"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --with-poseval: the package poseval cannot be imported")
    assert error.count("\n") == 1
