"""The ablation table as a picture (SVG): AP of every variant, and its difference to the reference.

Written as text, so no drawing library is needed; lengths are in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dcpose.report.ablation_table import (
    Row,
    Spread,
    difference,
    in_the_order_of_the_paper,
    reference_of,
    spread,
    title_of,
)
from dcpose.report.published import PUBLISHED, REFERENCE, TOTAL

LABELS_WIDTH, PANEL_WIDTH, GAP = 230, 300, 40
TOP, ROW_HEIGHT, BOTTOM = 66, 26, 46
OURS, PUBLISHED_COLOUR, GRID, TEXT = "#1f6fb2", "#d9822b", "#dddddd", "#222222"


@dataclass(frozen=True)
class Axis:
    """A linear axis from `left` to `left + PANEL_WIDTH`.

    Attributes:
        low: value at its left end.
        high: value at its right end.
        step: between ticks.
        left: where it starts.
    """

    low: float
    high: float
    step: float
    left: float

    @staticmethod
    def over(values: Sequence[float], left: float) -> Axis:
        """Return an axis that shows all values, with 3 to 8 ticks at round numbers."""
        middle, extent = (min(values) + max(values)) / 2, max(max(values) - min(values), 1.0)
        low, high = middle - extent / 2, middle + extent / 2
        power = 10.0 ** math.floor(math.log10(extent))
        step = next(power * f / 5 for f in (1, 2.5, 5, 10) if extent / (power * f / 5) <= 6)
        return Axis(step * math.floor(low / step), step * math.ceil(high / step), step, left)

    def x(self, value: float) -> float:
        """Return where a value lies."""
        share = (value - self.low) / (self.high - self.low)
        return self.left + PANEL_WIDTH * share

    @property
    def ticks(self) -> list[float]:
        """Values of the ticks."""
        count = round((self.high - self.low) / self.step)
        return [self.low + number * self.step for number in range(count + 1)]


def to_svg(rows: Sequence[Row]) -> str:
    """Return the picture; rows that have no result yet stay empty.

    Raises:
        ValueError: if there is no row.
    """
    if not rows:
        raise ValueError("expected at least one row to draw, got none")
    rows = in_the_order_of_the_paper(rows)
    reference = reference_of(rows)
    means = [spread(row, TOTAL) for row in rows]
    changes = [difference(row, reference) for row in rows]
    published = [_published_change(row) for row in rows]

    total_left, change_left = LABELS_WIDTH, LABELS_WIDTH + PANEL_WIDTH + GAP
    totals = Axis.over(_ends(means) or [0.0, 100.0], total_left)
    shown = [value for value in published if value is not None]
    differences = Axis.over([*_ends(changes), *shown, 0.0], change_left)
    base = TOP + ROW_HEIGHT * len(rows)

    parts = [
        *_panel(totals, "mean AP", base),
        *_panel(differences, f"difference to {title_of(reference)}", base),
        _line(differences.x(0.0), TOP, differences.x(0.0), base, TEXT),
        *_legend(),
    ]
    for number, row in enumerate(rows):
        y = TOP + ROW_HEIGHT * (number + 0.5)
        parts.append(_text(LABELS_WIDTH - 10, y + 4, title_of(row), "end"))
        parts += _mark(totals, means[number], y)
        if row is not reference:
            parts += _mark(differences, changes[number], y)
        if published[number] is not None:
            parts.append(_diamond(differences.x(published[number] or 0.0), y))
    width, height = change_left + PANEL_WIDTH + 30, base + BOTTOM
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _published_change(row: Row) -> float | None:
    if row.experiment not in PUBLISHED or row.experiment == REFERENCE:
        return None
    return PUBLISHED[row.experiment].ap[-1] - PUBLISHED[REFERENCE].ap[-1]


def _ends(values: Sequence[Spread]) -> list[float]:
    """Return both ends of all whiskers."""
    ends = []
    for value in values:
        if not math.isnan(value.mean):
            std = 0.0 if math.isnan(value.std) else value.std
            ends += [value.mean - std, value.mean + std]
    return ends


def _panel(axis: Axis, title: str, base: float) -> list[str]:
    parts = [_text(axis.left + PANEL_WIDTH / 2, base + 38, title, "middle")]
    for tick in axis.ticks:
        parts.append(_line(axis.x(tick), TOP, axis.x(tick), base, GRID))
        parts.append(_text(axis.x(tick), base + 18, f"{tick:g}", "middle"))
    return parts


def _legend() -> list[str]:
    y = 28
    return [
        f'<circle cx="{LABELS_WIDTH + 8}" cy="{y}" r="4" fill="{OURS}"/>',
        _text(LABELS_WIDTH + 18, y + 4, "here: mean over the seeds, bar: standard deviation"),
        _diamond(LABELS_WIDTH + PANEL_WIDTH + GAP + 8, y),
        _text(LABELS_WIDTH + PANEL_WIDTH + GAP + 18, y + 4, "published, PoseTrack2017 val"),
    ]


def _mark(axis: Axis, value: Spread, y: float) -> list[str]:
    if math.isnan(value.mean):
        return []
    parts = [f'<circle cx="{axis.x(value.mean):.1f}" cy="{y:.1f}" r="4" fill="{OURS}"/>']
    if not math.isnan(value.std):
        ends = axis.x(value.mean - value.std), axis.x(value.mean + value.std)
        parts.append(_line(ends[0], y, ends[1], y, OURS, 2))
    return parts


def _diamond(x: float, y: float) -> str:
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -5), (5, 0), (0, 5), (-5, 0)))
    return f'<polygon points="{points}" fill="none" stroke="{PUBLISHED_COLOUR}" stroke-width="2"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{TEXT}">{escape(text)}</text>'
    )
