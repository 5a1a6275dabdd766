"""Images to person boxes: the detectors that need no file of boxes.

A detector is any function from an (H, W, 3) uint8 RGB image to (N, 4) boxes left, top, width,
height in pixels and their (N,) scores, best first.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
import torch

from dcpose.detection.packaged import PackagedDetector
from dcpose.detection.rtdetr import RtDetrDetector
from dcpose.detection.suppression import NMS_IOU, keep_best
from dcpose.detection.torchvision import DETECTORS, build_detector, detect_people, weights_are_here

_log = logging.getLogger(__name__)

PersonDetector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
DetectorName = Literal["torchvision", "rtdetr", "packaged", "hog", "whole-frame"]

_HOG_LONG_SIDE = 960
"""Larger images are searched at this size; people under 96 pixels high are not found."""
_HOG_MARGIN = 16 / 64, 16 / 128
"""Share of the detector's window of 64 x 128 pixels that lies outside the person, both sides
together (Dalal and Triggs, 2005: 16 pixels around the person, less across)."""
_HOG_EVEN_MARGIN = 0.4
"""Distance from the SVM's plane that gets score 0.5; nearer boxes are often posts and doors."""


def make_detector(
    name: str, device: torch.device, min_score: float, weights: Path | None = None
) -> PersonDetector:
    """Build a detector by name.

    Args:
        name: "torchvision", its Faster R-CNN v2; "rtdetr", RT-DETR through transformers;
            "packaged", the light network that comes along; "hog", OpenCV's, which finds people who
            stand; or "whole-frame", one person as large as the image.
        device: where a network runs.
        min_score: boxes below this are dropped.
        weights: state dict of torchvision's model, or folder of RT-DETR's; None takes a download.

    Raises:
        ValueError: for an unknown name, or if weights cannot be had.
    """
    if name == "torchvision":
        model = build_detector(DETECTORS[0], weights, min_score, NMS_IOU)[0].to(device)
        return lambda image: next(detect_people(model, [image], batch_size=1, device=device))
    if name == "rtdetr":
        return RtDetrDetector(device, min_score, weights)
    if name == "packaged":
        return PackagedDetector(device, min_score)
    if name == "hog":
        return HogDetector(min_score)
    if name == "whole-frame":
        return whole_frame
    known = ", ".join(get_args(DetectorName))
    raise ValueError(f"detector: found {name!r}, expected one of {known}")


def choose_detector(weights: Path | None = None) -> str:
    """Return the name of the best detector that needs no download, and say which it is.

    Args:
        weights: of torchvision's detector, where the user has given them.
    """
    if weights is not None or weights_are_here(DETECTORS[0]):
        return "torchvision"
    _log.info(
        "detector: the light one that comes with the package (packaged). Boxes are rough; people "
        "who hold each other become one, and people who lie or are close up are found in parts or "
        "not at all. --detector torchvision finds more and downloads its weights once (160 MB)"
    )
    return "packaged"


class HogDetector:
    """OpenCV's histogram of oriented gradients with its linear SVM; see `make_detector`."""

    def __init__(self, min_score: float) -> None:
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
        self._min_score = min_score

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the people of one image; scores are logistic in the distance from the plane."""
        height, width = image.shape[:2]
        scale = min(1.0, _HOG_LONG_SIDE / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        if size[0] < 64 or size[1] < 128:  # the window
            return np.zeros((0, 4)), np.zeros(0)
        found, margins = self._hog.detectMultiScale(
            small, winStride=(8, 8), padding=(8, 8), scale=1.05, groupThreshold=0
        )
        distances = np.asarray(margins, np.float64).reshape(-1)
        scores = 1 / (1 + np.exp(_HOG_EVEN_MARGIN - distances))
        boxes = np.asarray(found, np.float64).reshape(-1, 4) / scale
        kept = np.flatnonzero(scores >= self._min_score)
        boxes, scores = boxes[kept], scores[kept]
        best = keep_best(boxes, scores)
        margin = boxes[best, 2:] * _HOG_MARGIN
        inner = np.concatenate([boxes[best, :2] + margin / 2, boxes[best, 2:] - margin], axis=1)
        return inner, scores[best]


def whole_frame(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the whole image for one person."""
    height, width = image.shape[:2]
    return np.array([[0.0, 0.0, width, height]]), np.ones(1)
