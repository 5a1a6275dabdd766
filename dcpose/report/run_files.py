"""What a finished run has on disk, as the report shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcpose.files.reading import parse_json
from dcpose.files.yaml_text import read_yaml

EVALUATIONS = ("", "val")
"""Places under a run that may hold the files of tools/val.py."""


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One run.

    Attributes:
        name: what the report calls it.
        folder: of training; holds `log.jsonl` and `checkpoints` if the run was trained here.
        evaluation: folder with `results.json` and `predictions/val`.
        results: content of `results.json`.
        config_file: resolved config of the evaluation.
        config: its content.
        environment: content of `environment.json`; empty if there is none.
        steps: lines of `log.jsonl` of kind "train": step, loss, lr, ...
        epochs: lines of kind "epoch": step, epoch, loss, and AP where it was validated.
    """

    name: str
    folder: Path
    evaluation: Path
    results: Mapping[str, Any]
    config_file: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]

    @property
    def predictions(self) -> Path:
        """Folder of the predictions that were measured."""
        return self.evaluation / "predictions" / "val"

    @property
    def weights(self) -> Path | None:
        """The checkpoint that made the predictions, if it is still there."""
        name = self.results.get("protocol", {}).get("weights", "last.pt")
        path = self.folder / "checkpoints" / name
        return path if path.is_file() else None


def read_run(folder: Path, name: str | None = None) -> RunRecord:
    """Read a run folder.

    Args:
        folder: of tools/train.py or tools/val.py.
        name: what to call it; None takes the experiment's.

    Raises:
        ValueError: if it holds no results, or a file of it is damaged.
    """
    places = [folder / place for place in EVALUATIONS]
    evaluation = next((place for place in places if (place / "results.json").is_file()), None)
    if evaluation is None:
        raise ValueError(
            f"{folder}: no results.json in it or in its folder val; "
            f"run tools/val.py with --run-dir {folder} first"
        )
    config_file = next(
        (path for path in (evaluation / "config.yaml", folder / "config.yaml") if path.is_file()),
        None,
    )
    if config_file is None:
        raise ValueError(f"{evaluation}: no config.yaml, expected the folder of tools/val.py")
    try:
        config = _mapping(read_yaml(config_file))
    except ValueError as error:
        raise ValueError(f"{config_file}: {error}; measure the run again") from None
    environment = folder / "environment.json"
    if not environment.is_file():
        environment = evaluation / "environment.json"
    lines = _log_lines(folder / "log.jsonl")
    return RunRecord(
        name=name or str(config.get("experiment", folder.name)),
        folder=folder,
        evaluation=evaluation,
        results=_read_json(evaluation / "results.json"),
        config_file=config_file,
        config=config,
        environment=_read_json(environment) if environment.is_file() else {},
        steps=[line for line in lines if line.get("kind") == "train"],
        epochs=[line for line in lines if line.get("kind") == "epoch"],
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _mapping(parse_json(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; measure the run again") from None


def _mapping(content: Any) -> dict[str, Any]:  # noqa: ANN401 - of any file
    if not isinstance(content, dict):
        raise ValueError(f"holds a {type(content).__name__}, expected names with values")
    return content


def _log_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines that can be read; the last one of a killed run may be cut off."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines
