"""A run, or several, as one HTML page that works without a network."""
