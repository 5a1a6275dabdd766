"""PoseTrack AP, COCO AP and tracking measures (NumPy only: works without torch)."""
