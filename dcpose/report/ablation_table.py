"""The table of an ablation in the layout of the paper's Table 5, over several seeds.

Every figure is the mean over the seeds, with the sample standard deviation where there are two or
more. The difference to the reference row is taken seed by seed first, over the seeds both have.
Where people carry labels, a second table has the mean AP of the subsets they make.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dcpose.evaluation.evaluator import TITLE_OF
from dcpose.evaluation.subsets import title_of as title_of_subset
from dcpose.report.published import GROUPS, PUBLISHED, REFERENCE, TOTAL


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        experiment: its name; rows of Table 5 are recognised by it.
        trainable: number of parameters that are trained.
        groups: by seed, AP of groups of joints in percent; None for undefined.
        subsets: by seed, mean AP of subsets of the people in percent, by their labels.
    """

    experiment: str
    trainable: int
    groups: Mapping[int, Mapping[str, float | None]]
    subsets: Mapping[int, Mapping[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation; NaN for no value, and for the deviation of one."""

    mean: float
    std: float

    def __str__(self) -> str:
        """As `80.1 ± 0.2`, without the deviation where there is none."""
        if math.isnan(self.mean):
            return "-"
        return f"{self.mean:.1f}" + ("" if math.isnan(self.std) else f" ± {self.std:.1f}")

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return the spread of some values."""
        return Spread(
            statistics.fmean(values) if values else math.nan,
            statistics.stdev(values) if len(values) > 1 else math.nan,
        )


def in_the_order_of_the_paper(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of Table 5 in its order, then the others in theirs."""
    order = list(PUBLISHED)
    known = [row for row in rows if row.experiment in PUBLISHED]
    known.sort(key=lambda row: order.index(row.experiment))
    return known + [row for row in rows if row.experiment not in PUBLISHED]


def spread(row: Row, group: str) -> Spread:
    """Return mean and deviation of a group of joints over the seeds where it is defined."""
    return _spread(row.groups, group)


def difference(row: Row, reference: Row) -> Spread:
    """Return row minus reference in mean AP, over the seeds that both have."""
    return _difference(row.groups, reference.groups, TOTAL)


def _spread(by_seed: Mapping[int, Mapping[str, float | None]], name: str) -> Spread:
    values = (values.get(name) for values in by_seed.values())
    return Spread.of([value for value in values if value is not None])


def _difference(
    own: Mapping[int, Mapping[str, float | None]],
    other: Mapping[int, Mapping[str, float | None]],
    name: str,
) -> Spread:
    pairs = ((own[seed].get(name), other[seed].get(name)) for seed in own if seed in other)
    return Spread.of(
        [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
    )


def title_of(row: Row) -> str:
    """Return what tables call a row: the paper's words for it, else its experiment."""
    return PUBLISHED[row.experiment].title if row.experiment in PUBLISHED else row.experiment


def reference_of(rows: Sequence[Row]) -> Row:
    """Return what differences are to: the complete model, else the first row."""
    return next((row for row in rows if row.experiment == REFERENCE), rows[0])


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the tables; differences are to the complete model, else to the first row."""
    rows = in_the_order_of_the_paper(rows)
    tables = [_table(rows)]
    if any(row.subsets for row in rows):
        tables.append(_table_of_subsets(rows))
    return "\n".join(tables)


def _table(rows: Sequence[Row]) -> str:
    reference = reference_of(rows)
    titles = [TITLE_OF.get(group, group) for group in GROUPS]
    columns = ["variant", *titles, "difference", "published Mean", "published difference"]
    columns += ["parameters", "seeds"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + " ---: |" * (len(columns) - 1)]
    for row in rows:
        cells = [title_of(row), *(str(spread(row, group)) for group in GROUPS)]
        cells += ["" if row is reference else _signed(difference(row, reference))]
        cells += _published_cells(row.experiment)
        cells += [f"{row.trainable:,}", ", ".join(map(str, row.groups)) or "-"]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [
        f"{published.title} {published.mean_of_joints:.1f}"
        for published in (PUBLISHED.get(row.experiment) for row in rows)
        if published is not None and not published.closes
    ]
    if notes:
        lines += ["", f"\\* Not the mean of the printed joints, which is: {'; '.join(notes)}."]
    return "\n".join(lines) + "\n"


def _table_of_subsets(rows: Sequence[Row]) -> str:
    """Return mean AP of each subset, and in brackets its difference to the reference."""
    reference = reference_of(rows)
    names = _subset_names(rows)
    titles = [title_of_subset(name) for name in names]
    lines = [f"| {' | '.join(['variant', *titles])} |", "|---|" + " ---: |" * len(names)]
    for row in rows:
        cells = [title_of(row)]
        for name in names:
            change = _difference(row.subsets, reference.subsets, name)
            beside = "" if row is reference or math.isnan(change.mean) else f" ({_signed(change)})"
            cells.append(f"{_spread(row.subsets, name)}{beside}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _subset_names(rows: Sequence[Row]) -> list[str]:
    """Return the labels of all subsets, in the order in which they are first met."""
    return list(
        dict.fromkeys(name for row in rows for part in row.subsets.values() for name in part)
    )


def to_json_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Return every number of the table, unrounded; undefined ones are null."""
    rows = in_the_order_of_the_paper(rows)
    reference = reference_of(rows)
    return {"reference": reference.experiment, "rows": [_row_dict(row, reference) for row in rows]}


def _row_dict(row: Row, reference: Row) -> dict[str, Any]:
    published = PUBLISHED.get(row.experiment)
    return {
        "experiment": row.experiment,
        "trainable_parameters": row.trainable,
        "seeds": {str(seed): dict(groups) for seed, groups in row.groups.items()},
        "mean": {group: _or_none(spread(row, group).mean) for group in GROUPS},
        "std": {group: _or_none(spread(row, group).std) for group in GROUPS},
        "difference_mean": _or_none(difference(row, reference).mean),
        "difference_std": _or_none(difference(row, reference).std),
        "subsets": {name: _subset_dict(row, reference, name) for name in _subset_names([row])},
        "published": dict(zip(GROUPS, published.ap, strict=True)) if published else None,
        "published_mean_of_joints": published.mean_of_joints if published else None,
    }


def _subset_dict(row: Row, reference: Row, name: str) -> dict[str, Any]:
    own, change = _spread(row.subsets, name), _difference(row.subsets, reference.subsets, name)
    return {
        "seeds": {str(seed): values.get(name) for seed, values in row.subsets.items()},
        "mean": _or_none(own.mean),
        "std": _or_none(own.std),
        "difference_mean": _or_none(change.mean),
        "difference_std": _or_none(change.std),
    }


def _published_cells(experiment: str) -> list[str]:
    if experiment not in PUBLISHED:
        return ["", ""]
    own, complete = PUBLISHED[experiment], PUBLISHED[REFERENCE].ap[-1]
    change = "" if experiment == REFERENCE else f"{own.ap[-1] - complete:+.1f}"
    return [f"{own.ap[-1]:.1f}" + ("" if own.closes else "\\*"), change]


def _signed(values: Spread) -> str:
    text = str(values)
    return text if text.startswith("-") else f"+{text}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
