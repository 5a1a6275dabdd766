"""The person detector that comes with the package."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.ops import nms

from dcpose.models.person_detector.network import SIDE_MULTIPLE, PersonDetector, decode
from dcpose.structures import normalise
from dcpose.weights.packaged import DETECTOR_WEIGHTS
from dcpose.weights.reading import read_weights

LONG_SIDE = 416
"""Images are searched at this size, enlarged if need be."""
EVEN_LOGIT = "even_logit"
"""Metadata of the weights: the network's logit that gets score 0.5."""


class PackagedDetector:
    """A light network for people of all sizes; see `make_detector`."""

    def __init__(
        self,
        device: torch.device,
        min_score: float,
        nms_iou: float,
        weights: Path = DETECTOR_WEIGHTS,
    ) -> None:
        file = read_weights(weights)
        self._model = PersonDetector()
        self._model.load_state_dict(file.state)  # into float32, whatever the file has
        self._model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._even = float(file.metadata.get(EVEN_LOGIT, 0))
        self._device, self._min_score, self._nms_iou = device, min_score, nms_iou

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the people of one image; scores are logistic in the network's logits."""
        height, width = image.shape[:2]
        scale = LONG_SIDE / max(height, width)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=way)
        padded = np.zeros(
            (*(-(-side // SIDE_MULTIPLE) * SIDE_MULTIPLE for side in size[::-1]), 3), np.uint8
        )
        padded[: size[1], : size[0]] = small
        with torch.inference_mode():
            logits, boxes = self._model(normalise(torch.from_numpy(padded).to(self._device))[None])
            ((corners, scores),) = decode(logits - self._even, boxes, self._min_score)
        limits = corners.new_tensor([width, height, width, height])
        corners = (corners / scale).clamp(min=0).minimum(limits)
        kept = nms(corners, scores, self._nms_iou)
        kept = kept[(corners[kept, 2:] > corners[kept, :2]).all(dim=1)]
        found = corners[kept].double().cpu().numpy()
        boxes_xywh = np.concatenate([found[:, :2], found[:, 2:] - found[:, :2]], axis=1)
        return boxes_xywh, scores[kept].double().cpu().numpy()
