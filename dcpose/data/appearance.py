"""Training augmentation of pixels: what light, lens, sensor and compression do to a clip.

What is drawn holds for all frames of a clip, as one camera films it; only sensor noise is new in
every frame. Crops are (F, H, W, 3) uint8 RGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np

BRIGHTNESS = CONTRAST = (0.6, 1.5)
SATURATION = (0.0, 1.6)
CHANNEL_GAIN = (0.85, 1.15)
GAMMA = (0.7, 1.4)
"""Factors at full strength; weaker ones lie nearer to 1."""
GRAY_PROB = 0.1
"""Of clips without any colour, at full strength."""
BLUR_SIGMA = (0.4, 1.6)
"""Standard deviation of the blur, in crop pixels."""
LOW_RESOLUTION = (0.3, 0.7)
"""Share of the resolution that is left."""
CUTOUT_SIDE = (0.1, 0.4)
"""Sides of the block that is cut out, as shares of the crop's."""
JPEG_QUALITY = (15, 70)
TEXTURE_KERNELS = (1, 3, 5)
"""Sides of random convolutions, pixels."""
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Appearance:
    """How much pixels change, each from 0, which switches a change off, to 1.

    Attributes:
        color: strength of changed brightness, contrast, saturation, channel gains and gamma.
        blur: probability of a defocused clip.
        low_resolution: probability of a clip that was filmed with fewer pixels.
        noise: largest standard deviation of sensor noise, as a share of the range of values.
        cutout: probability of a block of one colour somewhere in the crop.
        jpeg: probability of visible compression.
        texture: probability of a random convolution (Xu et al., ICLR 2021, arXiv 2007.13003),
            which changes colours and texture and leaves shapes.
    """

    color: float = 0.0
    blur: float = 0.0
    low_resolution: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    jpeg: float = 0.0
    texture: float = 0.0

    @property
    def is_off(self) -> bool:
        """Whether pixels stay as they are."""
        return not any(vars(self).values())


def change_appearance(
    crops: np.ndarray, appearance: Appearance, rng: np.random.Generator
) -> np.ndarray:
    """Return the crops of a clip as another camera might have taken them.

    Args:
        crops: (F, H, W, 3) uint8 RGB; not changed.
        appearance: what may happen.
        rng: source of all randomness.
    """
    if appearance.is_off:
        return crops
    frames = list(crops)
    if appearance.color:
        frames = _colored(frames, appearance.color, rng)
    # nothing is drawn where it is off: the other changes are those of before it came
    if appearance.texture and rng.random() < appearance.texture:
        frames = _textured(frames, rng)
    if rng.random() < appearance.blur:
        sigma = rng.uniform(*BLUR_SIGMA)
        frames = [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames]
    if rng.random() < appearance.low_resolution:
        frames = [
            _coarse(frame, share) for share in [rng.uniform(*LOW_RESOLUTION)] for frame in frames
        ]
    if rng.random() < appearance.cutout:
        frames = _cut_out(frames, rng)
    if appearance.noise:
        level = 255 * appearance.noise * rng.random()
        frames = [_noisy(frame, level, rng) for frame in frames]
    if rng.random() < appearance.jpeg:
        quality = int(rng.integers(*JPEG_QUALITY))
        frames = [_compressed(frame, quality) for frame in frames]
    return np.stack(frames)


def _colored(
    frames: list[np.ndarray], strength: float, rng: np.random.Generator
) -> list[np.ndarray]:
    def factor(limits: tuple[float, float]) -> float:
        return 1 + strength * (float(rng.uniform(*limits)) - 1)

    brightness, contrast, saturation = factor(BRIGHTNESS), factor(CONTRAST), factor(SATURATION)
    gains, gamma = [factor(CHANNEL_GAIN) for _ in range(3)], factor(GAMMA)
    if rng.random() < strength * GRAY_PROB:
        saturation = 0.0
    colors = saturation * np.eye(3) + (1 - saturation) * _LUMA
    linear = contrast * brightness * np.diag(gains) @ colors
    # contrast keeps the clip's mean gray where brightness has put it
    gray = brightness * np.mean([cv2.mean(frame)[:3] for frame in frames], axis=0) @ _LUMA
    matrix = np.column_stack([linear, np.full(3, (1 - contrast) * gray)])
    curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return [cv2.LUT(cv2.transform(frame, matrix), curve) for frame in frames]


def _textured(frames: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Mix frames with a convolution of them that keeps the clip's mean and spread."""
    side, share = int(rng.choice(TEXTURE_KERNELS)), rng.random()
    kernels = rng.standard_normal((3, 3, side, side)).astype(np.float32)
    crops = np.stack(frames).astype(np.float32)
    mean, spread = crops.mean(axis=(0, 1, 2)), crops.std(axis=(0, 1, 2))
    filtered = np.empty_like(crops)
    for frame, out in zip(crops - mean, filtered, strict=True):
        for channel, kernel in enumerate(kernels):
            parts = [cv2.filter2D(frame[..., i], -1, kernel[i]) for i in range(3)]
            out[..., channel] = sum(parts)
    filtered -= filtered.mean(axis=(0, 1, 2))
    filtered *= spread / np.maximum(filtered.std(axis=(0, 1, 2)), 1e-6)
    mixed = share * crops + (1 - share) * (filtered + mean)
    return list(mixed.round().clip(0, 255).astype(np.uint8))


def _coarse(frame: np.ndarray, share: float) -> np.ndarray:
    height, width = frame.shape[:2]
    small = max(round(share * width), 1), max(round(share * height), 1)
    return cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (width, height))


def _cut_out(frames: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    height, width = frames[0].shape[:2]
    sides = rng.uniform(*CUTOUT_SIDE, 2) * (width, height)
    x, y = np.round(rng.uniform(0, 1, 2) * (width, height) - sides / 2).astype(int)
    wide, tall = np.round(sides).astype(int)
    color = rng.integers(0, 256, 3)
    frames = [frame.copy() for frame in frames]
    for frame in frames:
        frame[max(y, 0) : max(y + tall, 0), max(x, 0) : max(x + wide, 0)] = color
    return frames


def _noisy(frame: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(frame.shape, np.float32) * np.float32(level)
    return (frame + noise).clip(0, 255).astype(np.uint8)


def _compressed(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
