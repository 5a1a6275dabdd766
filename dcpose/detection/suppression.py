"""Of boxes that overlap, the best one."""

import cv2
import numpy as np

NMS_IOU = 0.5
"""The better one of two boxes stays if they overlap more than this; RT-DETR does without."""


def keep_best(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the indices of the boxes (N, 4) xywh that stay, the best score first.

    Args:
        boxes: of one image.
        scores: (N,).
    """
    return np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, NMS_IOU), np.int64)
