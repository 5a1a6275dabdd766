"""The person detector that comes with the package."""

from pathlib import Path

import cv2
import numpy as np
import torch

from dcpose.detection.suppression import keep_best
from dcpose.geometry import box_iou
from dcpose.models.person_detector.network import STRIDES, PersonDetector
from dcpose.structures import normalise
from dcpose.weights.packaged import DETECTOR_WEIGHTS
from dcpose.weights.reading import read_weights

LONG_SIDES = (256, 640)
"""Images are searched at these sizes, enlarged if need be: for large people and for small ones."""
MOST = 300
"""Boxes of one size that are looked at further, the best ones."""
VOTE_IOU = 0.6
"""Boxes that overlap a kept one more than this, itself among them, are averaged to it."""


class PackagedDetector:
    """A light network for people of all sizes; see `make_detector`."""

    def __init__(
        self, device: torch.device, min_score: float, weights: Path = DETECTOR_WEIGHTS
    ) -> None:
        self._model = PersonDetector()
        # into float32, whatever the file has
        self._model.load_state_dict(read_weights(weights).state)
        self._model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._device, self._min_score = device, min_score

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the people of one image; a score is the overlap that its box is expected to have."""
        found = [self._look(image, long_side) for long_side in LONG_SIDES]
        scores, corners = (np.concatenate(parts) for parts in zip(*found, strict=True))
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        best = keep_best(boxes, scores)
        votes = (box_iou(boxes[best], boxes) >= VOTE_IOU) * scores**2
        return votes @ boxes / votes.sum(axis=1, keepdims=True), scores[best]

    def _look(self, image: np.ndarray, long_side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (P,) scores and (P, 4) corners, image pixels, of what is found at one size."""
        height, width = image.shape[:2]
        scale = long_side / max(height, width)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=way)
        multiple = STRIDES[-1]
        padded = np.zeros((*(-(-side // multiple) * multiple for side in size[::-1]), 3), np.uint8)
        padded[: size[1], : size[0]] = small
        with torch.inference_mode():
            logits, boxes = self._model(normalise(torch.from_numpy(padded).to(self._device))[None])
        scores = logits[0].sigmoid().double().cpu().numpy()
        corners = boxes[0].double().cpu().numpy() / scale
        corners = corners.clip(0, [width, height, width, height])
        good = (scores >= self._min_score) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
        best = np.flatnonzero(good)[np.argsort(-scores[good], kind="stable")[:MOST]]
        return scores[best], corners[best]
