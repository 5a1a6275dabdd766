"""How DCPose finds one joint: a picture like Fig. 1 of the paper (NumPy and OpenCV only).

The picture shows the initial heatmaps of a clip's frames, the merged map, the places where each
dilation of the correction network reads it, and the final heatmap, each over its crop.

Heatmap points are (x, y) in heatmap pixels; heatmap pixel x lies on crop pixel `cell_wh[0]` * x.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dcpose.visualize.canvas import OUTLINE_RGB, Rgb, circle, line
from dcpose.visualize.heatmaps import overlay_heatmaps
from dcpose.visualize.sheets import picture_grid

FINAL_RGB: Rgb = (255, 255, 255)
TRUTH_RGB: Rgb = (90, 255, 120)
ADDS_RGB: Rgb = (64, 200, 255)
TAKES_RGB: Rgb = (255, 110, 200)

_MIN_HEIGHT = 320
_SMALLEST, _LARGEST = 3, 8
"""Radius of sample points, in pixels."""


@dataclass(frozen=True, eq=False)
class JointSamples:
    """What one dilation reads to place one joint at one pixel.

    Attributes:
        dilation: distance of the taps in heatmap pixels.
        regular: (N, 2) places of the taps without offsets, heatmap pixels.
        moved: (N, 2) where they read, heatmap pixels.
        factors: (N,) factor of each sample.
    """

    dilation: int
    regular: np.ndarray
    moved: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True, eq=False)
class JointStages:
    """One joint on its way through the network.

    Attributes:
        crops: F crops (H, W, 3) uint8 RGB.
        crop_names: F names, such as h(p).
        cur: which crop is the current frame's.
        initial: (F, h, w) heatmaps of the backbone.
        merged: (h, w) map of the temporal merger.
        final: (h, w) heatmap of the network.
        samples: one per dilation, for the pixel of `joint`.
        joint: (2,) the joint that the final heatmap gives, heatmap pixels.
        truth: (2,) the annotated joint, heatmap pixels; None if it is not annotated.
        cell_wh: crop pixels per heatmap pixel, along x and y (`geometry.cell_wh`).
    """

    crops: Sequence[np.ndarray]
    crop_names: Sequence[str]
    cur: int
    initial: np.ndarray
    merged: np.ndarray
    final: np.ndarray
    samples: Sequence[JointSamples]
    joint: np.ndarray
    truth: np.ndarray | None
    cell_wh: tuple[float, float]


def stages_sheet(stages: JointStages, heading: str = "") -> np.ndarray:
    """Draw the maps in one row and the samples of each dilation in another.

    Args:
        stages: of one joint of one person.
        heading: a line above the pictures.

    Returns:
        The sheet, (H, W, 3) uint8 RGB.
    """
    zoom = max(1, round(_MIN_HEIGHT / stages.crops[0].shape[0]))
    scale = zoom * np.array(stages.cell_wh)
    crops = [cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
             for crop in stages.crops]  # fmt: skip
    current = crops[stages.cur]
    maps = [
        *zip(stages.crop_names, crops, stages.initial, strict=True),
        ("merged", current, stages.merged),
        ("final", current, stages.final),
    ]
    row = []
    for name, crop, heatmap in maps:
        picture = _lay_over(crop, heatmap, scale)
        if name == "final":
            _mark(picture, stages, scale)
        row.append((f"{name}, peak {heatmap.max():.2f}", picture))
    # all dilations share one scale, so that samples which hardly count are hardly seen
    largest = max((float(np.abs(s.factors).max()) for s in stages.samples), default=0.0)
    below = []
    for samples in stages.samples:
        picture = _lay_over(current, stages.merged, scale, 0.6)
        _draw_samples(picture, samples, stages, scale, largest)
        below.append((f"dilation {samples.dilation}", picture))
    height, width = current.shape[:2]
    return picture_grid([row, below], (width, height), heading, _notes(stages))


def _notes(stages: JointStages) -> list[str]:
    final = "white ring: the joint as found" + (
        "" if stages.truth is None else "; green ring: as annotated"
    )
    return [
        f"Each map is coloured from its median to its own peak; {final}.",
        "Lines lead from the regular taps around the joint to where the merged map is read;",
        "blue adds, pink takes away, larger dots count more (mask times weight).",
    ]


def _lay_over(
    crop: np.ndarray, heatmap: np.ndarray, scale: np.ndarray, brightness: float = 1.0
) -> np.ndarray:
    """Lay a heatmap over its crop, heatmap pixel x on picture pixel `scale[0]` * x."""
    height, width = crop.shape[:2]
    matrix = np.array([[scale[0], 0.0, 0.0], [0.0, scale[1], 0.0]])
    stretched = cv2.warpAffine(
        heatmap.astype(np.float32), matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    # merged maps may lie above zero everywhere; half of any map is background
    floor = float(np.median(heatmap))
    peak = max(float(heatmap.max()) - floor, 1e-6)
    return overlay_heatmaps(crop, brightness * (stretched[None] - floor), peak)


def _draw_samples(
    picture: np.ndarray,
    samples: JointSamples,
    stages: JointStages,
    scale: np.ndarray,
    largest: float,
) -> None:
    regular = scale * samples.regular
    moved = scale * samples.moved
    for start, end in zip(regular, moved, strict=True):
        line(picture, start, end, FINAL_RGB, 1)
        circle(picture, start, 1, FINAL_RGB)
    share = np.abs(samples.factors) / max(largest, 1e-12)
    # the area of a dot says how much it counts; the weightiest lie on top
    for index in np.argsort(share):
        radius = max(_SMALLEST, round(_LARGEST * float(np.sqrt(share[index]))))
        colour = ADDS_RGB if samples.factors[index] > 0 else TAKES_RGB
        circle(picture, moved[index], radius + 1, OUTLINE_RGB)
        circle(picture, moved[index], radius, colour)
    _mark(picture, stages, scale)


def _mark(picture: np.ndarray, stages: JointStages, scale: np.ndarray) -> None:
    marks = [(stages.truth, TRUTH_RGB, 12), (stages.joint, FINAL_RGB, 9)]
    for point, colour, radius in marks:
        if point is not None:
            circle(picture, scale * point, radius, OUTLINE_RGB, 3)
            circle(picture, scale * point, radius, colour, 1)
