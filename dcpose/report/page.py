"""The page itself: sections in the order a reader asks for them, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from dcpose.report.tables import Table

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Chart:
    """A chart with what it shows in words.

    Attributes:
        title: heading.
        svg: an <svg> element.
        caption: how to read it.
    """

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Card:
    """One person of the gallery.

    Attributes:
        title: where it is.
        detail: what is wrong.
        pictures: title to data URI.
    """

    title: str
    detail: str
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class Gallery:
    """The worst people of one run; `note` says why pictures are missing, if they are."""

    run: str
    cards: Sequence[Card]
    note: str = ""


@dataclass(frozen=True)
class Sweep:
    """An ablation: its folder, table, and chart as a data URI if it has one."""

    folder: str
    table: Table
    chart: str = ""


@dataclass(frozen=True)
class Page:
    """Everything a report shows.

    Attributes:
        title: of the page.
        made: when and with what it was made.
        results: AP by group of joints, a row per run.
        protocols: by run, what the AP was measured under.
        subsets: AP of labelled subsets of the people; None where nothing is labelled.
        charts: in order.
        galleries: one per run.
        sweeps: ablations.
        environments: by run, name to value.
        notes: what could not be shown, and why.
    """

    title: str
    made: str
    results: Table
    protocols: Mapping[str, str]
    subsets: Table | None = None
    charts: Sequence[Chart] = ()
    galleries: Sequence[Gallery] = ()
    sweeps: Sequence[Sweep] = ()
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render(page: Page) -> str:
    """Return the page as HTML; all text is escaped, charts are taken as they are."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(page=page)
