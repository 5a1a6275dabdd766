"""Person detectors of torchvision: they make the boxes of a data set that brings none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from dcpose.iteration import groups_of
from dcpose.weights.reading import read_weights, weights_hash
from dcpose.weights.strict import differences

DetectorName = Literal["fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)
NUM_CLASSES = 91
"""COCO's categories, background included; person is 1, in COCO and in torchvision."""
PERSON_LABEL = 1
"""Label of people in detectors that were trained on COCO's categories."""

Detector = Callable[[list[Tensor]], list[dict[str, Tensor]]]
"""Images (3, H, W) in [0, 1] to boxes (N, 4) x1, y1, x2, y2, labels (N,) and scores (N,)."""

_THRESHOLD_NAMES = {
    "fasterrcnn_resnet50_fpn_v2": ("box_score_thresh", "box_nms_thresh"),
    "retinanet_resnet50_fpn_v2": ("score_thresh", "nms_thresh"),
}


def build_detector(
    name: DetectorName, weights: Path | None, min_score: float, nms_iou: float
) -> tuple[nn.Module, str]:
    """Build a detector with COCO weights, in eval mode on the CPU.

    Args:
        name: one of `DETECTORS`.
        weights: a state dict of that model; None takes torchvision's, from its cache or the
            network.
        min_score: boxes below this are dropped.
        nms_iou: the better one of two boxes stays if they overlap more than this.

    Returns:
        the model, which maps a list of (3, H, W) float images in [0, 1] to a list of dicts of
        `boxes` (x1, y1, x2, y2), `labels` and `scores`; and what to call its weights.

    Raises:
        ValueError: if the weights cannot be downloaded or do not fit.
    """
    from torchvision.models import get_model  # slow to import: it pulls torch's compiler

    score_key, nms_key = _THRESHOLD_NAMES[name]
    model = get_model(
        name,
        weights=None,
        weights_backbone=None,
        num_classes=NUM_CLASSES,
        **{score_key: min_score, nms_key: nms_iou},
    )
    if weights is None:
        state, source = _download(name)
    else:
        state = read_weights(weights).state
        source = f"{weights.name} {weights_hash(weights)}"
    if any(found := differences(state, model.state_dict())):
        raise ValueError(f"weights do not fit {name}: {source}: {found.describe(limit=3)}")
    model.load_state_dict(state)
    return model.eval(), source


def weights_are_here(name: DetectorName) -> bool:
    """Whether torchvision's weights have been downloaded before."""
    kept = Path(torch.hub.get_dir()) / "checkpoints"
    return any(kept.glob(f"{name}_coco-*.pth"))  # torchvision's own name of the file


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
    for batch in groups_of(images, batch_size):
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


def _download(name: DetectorName) -> tuple[Mapping[str, Tensor], str]:
    from torchvision.models import get_model_weights  # slow to import: it pulls torch's compiler

    published = get_model_weights(name).DEFAULT
    try:
        state = published.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network; or not the bytes that the name promises
        raise ValueError(
            f"weights of {name} cannot be downloaded from {published.url} ({error}); fetch that "
            "file where there is a network and give it with --weights FILE"
        ) from error
    return state, published.url.rsplit("/", 1)[-1]
