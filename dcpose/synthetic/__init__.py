"""Rendered PoseTrack: people who walk, wave and cover each other, with exact labels."""
