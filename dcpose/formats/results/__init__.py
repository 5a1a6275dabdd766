"""Poses of a video in the forms of other tools."""
