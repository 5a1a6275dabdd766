"""Person detectors of torchvision, which make the boxes where a data set brings none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from dcpose.weights.reading import read_weights, weights_hash

DetectorName = Literal["fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)
NUM_CLASSES = 91
"""COCO's categories, background included; person is 1, in COCO and in torchvision."""

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
        nms_iou: of two boxes that overlap more than this, the better one stays.

    Returns:
        the model, which maps a list of (3, H, W) float images in [0, 1] to a list of dicts of
        `boxes` (x1, y1, x2, y2), `labels` and `scores`; and what to call its weights.

    Raises:
        ValueError: if the weights cannot be downloaded or do not fit.
    """
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
    _load_strictly(model, state, f"{name}: {source}")
    return model.eval(), source


def _download(name: DetectorName) -> tuple[Mapping[str, Tensor], str]:
    published = get_model_weights(name).DEFAULT
    try:
        state = published.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network; or not the bytes that the name promises
        raise ValueError(
            f"weights of {name} cannot be downloaded from {published.url} ({error}); fetch that "
            "file where there is a network and give it with --weights FILE"
        ) from error
    return state, published.url.rsplit("/", 1)[-1]


def _load_strictly(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    expected = model.state_dict()
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in sorted(expected.keys() & state.keys())
        if state[key].shape != expected[key].shape
    ]
    problems = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])})"
        for kind, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("misshapen", misshapen),
        )
        if keys
    ]
    if problems:
        raise ValueError(f"weights do not fit {what}: {'; '.join(problems)}")
    model.load_state_dict(state)
