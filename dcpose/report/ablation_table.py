"""The table of an ablation in the layout of the paper's Table 5, over several seeds.

Every figure is the mean over the seeds, with the sample standard deviation where there are two or
more. The difference to the reference row is taken seed by seed first, over the seeds both have.
Where people carry labels, a second table has the mean AP of the subsets they make.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dcpose.evaluation.evaluator import GROUP_TITLES, none_if_nan
from dcpose.evaluation.subsets import subset_title
from dcpose.report.published import GROUPS, PUBLISHED, REFERENCE
from dcpose.report.tables import Spread, Table

BySeed = Mapping[int, Mapping[str, float | None]]
"""Figures by seed and name."""


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        experiment: its name; rows of Table 5 are recognised by it.
        trainable: number of parameters that are trained.
        groups: by seed, AP of groups of joints in percent, or what data without head boxes are
            measured by; variants are compared by the last; None for undefined.
        subsets: by seed, mean AP of subsets of the people in percent, by their labels.
    """

    experiment: str
    trainable: int
    groups: BySeed
    subsets: BySeed = field(default_factory=dict)


def in_the_order_of_the_paper(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of Table 5 in its order, then the others in theirs."""
    order = list(PUBLISHED)
    known = [row for row in rows if row.experiment in PUBLISHED]
    known.sort(key=lambda row: order.index(row.experiment))
    return known + [row for row in rows if row.experiment not in PUBLISHED]


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the groups that were measured, the last one the total; PoseTrack's before any was."""
    measured = (groups for row in rows for groups in row.groups.values())
    return tuple(next(measured, GROUPS))


def spread(by_seed: BySeed, name: str) -> Spread:
    """Return mean and deviation of a group of joints, or a subset, over the seeds that have it."""
    return Spread.of([values.get(name) for values in by_seed.values()])


def difference(own: BySeed, other: BySeed, name: str) -> Spread:
    """Return own minus other in a group of joints, or a subset, over the seeds that both have."""
    seeds = [seed for seed in own if seed in other]
    return Spread.of_differences([(own[seed].get(name), other[seed].get(name)) for seed in seeds])


def row_title(row: Row) -> str:
    """Return what tables call a row: the paper's words for it, else its experiment."""
    return PUBLISHED[row.experiment].title if row.experiment in PUBLISHED else row.experiment


def published_change(row: Row) -> float:
    """Return what the paper prints as mean AP, less that of the complete model; NaN if nothing."""
    if row.experiment not in PUBLISHED:
        return math.nan
    return PUBLISHED[row.experiment].ap[-1] - PUBLISHED[REFERENCE].ap[-1]


def reference_of(rows: Sequence[Row]) -> Row:
    """Return the row that all others are compared with: the complete model, else the first row."""
    return next((row for row in rows if row.experiment == REFERENCE), rows[0])


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the tables; differences are to the complete model, else to the first row."""
    rows = in_the_order_of_the_paper(rows)
    parts = [_table(rows).markdown()]
    notes = [
        f"{published.title} {published.mean_of_joints:.1f}"
        for published in (PUBLISHED.get(row.experiment) for row in rows)
        if published is not None and not published.closes
    ]
    if notes:
        parts.append(f"\\* Not the mean of the printed joints, which is: {'; '.join(notes)}.")
    if any(row.subsets for row in rows):
        parts.append(_table_of_subsets(rows).markdown())
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> Table:
    reference = reference_of(rows)
    groups = columns_of(rows)
    titles = [GROUP_TITLES.get(group, group) for group in groups]
    columns = ["variant", *titles, "difference", "published Mean", "published difference"]
    cells = []
    for row in rows:
        change = difference(row.groups, reference.groups, groups[-1])
        cells.append(
            [
                row_title(row),
                *(str(spread(row.groups, group)) for group in groups),
                "" if row is reference else f"{change:+}",
                *_published_cells(row),
                f"{row.trainable:,}",
                ", ".join(map(str, row.groups)) or "-",
            ]
        )
    return Table([*columns, "parameters", "seeds"], cells)


def _table_of_subsets(rows: Sequence[Row]) -> Table:
    """Return mean AP of each subset, and in brackets its difference to the reference."""
    reference = reference_of(rows)
    names = _subset_names(rows)
    cells = []
    for row in rows:
        line = [row_title(row)]
        for name in names:
            change = difference(row.subsets, reference.subsets, name)
            beside = "" if row is reference or math.isnan(change.mean) else f" ({change:+})"
            line.append(f"{spread(row.subsets, name)}{beside}")
        cells.append(line)
    return Table(["variant", *map(subset_title, names)], cells)


def _subset_names(rows: Sequence[Row]) -> list[str]:
    """Return the labels of all subsets, in the order in which they are first met."""
    return list(
        dict.fromkeys(name for row in rows for part in row.subsets.values() for name in part)
    )


def to_json_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Return every number of the table, unrounded; undefined ones are null."""
    rows = in_the_order_of_the_paper(rows)
    reference = reference_of(rows)
    groups = columns_of(rows)
    cells = [_row_dict(row, reference, groups) for row in rows]
    return {"reference": reference.experiment, "rows": cells}


def _row_dict(row: Row, reference: Row, groups: Sequence[str]) -> dict[str, Any]:
    published = PUBLISHED.get(row.experiment)
    change = difference(row.groups, reference.groups, groups[-1])
    return {
        "experiment": row.experiment,
        "trainable_parameters": row.trainable,
        "seeds": {str(seed): dict(values) for seed, values in row.groups.items()},
        "mean": {group: none_if_nan(spread(row.groups, group).mean) for group in groups},
        "std": {group: none_if_nan(spread(row.groups, group).std) for group in groups},
        "difference_mean": none_if_nan(change.mean),
        "difference_std": none_if_nan(change.std),
        "subsets": {name: _subset_dict(row, reference, name) for name in _subset_names([row])},
        "published": dict(zip(GROUPS, published.ap, strict=True)) if published else None,
        "published_mean_of_joints": published.mean_of_joints if published else None,
    }


def _subset_dict(row: Row, reference: Row, name: str) -> dict[str, Any]:
    own, change = spread(row.subsets, name), difference(row.subsets, reference.subsets, name)
    return {
        "seeds": {str(seed): values.get(name) for seed, values in row.subsets.items()},
        "mean": none_if_nan(own.mean),
        "std": none_if_nan(own.std),
        "difference_mean": none_if_nan(change.mean),
        "difference_std": none_if_nan(change.std),
    }


def _published_cells(row: Row) -> list[str]:
    experiment = row.experiment
    if experiment not in PUBLISHED:
        return ["", ""]
    own = PUBLISHED[experiment]
    change = "" if experiment == REFERENCE else f"{published_change(row):+.1f}"
    return [f"{own.ap[-1]:.1f}" + ("" if own.closes else "\\*"), change]
