"""What goes wrong for a few frames: blur, defocus and occluders, and how it looks.

A burst lasts one to three frames and the frames around it are sharp, so that one frame alone
does not show where the joints are while its neighbours do.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from dcpose.synthetic.render import Sprite

CONDITIONS = ("motion_blur", "defocus", "occlusion", "crossing")
"""Values of the extra key `conditions` of annotations; an empty list is a clean person."""

KINDS = {"person_blur": 0.34, "camera_blur": 0.14, "defocus": 0.16, "occluder": 0.36}
"""Kinds of bursts and how often each is drawn."""


@dataclass(frozen=True, eq=False)
class Burst:
    """Frames `first` .. `first + length - 1` of one failure.

    Attributes:
        kind: a key of `KINDS`.
        first: first frame.
        length: number of frames.
        targets: (people,) bool, whom it hits; everybody for a failing camera.
    """

    kind: str
    first: int
    length: int
    targets: np.ndarray

    def covers(self, frame: int) -> bool:
        """Whether the failure is on in this frame."""
        return self.first <= frame < self.first + self.length


def draw_bursts(frames: int, people: int, rng: np.random.Generator) -> list[Burst]:
    """Fill a video with bursts that do not overlap; about half of the frames are hit."""
    bursts, frame = [], int(rng.integers(0, 4))
    while frame < frames:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        length = int(rng.choice([1, 2, 3], p=[0.62, 0.28, 0.1]))
        targets = rng.uniform(size=people) < 0.8
        targets[rng.integers(people)] = True
        if kind in ("camera_blur", "defocus"):
            targets[:] = True
        bursts.append(Burst(kind, frame, min(length, frames - frame), targets))
        frame += length + int(rng.choice([1, 2, 3], p=[0.4, 0.45, 0.15]))
    return bursts


def streak(length: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Kernel of a movement during the exposure, slightly bent.

    The labelled instant is anywhere in the exposure, not in its middle, as the shutter does not
    open around the time stamp of a frame: the true place is somewhere along the smear.

    Returns:
        (K, K) float32 with sum 1, K odd; its centre pixel is the labelled instant.
    """
    steps = np.linspace(0, 1, max(8, round(3 * length)))
    path = (steps - rng.uniform(0.1, 0.9)) * length
    bend = rng.uniform(-0.12, 0.12) * length * (4 * steps * (1 - steps))
    bend -= np.interp(0, path, bend)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = path * cos - bend * sin, path * sin + bend * cos
    half = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    weight = rng.uniform(0.4, 1.0) + rng.uniform(0, 0.8) * np.abs(np.sin(steps * rng.uniform(2, 7)))
    kernel = np.histogram2d(
        y, x, bins=2 * half + 1, range=[(-half - 0.5, half + 0.5)] * 2, weights=weight
    )[0]
    kernel = cv2.GaussianBlur(kernel, (3, 3), 0.6)
    return (kernel / kernel.sum()).astype(np.float32)


def disk(radius: float) -> np.ndarray:
    """Kernel of a lens out of focus, (K, K) float32 with sum 1."""
    half = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = (radius + 0.5 - np.hypot(x, y)).clip(0, 1).astype(np.float32)
    return kernel / kernel.sum()


def smear(sprite: Sprite, kernel: np.ndarray) -> Sprite:
    """Return the sprite convolved with a kernel; the sprite must have room for it."""
    # filter2D correlates; a convolution moves the picture along the kernel
    flipped = kernel[::-1, ::-1]
    border = cv2.BORDER_CONSTANT
    color = cv2.filter2D(sprite.color, -1, flipped, borderType=border)
    alpha = cv2.filter2D(sprite.alpha, -1, flipped, borderType=border)
    return replace(sprite, color=color, alpha=alpha.clip(0, 1))


def smear_frame(frame: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return an (H, W, 3) frame convolved with a kernel."""
    return cv2.filter2D(frame, -1, kernel[::-1, ::-1], borderType=cv2.BORDER_REFLECT)


def padded(sprite: Sprite, margin: int) -> Sprite:
    """Return the sprite with a transparent border."""
    color = np.pad(sprite.color, ((margin, margin), (margin, margin), (0, 0)))
    return Sprite(sprite.x - margin, sprite.y - margin, color, np.pad(sprite.alpha, margin))
