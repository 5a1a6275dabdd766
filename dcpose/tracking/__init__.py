"""Who is who from frame to frame, and steadier joints (NumPy and SciPy; works without torch)."""
