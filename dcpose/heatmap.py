"""Heatmap codec: joints to Gaussian targets, and network heatmaps back to joints.

Shape legend: B people, J joints, H x W heatmap pixels. Points are (x, y). A joint in crop pixels
is `geometry.cell_wh` times its position in heatmap pixels; with the classic affine that is the
stride, crop width / heatmap width (4 for HRNet).
Everything is batched and stays on the device of its input.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

DARK_SIGMA = 2.0
"""Blur of the official code: kernel 11 with the sigma that OpenCV takes for it."""

_DARK_RADIUS = 5
_DARK_RANGE = (0.001, 50.0)
"""Values of blurred heatmaps are cut to this before the logarithm."""


def encode(
    joints: Tensor,
    joint_weights: Tensor,
    crop_wh: tuple[int, int],
    heatmap_wh: tuple[int, int],
    sigma: float,
    unbiased: bool = False,
) -> tuple[Tensor, Tensor]:
    """Paint one Gaussian per joint.

    The peak is 1 and sits on the heatmap pixel nearest to the joint (halves round up): targets are
    not sub-pixel, as in the release. Unbiased ones sit on the joint itself. Values further than
    3 sigma from the peak along x or y are 0. A joint outside the crop (borders count as inside) or
    with a coordinate that is not finite gets weight 0, whatever its weight was; joints of weight 0
    get an empty map.

    Args:
        joints: (B, J, 2) joints in crop pixels.
        joint_weights: (B, J) loss weights, 0 for unlabelled joints.
        crop_wh: crop size in pixels.
        heatmap_wh: heatmap size in pixels.
        sigma: standard deviation of the Gaussian, in heatmap pixels.
        unbiased: for crops of the udp affine: the last heatmap pixel stands for the last crop pixel
            (`geometry.cell_wh`), and targets are sub-pixel.

    Returns:
        targets (B, J, H, W) float32 in [0, 1], and their weights (B, J) float32.

    Raises:
        ValueError: if shapes disagree or sigma is not positive.
    """
    if joints.ndim != 3 or joints.shape[-1] != 2 or joint_weights.shape != joints.shape[:2]:
        raise ValueError(
            f"expected joints (B, J, 2) and joint_weights (B, J), got {tuple(joints.shape)} "
            f"and {tuple(joint_weights.shape)}"
        )
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")

    # sizes stay numbers: a tensor made of them would let a GPU wait for its copy in every step
    x, y = joints.float().unbind(dim=-1)
    # comparisons with NaN are False, so the test for the inside also removes undefined joints
    far_x, far_y = (side - unbiased for side in crop_wh)
    inside = (x >= 0) & (x <= far_x) & (y >= 0) & (y <= far_y)
    weights = torch.where(inside, joint_weights.float(), 0.0)

    cells = [
        torch.where(inside, position, 0.0) / (far / (length - unbiased))
        for position, far, length in zip((x, y), (far_x, far_y), heatmap_wh, strict=True)
    ]
    if not unbiased:
        cells = [torch.floor(cell + 0.5) for cell in cells]
    along_x, along_y = (
        _truncated_gaussian(cell, length, sigma)
        for cell, length in zip(cells, heatmap_wh, strict=True)
    )
    along_y = along_y * (weights > 0)[..., None]
    return along_y[..., :, None] * along_x[..., None, :], weights


def decode(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Read joints off heatmaps: the highest pixel, moved a quarter pixel towards its neighbours.

    The move goes towards the higher of the two neighbours along x and along y, for peaks at
    least two pixels inside the map. A map without a positive value gives joint (0, 0). A map
    that contains NaN gives joint (0, 0) and score NaN, so the caller can tell which it was.

    Args:
        heatmaps: (B, J, H, W) of any float type, H and W at least 3.

    Returns:
        joints (B, J, 2) float32 in heatmap pixels, and scores (B, J) float32, the peak values.

    Raises:
        ValueError: if `heatmaps` does not have four dimensions or is smaller than 3 x 3.
    """
    _check_heatmaps(heatmaps)
    height, width = heatmaps.shape[2:]
    flat = heatmaps.float().flatten(2)
    scores, index = flat.max(dim=-1)
    x, y = index % width, index // width

    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    # peaks at the border are moved inside for the look-up only, and masked afterwards
    center = y.clamp(1, height - 2) * width + x.clamp(1, width - 2)
    around = torch.stack([center + 1, center - 1, center + width, center - width], dim=-1)
    right, left, below, above = flat.gather(-1, around).unbind(-1)
    shift = 0.25 * torch.stack([torch.sign(right - left), torch.sign(below - above)], dim=-1)

    joints = torch.stack([x, y], dim=-1) + torch.where(inner[..., None], shift, 0.0)
    return torch.where((scores > 0)[..., None], joints, 0.0), scores


