"""Training augmentation: half body, scale, rotation and flip, all folded into the crop matrix.

Nothing here touches pixels: the result is one (2, 3) map, so image and joints cannot disagree.
What does touch them is in `appearance.py` and `cutoff.py`.
The order and the distributions are those of the released training code.
"""

from dataclasses import dataclass, field

import numpy as np

from dcpose.data.appearance import Appearance
from dcpose.data.clip import ClipOptions
from dcpose.data.crop import crop_matrix
from dcpose.geometry import apply_affine, compose, mirror_matrix
from dcpose.skeleton import Skeleton

_HALF_BODY_ENLARGE = 1.5
"""Takes the place of the usual box factor when the box is the extent of joints."""
_UPPER_BODY_PROB = 0.69
"""Share of upper bodies among half bodies; the release compares a normal draw with 0.5."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes.

    Attributes:
        flip_prob: probability of mirroring.
        rotation_prob: probability of turning the window.
        rotation_deg: standard deviation of the angle, in degrees; cut at twice that.
        scale: standard deviation of the window's scale about 1; cut at 1 - scale and 1 + scale.
        half_body_prob: probability of showing only the upper or only the lower body.
        half_body_min_joints: half bodies are made of people with more visible joints than this.
        shift_prob: probability of moving the box off its person, if it is no half body.
        shift: largest move along either side, as a share of the box.
        cut_prob: probability that a part of the person is hidden (`cutoff.py`).
        appearance: what happens to the pixels.
    """

    flip_prob: float = 0.5
    rotation_prob: float = 0.6
    rotation_deg: float = 45.0
    scale: float = 0.35
    half_body_prob: float = 0.3
    half_body_min_joints: int = 8
    shift_prob: float = 0.0
    shift: float = 0.2
    cut_prob: float = 0.0
    appearance: Appearance = field(default_factory=Appearance)


NO_CHANGES = Augmentation(flip_prob=0.0, rotation_prob=0.0, scale=0.0, half_body_prob=0.0)
"""Shows every box as it is."""


@dataclass(frozen=True, eq=False)
class CropView:
    """How one person is looked at.

    Attributes:
        image_to_crop: (2, 3) map from image pixels to crop pixels, mirroring included.
        mirrored: whether left and right have changed places.
    """

    image_to_crop: np.ndarray
    mirrored: bool

    def move_joints(self, joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        """Map (J, 3) joints x, y, visible to crop pixels; a mirrored left joint is a right one."""
        moved = np.column_stack([apply_affine(joints[:, :2], self.image_to_crop), joints[:, 2]])
        return moved[skeleton.flip_permutation] if self.mirrored else moved


def random_view(
    box_xywh: np.ndarray,
    joints: np.ndarray,
    options: ClipOptions,
    augmentation: Augmentation,
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> CropView:
    """Draw a view of a person.

    Args:
        box_xywh: (4,) person box in image pixels.
        joints: (J, 3) x, y in image pixels and visibility; choose the half bodies.
        options: the crop; its factor counts where the box is not replaced by a half body.
        augmentation: what may happen, and how likely.
        skeleton: says what the upper body is.
        rng: source of all randomness.
    """
    factor = options.box_enlarge
    half_body = _random_half_body(joints, augmentation, skeleton, rng)
    if half_body is not None:
        box_xywh, factor = half_body, _HALF_BODY_ENLARGE
    elif augmentation.shift_prob > 0 and rng.random() < augmentation.shift_prob:
        moves = rng.uniform(-augmentation.shift, augmentation.shift, 2)
        box_xywh = box_xywh + np.concatenate([moves * box_xywh[2:], [0.0, 0.0]])
    factor *= np.clip(
        rng.normal(1, augmentation.scale), 1 - augmentation.scale, 1 + augmentation.scale
    )
    angle_deg = 0.0
    if rng.random() < augmentation.rotation_prob:
        limit = 2 * augmentation.rotation_deg
        angle_deg = float(np.clip(rng.normal(0, augmentation.rotation_deg), -limit, limit))
    matrix = crop_matrix(box_xywh, options.crop_wh, factor, angle_deg, options.affine)
    mirrored = bool(rng.random() < augmentation.flip_prob)
    if mirrored:
        matrix = compose(mirror_matrix(options.crop_wh, options.affine), matrix)
    return CropView(matrix, mirrored)


def _random_half_body(
    joints: np.ndarray, augmentation: Augmentation, skeleton: Skeleton, rng: np.random.Generator
) -> np.ndarray | None:
    """Return the (4,) extent of the visible joints of one half of the body, or None."""
    visible = joints[:, 2] > 0
    if visible.sum() <= augmentation.half_body_min_joints:
        return None
    if rng.random() >= augmentation.half_body_prob:
        return None
    upper = visible & skeleton.upper_body_mask
    lower = visible & ~skeleton.upper_body_mask
    first, second = (upper, lower) if rng.random() < _UPPER_BODY_PROB else (lower, upper)
    # a half with one or two joints says too little about where that half is
    half = first if first.sum() > 2 else second
    points = joints[half, :2]
    if len(points) <= 2 or (extent := np.ptp(points, axis=0)).max() <= 0:
        return None
    return np.concatenate([points.min(axis=0), extent])
