"""What tests/stress/fuzz.py throws at the readers of files, and what they may answer."""
