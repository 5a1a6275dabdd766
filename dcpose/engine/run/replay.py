"""One step of training on disk, to repeat what made a loss or gradient that is not finite.

Content (a dict that `torch.load(weights_only=True)` reads):
    format      `FORMAT`
    model       the weights that met the step
    batches     tensors of each batch by name, and its people as {video, image_id, frame, box_xywh}
    epoch, step     finished epochs; the step, counted from 1
    config      the resolved config as a plain dict
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.engine.run.checkpoint import CheckpointError
from dcpose.files.writing import replacing
from dcpose.structures import ClipBatch, PersonRecord

FORMAT = "dcpose-step-1"


@dataclass(frozen=True)
class SavedStep:
    """What `save_step` wrote."""

    model: Mapping[str, Tensor]
    batches: list[ClipBatch]
    epoch: int
    step: int
    config: dict[str, Any]


def save_step(
    path: Path,
    *,
    model: nn.Module,
    batches: Sequence[ClipBatch],
    epoch: int,
    step: int,
    config: Mapping[str, Any],
) -> None:
    """Write a step in one file; see the head of this one."""
    content = {
        "format": FORMAT,
        "model": model.state_dict(),
        "batches": [
            {**batch.tensors(), "people": [_plain(person) for person in batch.people]}
            for batch in batches
        ],
        "epoch": epoch,
        "step": step,
        "config": dict(config),
    }
    with replacing(path) as unfinished:
        torch.save(content, unfinished)


def load_step(path: Path) -> SavedStep:
    """Read a step onto the CPU; no code from the file is run.

    Raises:
        CheckpointError: if the file is missing, damaged or of another kind.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise KeyError(FORMAT)
        for batch in content["batches"]:
            batch["people"] = [
                PersonRecord(**{**person, "box_xywh": np.array(person["box_xywh"])})
                for person in batch["people"]
            ]
        batches = [ClipBatch(**batch) for batch in content["batches"]]
        names = ("model", "epoch", "step", "config")
        return SavedStep(batches=batches, **{name: content[name] for name in names})
    except Exception as error:
        raise CheckpointError(
            f"{path}: not a saved step ({type(error).__name__}); training writes one to "
            f"RUN_DIR/nonfinite when a loss or gradient is not finite"
        ) from error


def _plain(person: PersonRecord) -> dict[str, Any]:
    kept = {name: getattr(person, name) for name in ("video", "image_id", "frame")}
    return {**kept, "box_xywh": [float(value) for value in person.box_xywh]}
