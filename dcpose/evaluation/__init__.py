"""PoseTrack AP, predictions files and leaderboard files (NumPy only: works without torch)."""
