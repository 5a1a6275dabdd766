"""The weights that come with the package, each with a card: `scripts/train_packaged_model.sh`."""

from pathlib import Path

FOLDER = Path(__file__).parent
POSE_CARD = FOLDER / "pose.json"
"""Of a whole DCPose; its backbone alone is the single-frame network."""
DETECTOR_WEIGHTS = FOLDER / "person_detector.safetensors"
