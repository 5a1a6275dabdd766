"""scripts/benchmark.py: every suite runs in small, and refusals."""

import json

import pytest

from benchmark import SUITES, main


@pytest.mark.usefixtures("start_program")  # its server forks the processes of suite train, too
@pytest.mark.parametrize("suite", sorted(SUITES))
def test_suites_run_in_small(suite, tmp_path, capsys):
    arguments = ["--suite", suite, "--device", "cpu", "--runs", "1", "--smoke"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / f"{suite}_cpu.json").read_text())
    assert content["command"].startswith(f"python scripts/benchmark.py --suite {suite}")
    assert content["machine"]["copy_gb_s"] > 0
    printed = capsys.readouterr().out
    assert (tmp_path / f"{suite}_cpu.md").read_text() in printed
    for table in content["tables"]:
        assert table["title"] in printed
        times = ("seconds", "ms_per", "cpu_ms")
        seconds = [row[key] for row in table["rows"] for key in row if key.startswith(times)]
        assert seconds
        assert min(seconds) > 0


def test_refusals(capsys):
    assert main(["--suite", "evaluator", "--runs", "0"]) == 2
    assert "--runs must be at least 1, got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--suite", "evaluator_"])
