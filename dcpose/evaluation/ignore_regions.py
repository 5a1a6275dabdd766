"""Which points lie strictly inside an ignore region of a frame.

Border and vertices count as outside. Rings that cross themselves follow the even-odd rule, rings
without area contain nothing, and it does not matter whether the first point is repeated at the
end. The side of a point is decided exactly, as the evaluator of PoseTrack (GEOS) does.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

# rounding error of the 2 x 2 determinant of coordinate differences (Shewchuk, Adaptive Precision
# Floating-Point Arithmetic, 1997, "ccwerrboundA"); smaller products may have underflowed
_ERROR_BOUND = (3 + 16 * 2.0**-53) * 2.0**-53
_TINY = 1e-280


def inside_any_ring(points: np.ndarray, rings: list[np.ndarray]) -> np.ndarray:
    """Tell which points lie strictly inside at least one ring.

    Args:
        points: (..., 2) float64; points that are not finite are outside.
        rings: (N, 2) float64 each, N = 0 or N >= 3.

    Returns:
        (...) bool.
    """
    flat = points.reshape(-1, 2)
    inside = np.zeros(len(flat), dtype=bool)
    for ring in rings:
        if not len(ring):
            continue
        # NaN fails every comparison
        candidates = ((flat > ring.min(axis=0)) & (flat < ring.max(axis=0))).all(axis=1)
        todo = np.flatnonzero(candidates & ~inside)
        inside[todo] = _strictly_inside(flat[todo], ring)
    return inside.reshape(points.shape[:-1])


def _strictly_inside(points: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Return (P,) bool for (P, 2) finite points and one (N, 2) ring (even-odd rule)."""
    start, end = ring, np.roll(ring, -1, axis=0)
    px, py = points[:, :1], points[:, 1:]  # (P, 1) against (N,) edges
    side = _orientation(start, end, points)  # (P, N)
    upward = (start[:, 1] <= py) & (end[:, 1] > py)
    downward = (start[:, 1] > py) & (end[:, 1] <= py)
    # an edge crosses the ray to the right of the point if the point is on the edge's left side
    # when the edge goes up, and on its right side when it goes down
    crossings = (upward & (side > 0)) | (downward & (side < 0))
    low, high = np.minimum(start, end), np.maximum(start, end)
    within = (px >= low[:, 0]) & (px <= high[:, 0]) & (py >= low[:, 1]) & (py <= high[:, 1])
    on_border = (within & (side == 0)).any(axis=1)
    return (crossings.sum(axis=1) % 2 == 1) & ~on_border


def _orientation(start: np.ndarray, end: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the exact side (P, N) of points (P, 2) seen along edges (N, 2) -> (N, 2).

    1 is left of the edge in a right-handed system, -1 right, 0 on its line.
    """
    px, py = points[:, :1], points[:, 1:]
    left = (start[:, 0] - px) * (end[:, 1] - py)
    right = (start[:, 1] - py) * (end[:, 0] - px)
    determinant = left - right
    side = np.sign(determinant)
    magnitude = np.abs(left) + np.abs(right)
    unsure = (np.abs(determinant) <= _ERROR_BOUND * magnitude) | (magnitude < _TINY)
    for p, n in np.argwhere(unsure):
        (ax, ay), (bx, by), (cx, cy) = (
            (Fraction(float(x)), Fraction(float(y))) for x, y in (start[n], end[n], points[p])
        )
        exact = (ax - cx) * (by - cy) - (ay - cy) * (bx - cx)
        side[p, n] = (exact > 0) - (exact < 0)
    return side
