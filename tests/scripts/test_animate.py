"""scripts/animate.py: any source to an animated picture."""

import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
from video_clips import write_video

SCRIPT = "scripts/animate.py"


def test_names_like_addresses(load_command, run_here, capsys):
    write_video(run_here / "10:20:30.mp4", num_frames=4)
    for source, out in (("10:20:30.mp4", "10:21.webp"), ("10:21.webp", "10:22.gif")):
        assert load_command(SCRIPT).main([source, out, "--width", "32", "--rate", "12.5"]) == 0
        with Image.open(out) as image:
            assert (image.n_frames, image.size) == (4, (32, 24))
            image.seek(1)
            image.load()
            assert image.info["duration"] == 80
    assert capsys.readouterr().out.startswith("10:21.webp: 4 frames, ")


@pytest.mark.parametrize("rate", ["0", "nan", "inf", "1/0", "fast"])
def test_rates_that_are_none(load_command, run_here, capsys, rate):
    write_video(run_here / "clip.mp4", num_frames=1)
    assert load_command(SCRIPT).main(["clip.mp4", "a.webp", "--rate", rate]) == 2
    line = capsys.readouterr().err
    assert f"rate: found '{rate}', expected frames per second, a number greater than 0" in line


def test_source_is_kept(load_command, run_here, capsys):
    write_video(run_here / "clip.mp4", num_frames=2)
    assert load_command(SCRIPT).main(["clip.mp4", "a.webp", "--width", "32"]) == 0
    before = Path("a.webp").read_bytes()
    assert load_command(SCRIPT).main(["a.webp", "a.webp"]) == 2
    assert "would replace the source" in capsys.readouterr().err
    assert Path("a.webp").read_bytes() == before
