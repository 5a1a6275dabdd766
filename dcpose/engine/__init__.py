"""Training and inference loops; they take models, data and settings as arguments."""
