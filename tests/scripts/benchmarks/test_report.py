"""Tables and result files."""

import json

from benchmarks.measure import Table
from benchmarks.report import to_markdown, write_results


def test_table():
    rows = [{"what": "a", "seconds": 1.234, "n": 7}, {"what": "b", "seconds": 0.00123, "n": None}]
    assert to_markdown(rows).splitlines() == [
        "| what | seconds | n |", "|---|---|---|", "| a | 1.23 | 7 |", "| b | 0.00123 |  |",
    ]  # fmt: skip


def test_files(tmp_path):
    table = Table("three frames", [{"what": "a", "seconds": 2.0}])
    write_results(tmp_path / "new", "data_cpu", "python x.py", {"cpu": "one"}, [table])
    content = json.loads((tmp_path / "new" / "data_cpu.json").read_text())
    assert content == {
        "command": "python x.py",
        "machine": {"cpu": "one"},
        "tables": [{"title": "three frames", "rows": [{"what": "a", "seconds": 2.0}]}],
    }
    markdown = (tmp_path / "new" / "data_cpu.md").read_text()
    assert markdown.splitlines() == [
        "`python x.py`", "", "**three frames**", "",
        "| what | seconds |", "|---|---|", "| a | 2.00 |", "", "cpu one",
    ]  # fmt: skip
