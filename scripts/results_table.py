"""Print the results of several runs as one table, with the difference to the first.

python scripts/results_table.py NAME=RUN_DIR [NAME=RUN_DIR ...]
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import reports_user_errors
from dcpose.evaluation.evaluator import TITLE_OF


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN_DIR", help="folders of tools/val.py")
    print(table(parser.parse_args(argv).runs))
    return 0


def table(runs: Sequence[str]) -> str:
    """Return a Markdown table in the paper's layout; undefined values are dashes.

    Raises:
        ValueError: if a run is not given as NAME=RUN_DIR, has no results.json, or was evaluated
            on other groups of joints than the first.
    """
    lines: list[str] = []
    columns: list[str] = []
    first: float | None = None
    for run in runs:
        name, groups = _read(run)
        if not lines:
            columns = list(groups)
            titles = [TITLE_OF.get(group, group) for group in columns]
            lines = [
                "| model | " + " | ".join(titles) + " | difference |",
                "|---|" + " ---: |" * (len(titles) + 1),
            ]
        if list(groups) != columns:
            raise ValueError(f"{run}: groups {', '.join(groups)}, expected {', '.join(columns)}")
        values = list(groups.values())
        total = groups["Total"]
        change = "" if first is None or total is None else f"{total - first:+.1f}"
        first = total if first is None else first
        cells = ["-" if value is None else f"{value:.1f}" for value in values]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {change} |")
    return "\n".join(lines)


def _read(run: str) -> tuple[str, dict[str, float | None]]:
    name, _, folder = run.partition("=")
    path = Path(folder) / "results.json"
    if not folder or not path.is_file():
        raise ValueError(f"{run}: expected NAME=RUN_DIR with {path}; run tools/val.py first")
    return name, json.loads(path.read_text(encoding="utf-8"))["groups"]


if __name__ == "__main__":
    raise SystemExit(main())
