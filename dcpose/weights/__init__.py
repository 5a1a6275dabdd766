"""Weights files: reading, recognising and naming what they hold."""
