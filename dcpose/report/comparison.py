"""AP of several models side by side, each over one or more seeds, with the change to the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dcpose.evaluation.evaluator import GROUP_TITLES
from dcpose.evaluation.subsets import subset_title
from dcpose.report.tables import Spread, Table


@dataclass(frozen=True)
class Model:
    """A model that is compared.

    Attributes:
        name: what tables call it.
        seeds: content of the `results.json` of each seed.
    """

    name: str
    seeds: Sequence[Mapping[str, Any]]

    def group(self, name: str) -> list[float | None]:
        """Return AP of a group of joints by seed."""
        return [results["groups"].get(name) for results in self.seeds]

    def subset(self, label: str) -> list[float | None]:
        """Return mean AP of a subset by seed."""
        return [results.get("subsets", {}).get(label, {}).get("total") for results in self.seeds]

    @property
    def people(self) -> dict[str, int]:
        """Number of people of each subset, by label."""
        return {label: part["people"] for label, part in self.seeds[0].get("subsets", {}).items()}


def group_table(title: str, models: Sequence[Model]) -> Table:
    """Return AP by group of joints, a row per model, with the difference to the first.

    Args:
        title: of the column of names.
        models: of the same groups; a group that a seed leaves undefined is a dash.
    """
    columns = list(models[0].seeds[0]["groups"])
    titles = [title, *(GROUP_TITLES.get(column, column) for column in columns)]
    rows = [[model.name, *(_mean(model.group(column)) for column in columns)] for model in models]
    if len(models) > 1:
        titles.append("difference")
        total = models[0].group(columns[-1])
        for place, (model, row) in enumerate(zip(models, rows, strict=True)):
            row.append(_change(model.group(columns[-1]), total) if place else "")
    return Table(titles, rows)


def subset_comparison(title: str, models: Sequence[Model], show_changes: bool) -> Table | None:
    """Return mean AP of each labelled subset; None if nothing is labelled.

    Args:
        title: of the column of names.
        models: any; a subset that a model does not have is a dash.
        show_changes: add the difference to the first model in brackets.
    """
    people = {label: count for model in reversed(models) for label, count in model.people.items()}
    labels = dict.fromkeys(label for model in models for label in model.people)
    if not labels:
        return None
    rows = []
    for place, model in enumerate(models):
        row = [model.name]
        for label in labels:
            own = model.subset(label)
            change = _change(own, models[0].subset(label)) if place and show_changes else ""
            row.append(f"{_mean(own)} ({change})" if change else _mean(own))
        rows.append(row)
    return Table([title, *(f"{subset_title(label)} ({people[label]})" for label in labels)], rows)


def _mean(values: Sequence[float | None]) -> str:
    return "-" if None in values else str(Spread.of(values))


def _change(own: Sequence[float | None], first: Sequence[float | None]) -> str:
    """Return the difference, seed by seed where there are as many; nothing if undefined."""
    if None in own or None in first:
        return ""
    if len(own) == len(first):
        return f"{Spread.of_differences(list(zip(own, first, strict=True))):+}"
    return f"{Spread(Spread.of(own).mean - Spread.of(first).mean, math.nan):+}"
