"""Print the results of several models as one table, with the difference to the first.

python scripts/results_table.py NAME=RUN_DIR [NAME=RUN_DIR ...]

Several seeds of a model, NAME=RUN_DIR,RUN_DIR,..., give means with their sample standard
deviation; differences are taken seed by seed, in the order given. Where results have subsets of
the people, a second table holds the mean AP of each.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcpose.cli import reports_user_errors
from dcpose.evaluation.evaluator import TITLE_OF
from dcpose.evaluation.subsets import title_of

Values = list[float | None]
"""One AP per seed, None where it is not defined."""


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="+", metavar="NAME=RUN_DIR[,RUN_DIR...]", help="folders of tools/val.py"
    )
    print(tables(parser.parse_args(argv).runs))
    return 0


def tables(runs: Sequence[str]) -> str:
    """Return the tables in Markdown: groups of joints, and subsets of the people if there are any.

    Raises:
        ValueError: if a run is not given as NAME=RUN_DIR, has no results.json, or was evaluated
            on other groups of joints, or other subsets of people, than the first.
    """
    models = [_read(run) for run in runs]
    for run, (_, contents) in zip(runs, models, strict=True):
        for content in contents:
            _check_like(content, models[0][1][0], run)
    parts = [table(models)]
    if _subsets(models[0][1][0]):
        parts.append(subset_table(models))
    return "\n\n".join(parts)


Model = tuple[str, list[dict[str, Any]]]
"""Name of a model, and the content of results.json of each seed."""


def table(models: Sequence[Model]) -> str:
    """Return the table in the paper's layout; undefined values are dashes."""
    columns = list(models[0][1][0]["groups"])
    titles = [TITLE_OF.get(group, group) for group in columns]
    lines = [
        "| model | " + " | ".join(titles) + " | difference |",
        "|---|" + " ---: |" * (len(titles) + 1),
    ]
    first = _column(models[0], "Total")
    for position, model in enumerate(models):
        cells = [_cell(_column(model, group)) for group in columns]
        change = _change(_column(model, "Total"), first) if position else ""
        lines.append(f"| {model[0]} | " + " | ".join(cells) + f" | {change} |")
    return "\n".join(lines)


def subset_table(models: Sequence[Model]) -> str:
    """Return a table of the mean AP of every subset, differences to the first model behind it."""
    subsets = _subsets(models[0][1][0])
    titles = [f"{title_of(name)} ({people})" for name, people in subsets.items()]
    lines = [
        "| mean AP (people) | " + " | ".join(titles) + " |",
        "|---|" + " ---: |" * len(titles),
    ]
    for position, model in enumerate(models):
        cells = []
        for name in subsets:
            values = [content["subsets"][name]["total"] for content in model[1]]
            first = [content["subsets"][name]["total"] for content in models[0][1]]
            change = _change(values, first) if position else ""
            cells.append(f"{_cell(values)} ({change})" if change else _cell(values))
        lines.append(f"| {model[0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _column(model: Model, group: str) -> Values:
    return [content["groups"][group] for content in model[1]]


def _cell(values: Values) -> str:
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return "-"
    return _mean_and_spread(defined, "")


def _change(values: Values, first: Values) -> str:
    """Return the difference, seed by seed where there are as many; nothing if undefined."""
    if None in values or None in first:
        return ""
    ours = [value for value in values if value is not None]
    theirs = [value for value in first if value is not None]
    if len(ours) == len(theirs):
        return _mean_and_spread([a - b for a, b in zip(ours, theirs, strict=True)], "+")
    return f"{statistics.mean(ours) - statistics.mean(theirs):+.1f}"


def _mean_and_spread(values: list[float], sign: str) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.1f}{spread}"


def _subsets(content: dict[str, Any]) -> dict[str, int]:
    """Return the number of people of each subset."""
    return {name: part["people"] for name, part in content.get("subsets", {}).items()}


def _check_like(content: dict[str, Any], first: dict[str, Any], run: str) -> None:
    groups, expected = list(content["groups"]), list(first["groups"])
    if groups != expected:
        raise ValueError(f"{run}: groups {', '.join(groups)}, expected {', '.join(expected)}")
    if (found := _subsets(content)) != (wanted := _subsets(first)):
        raise ValueError(
            f"{run}: people of subsets {found}, expected {wanted} as in the first run; evaluate "
            "all runs on the same annotations with tools/val.py"
        )


def _read(run: str) -> Model:
    name, _, folders = run.partition("=")
    contents = []
    for folder in folders.split(","):
        path = Path(folder) / "results.json"
        if not folder or not path.is_file():
            raise ValueError(f"{run}: expected NAME=RUN_DIR with {path}; run tools/val.py first")
        contents.append(json.loads(path.read_text(encoding="utf-8")))
    return name, contents


if __name__ == "__main__":
    raise SystemExit(main())
