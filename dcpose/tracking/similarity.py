"""How alike the poses of two frames are: OKS with a weight for every joint.

Legend: M people of one frame (predicted tracks), N of another (detections), J joints. Points are
(x, y) in image pixels.
"""

import numpy as np


def weighted_oks(
    joints_a: np.ndarray,
    joints_b: np.ndarray,
    weights_a: np.ndarray,
    weights_b: np.ndarray,
    spreads: np.ndarray,
) -> np.ndarray:
    """Return the (M, N) object keypoint similarity of poses, NaN where no joint can be compared.

    The mean over joints of exp(-d^2 / (2 spread^2)); a joint counts with the geometric mean of its
    two weights, so that a joint which the network did not see decides nothing.

    Args:
        joints_a: (M, J, 2) in pixels; not finite where missing.
        joints_b: (N, J, 2).
        weights_a: (M, J) >= 0, heatmap peaks.
        weights_b: (N, J).
        spreads: (M, N, J) distance in pixels at which the similarity of a joint is exp(-1/2).
    """
    squared = ((joints_a[:, None] - joints_b[None]) ** 2).sum(axis=-1)  # (M, N, J)
    known = np.isfinite(squared)
    weights = np.sqrt(weights_a[:, None] * weights_b[None]) * known
    alike = np.exp(-np.where(known, squared, 0) / (2 * spreads**2))
    total = weights.sum(axis=-1)
    return np.divide((weights * alike).sum(axis=-1), total, out=np.full_like(total, np.nan),
                     where=total > 0)  # fmt: skip
