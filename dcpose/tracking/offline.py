"""Smoothing of whole tracks, forwards and backwards in time, and the filling of short gaps.

A joint moves with a velocity that changes at random; places are measured with errors that are the
larger, the less sure the network was. The most likely path under that model is a cubic smoothing
spline (Wahba 1978), which scipy computes: it has no delay, and gaps are read off it. What it needs
to know is the ratio of both kinds of randomness.

Legend: N frames of a track, J joints. Points are (x, y) in image pixels.
"""

from __future__ import annotations

import numpy as np

_LEAST_POINTS = 5
"""Frames that a smoothing spline needs; shorter pieces stay as they are."""
_LEAST_SCORE = 0.05


def smooth_track(
    frames: np.ndarray,
    joints: np.ndarray,
    scores: np.ndarray,
    size: float,
    rate: float,
    noise: float = 0.01,
    agility: float = 8.0,
    max_gap: int = 5,
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth a track.

    Args:
        frames: (N,) int64 rising numbers of the frames that the person was seen in, N > 0.
        joints: (N, J, 2); not finite where missing.
        scores: (N, J) heatmap peaks, about 0 to 1.
        size: of the person, the root of the area of its box, in pixels.
        rate: frames per second.
        noise: standard deviation of a joint of score 1, in person sizes; that of others is larger
            by 1 / score.
        agility: how fast velocities change: after one second, a velocity has drifted by this many
            person sizes per second. Larger follows movements more closely.
        max_gap: frames that a joint may be missing and is interpolated; longer gaps part a track.

    Returns:
        (M,) numbers of the frames from the first to the last, without gaps longer than `max_gap`,
        and (M, J, 2) joints; NaN where a joint was missing for longer.

    Raises:
        ValueError: if frames do not rise, or size or rate is not positive.
    """
    if (np.diff(frames) <= 0).any() or not size > 0 or not rate > 0:
        raise ValueError("expected rising frames, and a positive size and rate")
    wanted = np.concatenate(
        [np.arange(piece[0], piece[-1] + 1) for piece in _pieces(frames, frames, max_gap)]
    )
    smoothed = np.full((len(wanted), joints.shape[1], 2), np.nan)
    deviation = noise / np.clip(scores, _LEAST_SCORE, 1.0)
    stiffness = rate**3 / agility**2
    for joint in range(joints.shape[1]):
        seen = np.flatnonzero(np.isfinite(joints[:, joint]).all(axis=1))
        for piece in _pieces(seen, frames[seen], max_gap) if len(seen) else ():
            own = frames[piece]
            inside = (wanted >= own[0]) & (wanted <= own[-1])
            places, errors = joints[piece, joint] / size, deviation[piece, joint]
            smoothed[inside, joint] = size * _spline(own, places, errors, stiffness, wanted[inside])
    return wanted, smoothed


def _pieces(values: np.ndarray, frames: np.ndarray, max_gap: int) -> list[np.ndarray]:
    """Split (N,) values where the (N,) frames that they are of have a longer gap."""
    return np.split(values, np.flatnonzero(np.diff(frames) > max_gap + 1) + 1)


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
