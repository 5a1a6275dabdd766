"""The weights that come with the package, each with a card: `scripts/train_packaged_model.sh`."""

from pathlib import Path

FOLDER = Path(__file__).parent
POSE_CARD = FOLDER / "pose.json"
"""Says which network `pose.safetensors` beside it holds, and how it was made."""
DETECTOR_WEIGHTS = FOLDER / "person_detector.safetensors"
