"""RT-DETR, a detector of the Hugging Face hub, through transformers (extra `rtdetr`)."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dcpose.files.packages import require

REPOSITORY = "PekingU/rtdetr_r50vd"
"""On the hub: COCO weights of its authors, Apache-2.0."""
PERSON = "person"


class RtDetrDetector:
    """RT-DETR or another detector of transformers; see `make_detector`.

    Args:
        device: where it runs.
        min_score: boxes below this are dropped.
        weights: folder as `save_pretrained` writes it; None takes `REPOSITORY` from the hub's
            cache, or fetches it.

    Raises:
        MissingPackageError: if transformers is not installed.
        ValueError: if the weights cannot be had, or know no people.
    """

    def __init__(self, device: torch.device, min_score: float, weights: Path | None) -> None:
        transformers = require("transformers", "--detector rtdetr")
        source = REPOSITORY if weights is None else str(weights)
        offline = weights is not None or bool(os.environ.get("DCPOSE_OFFLINE"))
        where = {"local_files_only": offline}
        try:
            self._processor: Any = transformers.AutoImageProcessor.from_pretrained(source, **where)
            model: Any = transformers.AutoModelForObjectDetection.from_pretrained(source, **where)
        except (OSError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            raise ValueError(
                f"weights of --detector rtdetr cannot be read from {source} ({text}); fetch that "
                "repository where there is a network and give its folder with --detector-weights"
            ) from error
        people = [label for label, name in model.config.id2label.items() if name == PERSON]
        if not people:
            raise ValueError(f"{source}: finds no {PERSON}, expected a detector of COCO's classes")
        self._people = torch.tensor(people)
        self._model = model.to(device).eval()
        self._device, self._min_score = device, min_score

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the people of one image."""
        height, width = image.shape[:2]
        inputs = self._processor(
            images=image, return_tensors="pt", input_data_format="channels_last"
        )
        with torch.inference_mode():
            outputs = self._model(**inputs.to(self._device))
        (found,) = self._processor.post_process_object_detection(
            outputs, threshold=self._min_score, target_sizes=[(height, width)]
        )
        scores, labels, corners = (
            found[key].cpu().numpy() for key in ("scores", "labels", "boxes")
        )
        limits = np.array([width, height, width, height], np.float64)
        corners = np.clip(corners.astype(np.float64), 0, limits)
        kept = np.isin(labels, self._people.numpy()) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
        corners, scores = corners[kept], scores[kept].astype(np.float64)
        order = np.argsort(-scores, kind="stable")
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        return boxes[order], scores[order]
