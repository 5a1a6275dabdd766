"""Configs that fit imported labels: what `tools/train.py` needs to know of them.

The networks are the small ones of `configs/synthetic`, which a CPU trains in minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcpose.formats.labels.labels import LabelledPerson
from dcpose.formats.labels.symmetry import guess_flip_pairs
from dcpose.formats.labels.writing import person_box

STEPS = 440
"""Steps of the first stage at least, if few frames are labelled."""
MIN_EPOCHS = 10
CROPS = ((96, 128), (128, 128), (128, 96))
"""Sizes of crops, (width, height), for tall, square and wide people."""


def first_config(
    root: Path, joint_names: Sequence[str], people: Sequence[LabelledPerson], clips: int
) -> dict[str, Any]:
    """Return the config of stage one, a single frame.

    Args:
        root: folder of the data set.
        joint_names: J names.
        people: those to train on; their boxes decide on the crop.
        clips: how many there are.
    """
    batch_size = 8 if clips < 1000 else 16
    epochs = max(MIN_EPOCHS, math.ceil(STEPS / max(1, math.ceil(clips / batch_size))))
    mirrored = bool(guess_flip_pairs(joint_names))
    return {
        "experiment": "".join(c if c.isalnum() or c in "._-" else "-" for c in root.name) or "own",
        "data": {
            "root": str(root),
            "skeleton": str(root / "skeleton.yaml"),
            "test_annotations": "annotations/val",
            "test_detections": None,
            "crop_wh": list(crop_wh(people)),
            "missing_neighbors": "repeat",
            "sigma": 1.5,
            "workers": 2,
            "augment": {
                "flip_prob": 0.5 if mirrored else 0.0,
                "rotation_deg": 15.0,
                "rotation_prob": 0.4,
                "scale": 0.15,
                "half_body_prob": 0.0,
            },
        },
        "model": {
            "name": "single_frame",
            "num_joints": len(joint_names),
            "backbone": {
                "name": "hrnet",
                "width": 24,
                "modules": [1, 1, 1],
                "blocks": 1,
                "stem_channels": 32,
                "frozen": False,
            },
        },
        "train": {
            "epochs": epochs,
            "batch_size": batch_size,
            "validate_every": max(1, epochs // 8),
        },
        "optim": {"lr": 1.0e-3, "milestones": _milestones(epochs, (0.7, 0.9))},
    }


def dcpose_config(first: dict[str, Any]) -> dict[str, Any]:
    """Return the config of stage two on top of `config.yaml`."""
    num_joints = first["model"]["num_joints"]
    epochs = max(2, first["train"]["epochs"] // 2)
    return {
        "base": "config.yaml",
        "experiment": f"{first['experiment']}_dcpose",
        "model": {
            "name": "dcpose",
            "backbone": {"frozen": True},
            "ptm": {"channels": num_joints},
            "prf": {"blocks": 1, "channels": 2 * num_joints},
            "fusion": {"blocks": 1, "channels": 32},
            "pcn": {"dilations": [1, 3]},
        },
        "train": {"epochs": epochs, "validate_every": max(1, epochs // 8)},
        "optim": {"milestones": _milestones(epochs, (0.5, 0.8))},
    }


def crop_wh(people: Sequence[LabelledPerson]) -> tuple[int, int]:
    """Return the size of `CROPS` that the tallest and the widest boxes fit into equally well.

    Of an animal that turns in the picture both are there, whatever most boxes are.
    """
    unbounded = (10**9, 10**9)
    boxes = np.array([person_box(person, unbounded) for person in people])
    shapes = np.log(np.maximum(boxes[:, 2], 1) / np.maximum(boxes[:, 3], 1))
    middle = float(np.percentile(shapes, (10, 90)).mean())
    return min(CROPS, key=lambda crop: abs(middle - math.log(crop[0] / crop[1])))


def _milestones(epochs: int, shares: Sequence[float]) -> list[int]:
    return sorted({max(1, round(share * epochs)) for share in shares})
