"""DCPose: multi-frame human pose estimation in video."""
