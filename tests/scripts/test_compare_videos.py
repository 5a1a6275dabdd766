"""scripts/compare_videos.py: one column a model, every frame, and refusals."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from dcpose.estimator.frame_result import FrameResult, People
from dcpose.estimator.posetrack_file import PoseTrackFile
from dcpose.skeleton import POSETRACK
from dcpose.video.reader import VideoFile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
from video_clips import write_video

J = POSETRACK.num_joints


def write_people(path, num_frames, left):
    """One person per frame, in a box that begins at `left`."""
    joints = np.column_stack([np.full(J, left + 10.0), np.linspace(10, 40, J)])[None]
    people = People(
        np.array([[left, 8.0, 20, 36]]), np.array([1.0]), np.array([3]), joints, np.ones((1, J))
    )
    with PoseTrackFile(path, POSETRACK) as file:
        for index in range(num_frames):
            image = np.zeros((48, 64, 3), np.uint8)
            file.write(FrameResult(index, 0.0, image, people, POSETRACK), f"clip/{index}.jpg")
    return people


@pytest.fixture
def compare(load_command):
    return load_command("scripts/compare_videos.py").main


def test_columns(compare, tmp_path, capsys):
    clip = write_video(tmp_path / "clip.mp4")
    write_people(tmp_path / "a.json", 6, 5.0)
    write_people(tmp_path / "b.json", 6, 35.0)
    arguments = ["--predictions", f"A={tmp_path / 'a.json'}", f"B={tmp_path / 'b.json'}"]
    out = tmp_path / "both.mp4"
    assert compare([str(clip), *arguments, "--out", str(out)]) == 0
    video = VideoFile(out)
    assert (video.num_frames, video.frame_wh, video.rate) == (6, (128, 48), 25)
    source, both = next(iter(VideoFile(clip))).image, next(iter(video)).image
    changed = np.abs(both.astype(int) - np.concatenate([source] * 2, axis=1)).sum(axis=-1) > 90
    drawn = changed[30:44].any(axis=0)  # below the titles
    assert drawn[10:25].any()
    assert not drawn[40:60].any()
    assert drawn[64 + 40 : 64 + 55].any()
    assert not drawn[64 + 2 : 64 + 25].any()
    capsys.readouterr()


def test_refused(compare, tmp_path, capsys):
    clip = write_video(tmp_path / "clip.mp4")
    write_people(tmp_path / "short.json", 2, 5.0)
    (tmp_path / "other.json").write_text(json.dumps({"images": []}))
    content = json.loads((tmp_path / "short.json").read_text())
    content["categories"][0]["keypoints"] = ["nose"]
    content["annotations"] = []
    (tmp_path / "joints.json").write_text(json.dumps(content))
    for text, message in (
        ("A", "expected NAME=FILE"),
        (f"A={tmp_path / 'short.json'}", "A: has 2 frames"),
        (f"A={tmp_path / 'other.json'}", "categories"),
        (f"A={tmp_path / 'joints.json'}", "has the joints nose"),
    ):
        out = tmp_path / "out.mp4"
        assert compare([str(clip), "--predictions", text, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
