"""What neighbours are worth to a model: AP and joints with other frames in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.evaluation.evaluator import APResult
from dcpose.evaluation.measured import Measured
from dcpose.evaluation.subsets import subset_title
from dcpose.formats import fields
from dcpose.report.tables import Table

NEIGHBORS = {
    "as_is": "as they are",
    "current": "the current frame",
    "reversed": "in reversed order",
    "other_video": "of another video",
}
"""By `test.neighbors`, what tables call it."""

MOVED_LIMIT = 0.01
"""A joint is somewhere else from this distance on, in image pixels."""
TIES = 0.001
"""Share of joints whose highest heatmap pixels may be so alike that rounding chooses."""


@dataclass(frozen=True)
class Probe:
    """A model with one kind of neighbours.

    Attributes:
        result: what its poses are worth.
        moved: share of joints that are elsewhere than with the neighbours as they are.
    """

    result: Measured
    moved: float

    @property
    def total(self) -> float:
        """AP, or what else the data set is measured by, in percent."""
        return self.result.total

    @property
    def subsets(self) -> Mapping[str, APResult]:
        """The same for labelled parts of the people, by label."""
        return self.result.subsets if isinstance(self.result, APResult) else {}

    @property
    def changes_nothing(self) -> bool:
        """Whether joints stay where they were, but for ties."""
        return self.moved <= TIES


def read_joints(predictions_dir: Path) -> dict[tuple[Any, ...], np.ndarray]:
    """Return joints (J, 2) in image pixels of everybody, by video, image and box."""
    joints = {}
    for path in sorted(predictions_dir.glob("*.json")):
        for entry in fields.read_json(path)["annotations"]:
            key = (path.stem, entry["image_id"], *entry["bbox"])
            joints[key] = np.array(entry["keypoints"], np.float64).reshape(-1, 3)[:, :2]
    return joints


def share_moved(
    before: Mapping[tuple[Any, ...], np.ndarray], after: Mapping[tuple[Any, ...], np.ndarray]
) -> float:
    """Return the share of joints that are elsewhere; somebody who is in one alone counts as moved.

    Raises:
        ValueError: if there is nobody.
    """
    everybody = before.keys() | after.keys()
    if not everybody:
        raise ValueError("the predictions hold nobody, so nothing can be compared")
    shares = [
        float((np.linalg.norm(before[key] - after[key], axis=1) > MOVED_LIMIT).mean())
        if key in before and key in after
        else 1.0
        for key in everybody
    ]
    return float(np.mean(shares))


def probe_table(probes: Mapping[str, Probe]) -> Table:
    """Return a row for each kind of neighbours, by `test.neighbors`: AP, subsets, moved joints."""
    first = probes["as_is"]
    subsets = [
        f"{subset_title(label)} ({part.num_people})" for label, part in first.subsets.items()
    ]
    rows = []
    for kind, probe in probes.items():
        own = [f"{probe.subsets[label].total:.1f}" for label in first.subsets]
        change, moved = "", ""
        if probe is not first:
            change, moved = f"{probe.total - first.total:+.1f}", f"{100 * probe.moved:.1f} %"
        rows.append([NEIGHBORS[kind], f"{probe.total:.1f}", change, *own, moved])
    return Table(["neighbours", first.result.headline, "change", *subsets, "joints moved"], rows)


def sentence(name: str, probes: Mapping[str, Probe]) -> str:
    """Return what the table says, in one sentence.

    Args:
        name: of the model.
        probes: by `test.neighbors`.
    """
    first, others = probes["as_is"], [probes[kind] for kind in NEIGHBORS if kind != "as_is"]
    if not any(probe.moved for probe in others):
        return (
            f"{name} does not look at neighbours: whatever they show, the numbers are identical "
            "and no joint moves."
        )
    current, backward, foreign = others
    unit = first.result.headline
    worth = f"neighbours are worth {first.total - current.total:+.1f} {unit}{_best(first, current)}"
    if current.changes_nothing:
        worth = "repeating the current frame changes nothing"
    order = f"reversing their order changes {unit} by {backward.total - first.total:+.1f}"
    if backward.changes_nothing:
        order = "reversing their order changes nothing"
    other = f"those of another video change it by {foreign.total - first.total:+.1f}"
    if foreign.changes_nothing:
        other = "those of another video change nothing"
    return f"{name} looks at neighbours: {worth}, {order}, and {other}."


def _best(first: Probe, current: Probe) -> str:
    """Name the subset that gains most by neighbours."""
    gains: Sequence[tuple[float, str]] = [
        (part.total - current.subsets[label].total, subset_title(label))
        for label, part in first.subsets.items()
    ]
    defined = [gain for gain in gains if gain[0] == gain[0]]
    return " (most: {1}, {0:+.1f})".format(*max(defined)) if defined else ""
