"""Where people are in a frame."""