def decode_dark(heatmaps: Tensor, sigma: float = DARK_SIGMA) -> tuple[Tensor, Tensor]:
    """Read joints off heatmaps: the highest pixel, moved to the top of a Gaussian through it.

    Distribution-aware decoding (DARK, Zhang et al., CVPR 2020) as ViTPose does it: the map is
    blurred, cut to 0.001 .. 50, and one Newton step is made from the pixel on its logarithm. The
    step has no limit. Maps without a positive value, maps with NaN, results and errors are as in
    `decode`.

    Args:
        heatmaps: (B, J, H, W) of any float type, H and W at least 3.
        sigma: of the blur, in heatmap pixels; transformers takes 0.8.
    """
    _check_heatmaps(heatmaps)
    height, width = heatmaps.shape[2:]
    maps = heatmaps.float()
    scores, index = maps.flatten(2).max(dim=-1)
    x, y = index % width, index // width

    rows, columns = _blur(height, sigma, maps.device), _blur(width, sigma, maps.device)
    smooth = (rows @ maps @ columns.T).clamp(*_DARK_RANGE).log()
    # beyond the border the map goes on as it ends there
    near_x = [(x + step).clamp(0, width - 1) for step in (-1, 0, 1)]
    near_y = [(y + step).clamp(0, height - 1) for step in (-1, 0, 1)]
    around = torch.stack([row * width + column for row in near_y for column in near_x], dim=-1)
    values = smooth.flatten(2).gather(-1, around)
    (a, b, _), (d, e, f), (_, h, i) = values.unflatten(-1, (3, 3)).permute(2, 3, 0, 1)

    step_x, step_y = (f - d) / 2, (h - b) / 2
    xx, yy = d - 2 * e + f, b - 2 * e + h
    xy = (a - b - d + 2 * e - f - h + i) / 2
    epsilon = torch.finfo(torch.float32).eps
    xx, yy = xx + epsilon, yy + epsilon
    determinant = xx * yy - xy * xy
    newton = torch.stack([xy * step_y - yy * step_x, xy * step_x - xx * step_y], dim=-1)
    moved = newton / torch.where(determinant == 0, epsilon, determinant)[..., None]
    joints = torch.stack([x, y], dim=-1) + moved
    return torch.where((scores > 0)[..., None], joints, 0.0), scores


Decoding = Literal["quarter", "dark"]

DECODERS: dict[Decoding, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "quarter": decode,
    "dark": decode_dark,
}
"""How joints are read off heatmaps, as `test.decoding` names it."""


def heatmap_to_image(
    joints: Tensor, crop_to_image: Tensor, stride: float | tuple[float, float]
) -> Tensor:
    """Bring decoded joints back to the frame.

    Args:
        joints: (B, J, 2) joints in heatmap pixels.
        crop_to_image: (B, 2, 3) maps from crop pixels to image pixels.
        stride: crop pixels per heatmap pixel, along x and y where they differ (`cell_wh`).

    Returns:
        (B, J, 2) float64 joints in image pixels.
    """
    crop_to_image = crop_to_image.double()
    linear, offset = crop_to_image[..., :2], crop_to_image[..., 2]
    along_x, along_y = stride if isinstance(stride, tuple) else (stride, stride)
    x, y = joints.double().unbind(dim=-1)
    in_crop = torch.stack([along_x * x, along_y * y], dim=-1)
    return in_crop @ linear.transpose(1, 2) + offset[:, None]


def _check_heatmaps(heatmaps: Tensor) -> None:
    if heatmaps.ndim != 4 or min(heatmaps.shape[2:]) < 3:
        raise ValueError(
            f"expected heatmaps (B, J, H, W) of at least 3 x 3, got {tuple(heatmaps.shape)}"
        )


def _blur(length: int, sigma: float, device: torch.device) -> Tensor:
    """Return the (length, length) matrix of a Gaussian blur; the map is mirrored at its border."""
    reach = torch.arange(-_DARK_RADIUS, _DARK_RADIUS + 1, device=device)
    kernel = torch.exp(reach.double().square() / (-2 * sigma * sigma))
    kernel /= kernel.sum()
    source = (torch.arange(length, device=device)[:, None] + reach) % (2 * length)
    source = torch.where(source < length, source, 2 * length - 1 - source)
    matrix = torch.zeros(length, length, dtype=torch.float64, device=device)
    return matrix.scatter_add_(1, source, kernel.expand(length, -1).contiguous()).float()


def _truncated_gaussian(peaks: Tensor, length: int, sigma: float) -> Tensor:
    """Return (B, J, length): Gaussian of the distance to (B, J) peaks, 0 past 3 sigma."""
    distance = torch.arange(length, device=peaks.device) - peaks[..., None]
    values = torch.exp(distance.square() / (-2 * sigma * sigma))
    return torch.where(distance.abs() <= 3 * sigma, values, 0.0)
