"""Pictures to files."""

from pathlib import Path

import cv2
import numpy as np

from dcpose.files.writing import write_bytes

_JPEG_QUALITY = 80


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format that the name ends in, png or jpg.

    Raises:
        ValueError: if the name ends in another format.
        WriteError: if the file cannot be written.
    """
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    if not is_jpeg and path.suffix.lower() != ".png":
        raise ValueError(f"{path}: cannot be written; name a .png or .jpg file")
    # the encoder of PNG complains about settings of another
    settings = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if is_jpeg else []
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    write_bytes(path, data.tobytes())
