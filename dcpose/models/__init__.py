"""Networks: backbones, the parts of DCPose, and how their weights are read."""
