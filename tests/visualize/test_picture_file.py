"""Pictures to files: the right format, and not a line from a library."""

import cv2
import numpy as np
import pytest

from dcpose.files.writing import WriteError
from dcpose.visualize.picture_file import write_picture

RAMP = np.stack([np.tile(np.arange(0, 240, 4, np.uint8), (40, 1))] * 3, axis=-1)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.JPG", b"\xff\xd8")])
def test_formats(tmp_path, capfd, name, start):
    path = tmp_path / name
    write_picture(path, RAMP)
    assert path.read_bytes().startswith(start)
    back = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert np.abs(back.astype(int) - RAMP).mean() < (1e-9 if name == "a.png" else 4)
    assert capfd.readouterr() == ("", "")


def test_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.tiff: cannot be written; name a \.png or \.jpg"):
        write_picture(tmp_path / "a.tiff", RAMP)
    with pytest.raises(WriteError, match=r"a\.png: cannot be written"):
        write_picture(tmp_path / "nowhere" / "a.png", RAMP)
