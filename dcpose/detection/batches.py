"""Images to person boxes, in batches."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

PERSON_LABEL = 1
"""Of detectors trained on COCO's categories."""

Detector = Callable[[list[Tensor]], list[dict[str, Tensor]]]
"""Images (3, H, W) in [0, 1] to boxes (N, 4) x1, y1, x2, y2, labels (N,) and scores (N,)."""


def detect_people(
    detector: Detector, images: Iterable[np.ndarray], batch_size: int, device: torch.device
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find the people of images, which may differ in size.

    Args:
        detector: on `device`, in eval mode; thresholds and NMS are its own.
        images: (H, W, 3) uint8 RGB, in any number.
        batch_size: images per call of the detector.
        device: where the detector is.

    Yields:
        for each image the (N, 4) float64 boxes left, top, width, height in pixels and the (N,)
        float64 scores of its people, best first.
    """
    waiting = iter(images)
    while batch := list(islice(waiting, batch_size)):
        tensors = [
            torch.from_numpy(image).to(device).permute(2, 0, 1).float().div_(255) for image in batch
        ]
        with torch.inference_mode():
            outputs = detector(tensors)
        for output in outputs:
            people = output["labels"] == PERSON_LABEL
            corners = output["boxes"][people].double().cpu().numpy()
            scores = output["scores"][people].double().cpu().numpy()
            order = np.argsort(-scores, kind="stable")
            boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
            yield boxes[order], scores[order]
