"""Pictures for people: poses, heatmaps, and sheets that compare them (NumPy and OpenCV only)."""
