"""Smoothing of whole tracks, forwards and backwards in time, and the filling of short gaps.

A joint moves with a velocity that changes at random; places are measured with errors that are the
larger, the less sure the network was. The most likely path under that model is a cubic smoothing
spline (Wahba 1978), which scipy computes: it has no delay, and gaps are read off it. What it needs
to know is the ratio of both kinds of randomness.

Legend: N frames of a track, J joints. Points are (x, y) in image pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LEAST_POINTS = 5
"""Frames that a smoothing spline needs; shorter pieces stay as they are."""
_LEAST_SCORE = 0.05


@dataclass(frozen=True)
class OfflineSmoothing:
    """How much to smooth.

    Attributes:
        noise: standard deviation of a joint of score 1, in person sizes; that of others is larger
            by 1 / score.
        agility: how fast velocities change: after one second, a velocity has drifted by this many
            person sizes per second. Larger follows movements more closely.
        max_gap: frames that a joint may be missing and is interpolated; longer gaps part a track.

    Raises:
        ValueError: if noise or agility is not positive, or the gap is negative.
    """

    noise: float = 0.01
    agility: float = 8.0
    max_gap: int = 5

    def __post_init__(self) -> None:
        if min(self.noise, self.agility) <= 0 or self.max_gap < 0:
            raise ValueError(
                "noise and agility must be positive and max_gap not negative, got "
                f"{self.noise}, {self.agility} and {self.max_gap}"
            )

    def track(
        self,
        frames: np.ndarray,
        joints: np.ndarray,
        scores: np.ndarray,
        size: float,
        rate: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Smooth a track.

        Args:
            frames: (N,) int64 rising numbers of the frames that the person was seen in.
            joints: (N, J, 2); not finite where missing.
            scores: (N, J) heatmap peaks, about 0 to 1.
            size: of the person, the root of the area of its box, in pixels.
            rate: frames per second.

        Returns:
            (M,) numbers of the frames from the first to the last, without gaps longer than
            `max_gap`, and (M, J, 2) joints; NaN where a joint was missing for longer.

        Raises:
            ValueError: if frames do not rise, or size or rate is not positive.
        """
        if (np.diff(frames) <= 0).any() or not size > 0 or not rate > 0:
            raise ValueError("expected rising frames, and a positive size and rate")
        wanted = self._filled(frames)
        smoothed = np.full((len(wanted), joints.shape[1], 2), np.nan)
        deviation = self.noise / np.clip(scores, _LEAST_SCORE, 1.0)
        stiffness = rate**3 / self.agility**2
        for joint in range(joints.shape[1]):
            seen = np.flatnonzero(np.isfinite(joints[:, joint]).all(axis=1))
            for piece in self._pieces(frames, seen):
                own = frames[piece]
                inside = (wanted >= own[0]) & (wanted <= own[-1])
                smoothed[inside, joint] = size * _spline(
                    own,
                    joints[piece, joint] / size,
                    deviation[piece, joint],
                    stiffness,
                    wanted[inside],
                )
        return wanted, smoothed

    def _filled(self, frames: np.ndarray) -> np.ndarray:
        """Return the frames and those of the gaps that are filled."""
        filled = [frames]
        for before, after in zip(frames[:-1].tolist(), frames[1:].tolist(), strict=True):
            if 1 < after - before <= self.max_gap + 1:
                filled.append(np.arange(before + 1, after))
        return np.sort(np.concatenate(filled))

    def _pieces(self, frames: np.ndarray, seen: np.ndarray) -> list[np.ndarray]:
        """Return positions in `frames` without long gaps between them."""
        if not len(seen):
            return []
        breaks = np.flatnonzero(np.diff(frames[seen]) > self.max_gap + 1) + 1
        return np.split(seen, breaks)


def _spline(
    frames: np.ndarray,
    places: np.ndarray,
    deviations: np.ndarray,
    stiffness: float,
    wanted: np.ndarray,
) -> np.ndarray:
    """Return (M, 2) the smoothed path at the wanted frames.

    Args:
        frames: (N,) rising.
        places: (N, 2).
        deviations: (N,) of the places.
        stiffness: weight of the squared second derivative by frames.
        wanted: (M,) frames between the first and the last.
    """
    if len(frames) < _LEAST_POINTS:
        return np.column_stack([np.interp(wanted, frames, places[:, axis]) for axis in (0, 1)])
    from scipy.interpolate import make_smoothing_spline  # slow to import

    # only the ratio of weights and stiffness counts: near 1 the system is well conditioned
    unit = float(np.median(deviations)) ** 2
    weights = unit / deviations**2
    splines = (  # SciPy before 1.15 takes one coordinate at a time
        make_smoothing_spline(frames.astype(np.float64), axis, w=weights, lam=stiffness * unit)
        for axis in places.T
    )
    return np.column_stack([spline(wanted) for spline in splines])
