"""Poses of people in somebody's own video."""
