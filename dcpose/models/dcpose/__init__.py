"""DCPose: merger, residual fusion, correction."""
