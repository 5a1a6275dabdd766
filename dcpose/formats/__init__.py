"""Forms of annotation, detection and result files (NumPy only: works without torch)."""
