"""Poses found in images and videos, as arrays and in the forms of other programs."""
