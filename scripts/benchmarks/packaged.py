"""Suite packaged: what the networks that come with the package cost, a person and a picture."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.measure import Options, Table, side_by_side
from dcpose.detection.detectors import make_detector
from dcpose.estimator.estimator import PoseEstimator

WH = (640, 360)
PEOPLE = 8


def measure_packaged(options: Options) -> list[Table]:
    """Measure the pose network at one and eight people, and the detectors that need no download."""
    picture = _picture((160, 120) if options.smoke else WH)
    height, width = picture.shape[:2]
    box = np.array([[0.4 * width, 0.1 * height, 0.2 * width, 0.8 * height]])
    device = str(options.device)
    pose = PoseEstimator(device=device)
    packaged, hog = (make_detector(n, options.device, min_score=0.5) for n in ("packaged", "hog"))
    calls = {
        "poses of 1 person": lambda: pose.image(picture, box),
        f"poses of {PEOPLE} people": lambda: pose.image(picture, box.repeat(PEOPLE, axis=0)),
        "people of a picture, packaged": lambda: packaged(picture),
        "people of a picture, HOG": lambda: hog(picture),
    }
    timings = side_by_side(calls, options)
    counts = {f"poses of {PEOPLE} people": PEOPLE}
    rows = [
        {
            "what": name,
            "seconds": timing.seconds,
            "cpu_seconds": timing.cpu_seconds,
            "per_s": counts.get(name, 1) / timing.seconds,
        }
        for name, timing in timings.items()
    ]
    title = f"packaged networks on a picture of {width}x{height}, two crops a person (mirrored)"
    return [Table(title, rows)]


def _picture(wh: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8)
    return cv2.resize(noise, wh)
