"""One kind of table for everything that is shown: as text, as Markdown, as HTML."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import takewhile

MIN_WIDTH = 8
"""Characters of a column of numbers in text, so that tables above each other line up."""


@dataclass(frozen=True)
class Table:
    """Rows of text under titles.

    Attributes:
        titles: of the columns.
        rows: cells, as many in each row as there are titles.
        names: columns at the left that hold names; they are aligned to the left, numbers to the
            right.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1

    def text(self) -> str:
        """Return lines of equal length, for a terminal or a log."""
        lines = [self.titles, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            [
                f"{cell:<{width}}" if place < self.names else f"{cell:>{max(width, MIN_WIDTH)}}"
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        ]
        return "\n".join(map(" ".join, padded))

    def markdown(self) -> str:
        """Return the lines of a Markdown table."""
        rule = "---|" * self.names + " ---: |" * (len(self.titles) - self.names)
        titles, *rows = (f"| {' | '.join(line)} |" for line in (self.titles, *self.rows))
        return "\n".join([titles, f"|{rule}", *rows])

    def html(self, caption: str) -> str:
        """Return a table that scrolls sideways where the page is narrow; all text is escaped."""
        titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in self.titles)
        kinds = ['<th scope="row">{}</th>'] * self.names + ["<td>{}</td>"] * len(self.titles)
        rows = [
            "".join(kind.format(escape(cell)) for kind, cell in zip(kinds, row, strict=False))
            for row in self.rows
        ]
        caption = escape(caption)
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">\n'
            f'<table>\n<caption class="hidden">{caption}</caption>\n'
            f"<thead><tr>{titles}</tr></thead>\n<tbody>\n"
            + "".join(f"<tr>{row}</tr>\n" for row in rows)
            + "</tbody>\n</table>\n</div>"
        )

    @staticmethod
    def from_markdown(text: str) -> Table:
        """Read the table that a text begins with.

        Raises:
            ValueError: if it does not begin with one.
        """
        lines = takewhile(lambda line: line.startswith("|"), text.splitlines())
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if len(cells) < 2:
            raise ValueError("holds no table")
        return Table(cells[0], cells[2:])


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation; NaN for no value, and for the deviation of one."""

    mean: float
    std: float

    def __str__(self) -> str:
        """As `80.1 ± 0.2`, without the deviation where there is none."""
        return f"{self}"

    def __format__(self, sign: str) -> str:
        """As `str`; with the sign "+" as `+0.3 ± 0.2`."""
        if math.isnan(self.mean):
            return "-"
        return f"{self.mean:{sign}.1f}" + ("" if math.isnan(self.std) else f" ± {self.std:.1f}")

    @staticmethod
    def of(values: Sequence[float | None]) -> Spread:
        """Return the spread of the values that are defined."""
        defined = [value for value in values if value is not None]
        return Spread(
            statistics.fmean(defined) if defined else math.nan,
            statistics.stdev(defined) if len(defined) > 1 else math.nan,
        )

    @staticmethod
    def of_differences(pairs: Sequence[tuple[float | None, float | None]]) -> Spread:
        """Return the spread of first minus second, over the pairs where both are defined."""
        return Spread.of([a - b for a, b in pairs if a is not None and b is not None])


def row_of(columns: Mapping[str, float]) -> Table:
    """Return a table of one row of numbers with one decimal, such as AP by group of joints."""
    return Table(list(columns), [[f"{value:.1f}" for value in columns.values()]], names=0)
