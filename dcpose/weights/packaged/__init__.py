"""The weights that come with the package, and their card: `scripts/train_packaged_model.sh`."""

from pathlib import Path

FOLDER = Path(__file__).parent
POSE_CARD = FOLDER / "pose.json"
"""Says which network `pose.safetensors` beside it holds, and how it was made."""
