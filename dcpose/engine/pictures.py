"""What loggers show of a model at work on a few clips."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dcpose.geometry import Affine, cell_wh
from dcpose.heatmap import decode
from dcpose.skeleton import Skeleton
from dcpose.structures import ClipBatch
from dcpose.visualize.heatmaps import overlay_heatmaps
from dcpose.visualize.pose import draw_pose
from dcpose.visualize.sheets import comparison_sheet

_CELL_WH = (180, 240)


class PicturedModel(Protocol):
    """What pictures need of a `TemporalModel`."""

    def encode(self, frames: Tensor) -> Tensor:
        """Return encoded frames."""

    def stages(self, encoded: Tensor, gaps: Tensor) -> dict[str, Tensor]:
        """Return named maps on the way to the heatmaps, which come last."""


@torch.inference_mode()
def clip_pictures(
    model: PicturedModel,
    batch: ClipBatch,
    device: torch.device,
    skeleton: Skeleton,
    affine: Affine = "classic",
) -> dict[str, np.ndarray]:
    """Draw one sheet with a row per clip.

    The columns are the crops of the clip, the heatmaps on the way (initial ones of the current
    frame, merged, corrected, as far as the model has them) and predicted against true joints.

    Args:
        model: in eval mode on `device`.
        batch: a few clips with joints, in host memory.
        device: where to compute.
        skeleton: of the heatmaps.
        affine: how the crops were cut.

    Returns:
        Name to (H, W, 3) uint8 RGB picture.

    Raises:
        ValueError: if the batch has no joints.
    """
    if batch.joints is None or batch.joint_weights is None:
        raise ValueError("pictures of predicted against true joints need clips with joints")
    moved = batch.to(device)
    frames, gaps = moved.network_input(), moved.gaps
    heatmaps = model.stages(model.encode(frames), gaps)
    last = list(heatmaps.values())[-1]
    cell = cell_wh((frames.shape[-1], frames.shape[-2]), (last.shape[-1], last.shape[-2]), affine)
    predicted = decode(last)[0].cpu().numpy().astype(np.float64) * cell
    names = frame_names(batch.frames.shape[1])
    on_host = [maps.float().cpu().numpy() for maps in heatmaps.values()]
    # small crops are enlarged first, so that lines drawn on them are fine
    zoom = max(1, round(_CELL_WH[0] / batch.frames.shape[3]))
    rows = []
    for row in range(len(batch)):
        crops = batch.frames[row].numpy().repeat(zoom, axis=1).repeat(zoom, axis=2)
        current = crops[len(crops) // 2]
        labelled = batch.joint_weights[row].numpy() > 0
        truth = batch.joints[row].numpy().astype(np.float64)
        rows.append(
            [
                *crops,
                *(overlay_heatmaps(current, maps[row]) for maps in on_host),
                draw_pose(current, zoom * predicted[row], skeleton, labelled),
                draw_pose(current, zoom * truth, skeleton, labelled),
            ]
        )
    titles = [*names, *heatmaps, "predicted", "truth"]
    people = [person.person_id for person in batch.people]
    return {"clips": comparison_sheet(rows, titles, people, _CELL_WH)}


def frame_names(num_frames: int) -> list[str]:
    """Return what the frames of a clip are called: their places around the current one.

    Two are a supporting frame, on either side, and the current one.
    """
    named = {1: ["current"], 2: ["supporting", "current"], 3: ["previous", "current", "next"]}
    cur = num_frames // 2
    return named.get(num_frames) or [
        "current" if frame == cur else f"{frame - cur:+d}" for frame in range(num_frames)
    ]
