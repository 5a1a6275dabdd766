"""Makes `video_clips` importable, and its small videos easy to ask for."""

import sys
from pathlib import Path

import av
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from video_clips import write_tone, write_video


@pytest.fixture
def song(tmp_path):
    """A file with sound alone."""
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", rate=16000), 0.5)
    return path


@pytest.fixture
def make_video(tmp_path):
    """Function (name, options of `write_video`) -> path."""
    return lambda name="clip.mp4", **options: write_video(tmp_path / name, **options)
