"""The table of an ablation in the layout of the paper's Table 5, over several seeds.

Every figure is the mean over the seeds, with the sample standard deviation where there are two or
more. The difference to the reference row is taken seed by seed first, over the seeds both have.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dcpose.evaluation.evaluator import TITLE_OF

TOTAL = "Total"
GROUPS = ("Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", TOTAL)


@dataclass(frozen=True)
class Published:
    """A row of the paper.

    Attributes:
        title: what the paper calls it.
        ap: AP of the groups of joints, in percent, in the order of `GROUPS`.
    """

    title: str
    ap: tuple[float, ...]

    @property
    def mean_of_joints(self) -> float:
        """The mean that the printed groups give: Head is three of the 15 joints, others two."""
        head, *others, _ = self.ap
        return (3 * head + 2 * sum(others)) / 15

    @property
    def closes(self) -> bool:
        """Whether the printed mean follows from the printed groups, within rounding."""
        return abs(self.mean_of_joints - self.ap[-1]) < ROUNDING


ROUNDING = 0.15

# Table 5, as printed: PoseTrack2017 validation set.
PUBLISHED = {
    "ablation_complete": Published(
        "DCPose, complete, T = 1", (88.0, 88.7, 84.1, 78.4, 83.0, 81.4, 74.2, 82.8)
    ),
    "ablation_no_ptm_sum": Published(
        "r/m PTM, h(p) + h(c) + h(n)", (87.3, 88.4, 83.6, 77.6, 82.8, 78.4, 73.7, 82.0)
    ),
    "ablation_no_ptm_current": Published(
        "r/m PTM, h(c)", (87.5, 88.5, 83.7, 78.1, 82.9, 80.8, 73.4, 82.2)
    ),
    "ablation_no_prf": Published("r/m PRF", (87.4, 88.3, 83.6, 77.6, 82.7, 80.5, 73.4, 82.1)),
    "ablation_dilations_3": Published(
        "1 dilation, d = 3",
        (87.3, 88.5, 83.8, 72.6, 82.9, 78.4, 73.7, 81.7),
    ),
    "ablation_dilations_3_6": Published(
        "2 dilations, d = 3, 6", (87.5, 88.2, 83.6, 74.7, 82.8, 79.8, 73.6, 81.9)
    ),
    "ablation_dilations_3_6_9": Published(
        "3 dilations, d = 3, 6, 9", (87.9, 88.6, 83.9, 78.3, 82.9, 81.4, 74.0, 82.7)
    ),
    "ablation_dilations_3_6_9_12": Published(
        "4 dilations, d = 3, 6, 9, 12", (87.9, 88.6, 84.0, 76.9, 83.0, 80.9, 74.0, 82.6)
    ),
    "ablation_no_prev": Published(
        "r/m previous frame", (87.8, 88.4, 83.8, 77.8, 82.6, 80.6, 73.7, 82.2)
    ),
    "ablation_no_next": Published(
        "r/m next frame", (88.0, 88.6, 83.7, 77.7, 82.8, 80.7, 73.2, 82.3)
    ),
    "ablation_interval_2": Published("T = 2", (87.7, 88.4, 83.8, 78.0, 83.0, 80.8, 73.2, 82.6)),
    "ablation_interval_3": Published("T = 3", (87.6, 88.4, 83.6, 77.7, 82.6, 80.7, 71.7, 82.1)),
    "ablation_interval_4": Published(
        "T = 4",
        (81.2, 87.4, 83.3, 76.7, 81.9, 80.2, 72.1, 81.7),
    ),
}
REFERENCE = "ablation_complete"


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        experiment: its name; rows of Table 5 are recognised by it.
        trainable: number of parameters that are trained.
        groups: by seed, AP of groups of joints in percent; None for undefined.
    """

    experiment: str
    trainable: int
    groups: Mapping[int, Mapping[str, float | None]]


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
    values = (groups.get(group) for groups in row.groups.values())
    return Spread.of([value for value in values if value is not None])


def difference(row: Row, reference: Row) -> Spread:
    """Return row minus reference in mean AP, over the seeds that both have."""
    pairs = (
        (row.groups[seed].get(TOTAL), reference.groups[seed].get(TOTAL))
        for seed in row.groups
        if seed in reference.groups
    )
    return Spread.of([own - other for own, other in pairs if own is not None and other is not None])


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the table; differences are to the complete model, else to the first row."""
    rows = in_the_order_of_the_paper(rows)
    reference = _reference(rows)
    titles = [TITLE_OF.get(group, group) for group in GROUPS]
    columns = ["variant", *titles, "difference", "published Mean", "published difference"]
    columns += ["parameters", "seeds"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + " ---: |" * (len(columns) - 1)]
    for row in rows:
        title = PUBLISHED[row.experiment].title if row.experiment in PUBLISHED else row.experiment
        cells = [title, *(str(spread(row, group)) for group in GROUPS)]
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


def to_json_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Return every number of the table, unrounded; undefined ones are null."""
    rows = in_the_order_of_the_paper(rows)
    reference = _reference(rows)
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
        "published": dict(zip(GROUPS, published.ap, strict=True)) if published else None,
        "published_mean_of_joints": published.mean_of_joints if published else None,
    }


def _reference(rows: Sequence[Row]) -> Row:
    return next((row for row in rows if row.experiment == REFERENCE), rows[0])


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
