"""Moving pictures in and out: video files, image folders, cameras (PyAV and OpenCV)."""
