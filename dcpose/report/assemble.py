"""From what runs left on disk to the sections of a page."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from dcpose.evaluation.curves import PCKH_LIMITS, RECALL_STEPS, Curves
from dcpose.evaluation.evaluator import GROUP_TITLES
from dcpose.report import charts
from dcpose.report.page import Chart, Sweep
from dcpose.report.results import Protocol
from dcpose.report.run_files import RunRecord
from dcpose.report.tables import Table


def check_comparable(runs: Sequence[RunRecord]) -> None:
    """Raise ValueError if two runs have the same name, or were measured on other groups."""
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two runs are called {twice!r}; name them apart with NAME=RUN")
    for run in runs:
        if list(groups_of(run)) != list(groups_of(runs[0])):
            raise ValueError(
                f"{run.evaluation / 'results.json'}: has {', '.join(groups_of(run))}, expected "
                f"{', '.join(groups_of(runs[0]))} as {runs[0].name}; make a report of each metric"
            )


def groups_of(run: RunRecord) -> dict[str, float | None]:
    """Return AP by group of joints, or the figures of other measures by name.

    Raises:
        ValueError: if the results hold none.
    """
    groups = run.results.get("groups")
    if not isinstance(groups, dict) or not groups:
        raise ValueError(
            f"{run.evaluation / 'results.json'}: has no groups of joints, expected the file of "
            f"tools/val.py; measure the run again"
        )
    return dict(groups)


def protocol_line(run: RunRecord) -> str:
    """Return what the AP was measured under, in the words of `Protocol`.

    Another version's protocol, which has other parts, is told by their names and values.
    """
    protocol = run.results.get("protocol", {})
    try:
        return Protocol(**protocol).line()
    except TypeError:
        return " · ".join(f"{key.replace('_', ' ')}: {part}" for key, part in protocol.items())


def make_charts(runs: Sequence[RunRecord], curves: Mapping[str, Curves]) -> list[Chart]:
    """Return the charts that the runs have data for.

    Args:
        runs: at least one.
        curves: by run, those that could be measured.
    """
    headline = str(runs[0].results.get("headline", "AP"))  # or AUC, or PCK
    # errors in pixels have another scale
    columns = [column for column in groups_of(runs[0]) if not column.endswith(" px")]
    values = {run.name: [_number(groups_of(run)[column]) for column in columns] for run in runs}
    titles = [GROUP_TITLES.get(column, column) for column in columns]
    by_joint = headline != "AUC"
    made = [
        Chart(
            f"{headline} by joint" if by_joint else "Measures",
            charts.bars(titles, values, headline if by_joint else "%"),
            "One bar per run; "
            + ("the last group is the mean over all joints." if by_joint else "all in percent."),
        )
    ]
    if curves:
        made += [
            Chart(
                "Precision and recall",
                charts.precision_recall({k: v.precision for k, v in curves.items()}, RECALL_STEPS),
                "AP is the area under the curve. Where it falls early, confident joints are wrong; "
                "where it ends early, joints are missing.",
            ),
            Chart(
                "PCKh",
                charts.pckh({name: own.pckh for name, own in curves.items()}, PCKH_LIMITS),
                "Share of annotated joints found within a distance, whatever their score.",
            ),
        ]
    loss = _over_steps(runs, "loss", of_steps=True)
    if loss:
        made.append(
            Chart(
                "Training",
                charts.over_time(loss, _over_steps(runs, headline, of_steps=False), headline),
                f"Loss of each logged interval, and {headline} of each validation, by optimizer "
                "step.",
            )
        )
    return made


def _over_steps(
    runs: Sequence[RunRecord], key: str, of_steps: bool
) -> dict[str, tuple[list[float], list[float]]]:
    series = {}
    for run in runs:
        lines = run.steps if of_steps else run.epochs
        points = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
        # a run without any keeps its place, so that every run has one colour in all charts
        series[run.name] = ([float(x) for x, _ in points], [float(y) for _, y in points])
    return series if any(x for x, _ in series.values()) else {}


def read_sweep(folder: Path) -> Sweep:
    """Read the table and the chart that scripts/ablate.py wrote.

    Raises:
        ValueError: if there is no table.
    """
    path, chart = folder / "table.md", folder / "table.svg"
    if not path.is_file():
        raise ValueError(f"{path}: no such file, expected the --out folder of scripts/ablate.py")
    try:
        table = Table.from_markdown(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; run scripts/ablate.py again") from None
    picture = ""
    if chart.is_file():
        content = base64.b64encode(chart.read_bytes()).decode()
        # as a picture, not as part of the page: a picture runs no scripts
        picture = f"data:image/svg+xml;base64,{content}"
    return Sweep(str(folder), table, picture)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
