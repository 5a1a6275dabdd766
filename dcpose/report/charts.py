"""The charts of a report, as SVG that scales with the page and keeps its text.

Each run has one colour throughout, from Okabe and Ito's palette for colour-blind readers, and one
dash pattern, so that lines differ without colour too.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dcpose.report.ablation_table import (
    Row,
    columns_of,
    difference,
    in_the_order_of_the_paper,
    published_change,
    reference_of,
    row_title,
    spread,
)
from dcpose.report.published import TOTAL
from dcpose.report.tables import Spread

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""By run, x and y."""

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: searchable, and read aloud
    "svg.hashsalt": "dcpose",  # the same page for the same run
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def colour(number: int) -> str:
    """Return the colour of the run with this number."""
    return COLOURS[number % len(COLOURS)]


def bars(columns: Sequence[str], values: Mapping[str, Sequence[float]], measure: str) -> str:
    """Draw AP by group of joints, or what stands in its place, a bar per run.

    Args:
        columns: groups of joints.
        values: by run, AP of every group in percent; NaN is left out.
        measure: what the axis is called: AP.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        axes = figure.add_subplot()
        width = 0.8 / max(1, len(values))
        places = np.arange(len(columns))
        for number, (name, row) in enumerate(values.items()):
            shift = (number - (len(values) - 1) / 2) * width
            drawn = axes.bar(places + shift, row, width * 0.92, color=colour(number), label=name)
            if len(values) <= 3:
                labels = ["" if math.isnan(value) else f"{value:.1f}" for value in row]
                axes.bar_label(drawn, labels, fontsize=7, padding=1)
        axes.set_xticks(places, columns)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel=measure, ylim=(0, 100))
        _legend(axes, len(values))
        return _svg(figure, "Average precision by group of joints")


def precision_recall(curves: Mapping[str, Mapping[str, np.ndarray]], recall: np.ndarray) -> str:
    """Draw a small panel per group of joints with a curve per run.

    Args:
        curves: by run, by group, precision in percent at `recall`.
        recall: (101,) in 0 .. 1.
    """
    groups = list(dict.fromkeys(group for own in curves.values() for group in own))
    columns = 4
    rows = max(1, -(-len(groups) // columns))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 2.4 * rows), layout="constrained")
        for place, group in enumerate(groups):
            axes = figure.add_subplot(rows, columns, place + 1)
            for number, (name, own) in enumerate(curves.items()):
                if group in own:
                    axes.plot(100 * recall, own[group], label=name, **_line(number))
            axes.set(title=group, xlim=(0, 100), ylim=(0, 102))
            axes.title.set_fontsize(10)
            if place % columns == 0:
                axes.set_ylabel("precision")
            if place >= len(groups) - columns:
                axes.set_xlabel("recall")
            if place == 0:
                _legend(axes, len(curves))
        return _svg(figure, "Precision over recall by group of joints")


def pckh(curves: Mapping[str, np.ndarray], limits: np.ndarray) -> str:
    """Draw the share of joints found within a distance, a curve per run.

    Args:
        curves: by run, percent of annotated joints at `limits`.
        limits: (L,) in head sizes.
    """
    series = {name: (limits.tolist(), own.tolist()) for name, own in curves.items()}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0.5, color="0.6", linewidth=1)
        axes.annotate("AP is counted here", (0.5, 2), (0.51, 2), fontsize=8, color="0.4")
        _lines(axes, series)
        axes.set(xlabel="distance in head sizes", ylabel="joints found, %", ylim=(0, 100))
        axes.set_xlim(0, float(limits[-1]))
        return _svg(figure, "PCKh: share of joints within a distance")


def ablation(rows: Sequence[Row]) -> str:
    """Draw mean AP of every variant and its difference to the reference; see `ablation_figure`."""
    with mpl.rc_context(_STYLE):
        return _svg(ablation_figure(rows), "Mean AP of each variant, and its difference")


def ablation_figure(rows: Sequence[Row]) -> Figure:
    """Draw the rows of an ablation from top to bottom; rows without a result stay empty.

    The left axes have mean AP over the seeds with its standard deviation, the right ones the
    difference to the reference, and that of the paper.

    Raises:
        ValueError: if there is no row.
    """
    if not rows:
        raise ValueError("expected at least one row to draw, got none")
    rows = in_the_order_of_the_paper(rows)
    reference = reference_of(rows)
    places = np.arange(len(rows))
    figure = Figure(figsize=(9.4, 1.6 + 0.36 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    total = columns_of(rows)[-1]
    _whiskers(left, places, [spread(row.groups, total) for row in rows])
    nothing = Spread(math.nan, math.nan)
    changes = [
        nothing if row is reference else difference(row.groups, reference.groups, total)
        for row in rows
    ]
    _whiskers(right, places, changes)
    published = [math.nan if row is reference else published_change(row) for row in rows]
    right.plot(
        published, places, "D", mfc="none", color=colour(1), label="published, PoseTrack2017 val"
    )
    right.axvline(0.0, color="0.2", linewidth=1)
    left.set_yticks(places, [row_title(row) for row in rows])
    left.set(xlabel="mean AP" if total == TOTAL else total, ylim=(len(rows) - 0.5, -0.5))
    right.set_xlabel(f"difference to {row_title(reference)}")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def _whiskers(axes: Axes, places: np.ndarray, values: Sequence[Spread]) -> None:
    means, deviations = ([getattr(value, name) for value in values] for name in ("mean", "std"))
    label = "here: mean over the seeds, bar: standard deviation"
    axes.errorbar(means, places, xerr=deviations, fmt="o", color=colour(0), label=label)


def over_time(loss: Series, validation: Series, measure: str) -> str:
    """Draw training loss (logarithmic) and validation, such as AP, over optimizer steps."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left = figure.add_subplot(1, 2, 1)
        _lines(left, loss)
        if any(value > 0 for _, values in loss.values() for value in values):
            left.set_yscale("log")
        left.set(xlabel="step", ylabel="training loss")
        right = figure.add_subplot(1, 2, 2)
        _lines(right, validation, marker="o")
        right.set(xlabel="step", ylabel=f"{measure} on val")
        return _svg(figure, f"Loss and {measure} over training")


def _lines(axes: Axes, series: Series, marker: str = "") -> None:
    for number, (name, (x, y)) in enumerate(series.items()):
        axes.plot(x, y, label=name, marker=marker, markersize=4, **_line(number))
    _legend(axes, len(series))


def _line(number: int) -> dict[str, Any]:
    return {"color": colour(number), "linestyle": DASHES[number % len(DASHES)], "linewidth": 1.6}


def _legend(axes: Axes, runs: int) -> None:
    if runs > 1:
        axes.legend(fontsize=8)


def _svg(figure: Figure, description: str) -> str:
    """Return the figure as an <svg> element that fills the width it is given."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    _, _, rest = buffer.getvalue().partition("<svg")
    _, _, content = rest.partition(">")
    width, height = 72 * figure.get_size_inches()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{description}">{content}'
    )
