"""Results as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, Table
from dcpose.report.tables import Table as TextTable


def to_markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table; numbers get three digits or two decimals, whichever says more."""
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    return TextTable(columns, cells, names=len(columns)).markdown()


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.3g}" if 0 < abs(value) < 1 else f"{value:.2f}"


def describe_results(command: str, machine: Mapping[str, Any], tables: Sequence[Table]) -> str:
    """Return the Markdown file of a suite.

    Args:
        command: what was run.
        machine: what it ran on.
        tables: results.
    """
    parts = [f"`{command}`"]
    parts += [f"**{table.title}**\n\n{to_markdown(table.rows)}" for table in tables]
    parts.append(
        ", ".join(
            f"{key} {_cell(value)}"
            for key, value in machine.items()  # a line of plain facts
        )
    )
    return "\n\n".join(parts) + "\n"


def write_results(
    folder: Path, name: str, command: str, machine: Mapping[str, Any], tables: Sequence[Table]
) -> None:
    """Write `<name>.json` and `<name>.md`; see `describe_results`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": command,
        "machine": dict(machine),
        "tables": [{"title": table.title, "rows": table.rows} for table in tables],
    }
    text = json.dumps(content, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    markdown = describe_results(command, machine, tables)
    (folder / f"{name}.md").write_text(markdown, encoding="utf-8")
