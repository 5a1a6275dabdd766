"""The yardstick: people handled one by one, the way the original project handles them.

Every person costs three full decodes and colour conversions, normalisation frame by frame on the
CPU, and target heatmaps even where nothing reads them; heatmaps are decoded joint by joint. What
comes out is what the package computes, which a test compares; only the way there is the slow one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import normalize, to_tensor

from dcpose.data.augment import Augmentation, random_view
from dcpose.data.clip import ClipOptions, choose_clip
from dcpose.data.crop import crop_matrix, visible_box
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.geometry import apply_affine, invert_affine
from dcpose.skeleton import POSETRACK
from dcpose.structures import IMAGE_MEAN, IMAGE_STD, PersonRecord, PosePrediction

STRIDE = 4


@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """One person, ready for the network.

    Attributes:
        person: whose clip.
        crops: prev, cur and next, (3, H, W) float32 normalised RGB each.
        gaps: (2,) float32.
        crop_to_image: (2, 3) float64.
        targets: (J, H / 4, W / 4) float32, painted at inference, too.
        target_weights: (J,) float32.
    """

    person: PersonRecord
    crops: list[Tensor]
    gaps: Tensor
    crop_to_image: np.ndarray
    targets: Tensor
    target_weights: Tensor


def load_sample(
    video: VideoAnnotation,
    person: PersonRecord,
    options: ClipOptions,
    sigma: float,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
) -> ReferenceSample:
    """Read three frames for one person, cut, normalise and stack them, and paint targets.

    Args:
        video: where the person is.
        person: with joints.
        options: size of crops, reach of neighbours.
        sigma: of the targets, in heatmap pixels.
        augmentation: random changes, in training.
        rng: draws them; None takes the box as it is.
    """
    person = copy.deepcopy(person)
    clip = choose_clip(person.frame, video.frame_range, options, rng)
    paths = [video.frame_path(number) for number in clip.numbers]
    images = [_read(path) for path in paths]
    box = visible_box(person, (images[0].shape[1], images[0].shape[0]))
    joints = np.zeros((POSETRACK.num_joints, 3)) if person.joints is None else person.joints
    if augmentation is None or rng is None:
        matrix = crop_matrix(box, options.crop_wh, options.box_enlarge)
        moved = np.column_stack([apply_affine(joints[:, :2], matrix), joints[:, 2]])
    else:
        view = random_view(box, joints, options, augmentation, POSETRACK, rng)
        matrix, moved = view.image_to_crop, view.move_joints(joints, POSETRACK)
    crops = [
        cv2.warpAffine(image, matrix, options.crop_wh, flags=cv2.INTER_LINEAR) for image in images
    ]
    targets, weights = _paint(moved, options.crop_wh, sigma)
    return ReferenceSample(
        person=person,
        crops=[normalize(to_tensor(crop), IMAGE_MEAN, IMAGE_STD) for crop in crops],
        gaps=torch.tensor(clip.gaps, dtype=torch.float32),
        crop_to_image=invert_affine(matrix),
        targets=targets,
        target_weights=weights,
    )


def _read(path: Path) -> np.ndarray:
    if not path.exists():
        raise ValueError(f"{path}: frame not found")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError(f"{path}: not an image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _paint(joints: np.ndarray, crop_wh: tuple[int, int], sigma: float) -> tuple[Tensor, Tensor]:
    """Paint one patch per joint into zeros."""
    width, height = crop_wh[0] // STRIDE, crop_wh[1] // STRIDE
    reach = int(3 * sigma)
    offsets = np.arange(-reach, reach + 1)
    patch = np.exp((offsets**2 + offsets[:, None] ** 2) / (-2 * sigma**2))
    targets = np.zeros((len(joints), height, width), np.float32)
    weights = np.zeros(len(joints), np.float32)
    for number, (x, y, visible) in enumerate(joints):
        if not (visible and 0 <= x <= crop_wh[0] and 0 <= y <= crop_wh[1]):
            continue
        weights[number] = visible
        column, row = math.floor(x / STRIDE + 0.5), math.floor(y / STRIDE + 0.5)
        left, right = max(column - reach, 0), min(column + reach + 1, width)
        top, bottom = max(row - reach, 0), min(row + reach + 1, height)
        targets[number, top:bottom, left:right] = patch[
            top - row + reach : bottom - row + reach, left - column + reach : right - column + reach
        ]
    return torch.from_numpy(targets), torch.from_numpy(weights)


def network_input(samples: Sequence[ReferenceSample]) -> Tensor:
    """Return (B, 3, 3, H, W): each of the three crops collated over the batch, then joined."""
    collated = [torch.stack(crops) for crops in zip(*(s.crops for s in samples), strict=True)]
    return torch.cat(collated, dim=1).unflatten(1, (3, 3))


@torch.no_grad()
def predict_one_by_one(
    model: nn.Module,
    videos: Sequence[VideoAnnotation],
    people: Mapping[str, Sequence[PersonRecord]],
    options: ClipOptions,
    sigma: float,
    device: torch.device,
) -> Iterator[PosePrediction]:
    """Yield the poses of all people: load, run the network in fp32, decode, one after the other."""
    for video in videos:
        for person in people[video.name]:
            sample = load_sample(video, person, options, sigma)
            frames = network_input([sample]).to(device)
            heatmaps = model(frames, sample.gaps[None].to(device)).float().cpu().numpy()[0]
            joints, scores = decode_one_by_one(heatmaps)
            crop = apply_affine(STRIDE * joints, sample.crop_to_image)
            yield PosePrediction(sample.person, crop, scores)


def write_one_by_one(
    model: nn.Module,
    videos: Sequence[VideoAnnotation],
    people: Mapping[str, Sequence[PersonRecord]],
    options: ClipOptions,
    sigma: float,
    device: torch.device,
    out: Path,
) -> None:
    """Write `out`/<video>.json for every video; the rest as for `predict_one_by_one`."""
    for video in videos:
        poses = predict_one_by_one(model, [video], people, options, sigma, device)
        write_predictions(out / f"{video.name}.json", video.images, list(poses))


def decode_one_by_one(heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (J, 2) joints in heatmap pixels and (J,) scores of heatmaps (J, H, W)."""
    num_joints, height, width = heatmaps.shape
    joints, scores = np.zeros((num_joints, 2)), np.zeros(num_joints)
    for number in range(num_joints):
        heatmap = heatmaps[number]
        y, x = divmod(int(heatmap.argmax()), width)
        scores[number] = heatmap[y, x]
        if scores[number] <= 0:
            continue
        joints[number] = x, y
        if 1 < x < width - 1 and 1 < y < height - 1:
            slope = heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]
            joints[number] += 0.25 * np.sign(slope)
    return joints, scores
