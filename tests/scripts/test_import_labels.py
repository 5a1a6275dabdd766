"""Importing labels from end to end: files, frames, report, and that a config of it trains."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from dcpose.config.loading import load_config
from dcpose.formats.posetrack.records import read_annotations
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.video.reader import VideoFile


def _table(numbers, video="run1"):
    rows = [
        "scorer,Ann,Ann,Ann,Ann", "bodyparts,left_ear,left_ear,right_ear,right_ear",
        "coords,x,y,x,y",
    ]  # fmt: skip
    rows += [f"labeled-data/{video}/img{n:04d}.png,{20 + n},30,{40 + n},35" for n in numbers]
    return "\n".join(rows) + "\n"


def _picture(number, wh=(96, 64)):
    """Each frame has a level of grey of its own."""
    return np.full((wh[1], wh[0], 3), 10 + 12 * number, np.uint8)


@pytest.fixture
def project(tmp_path):
    """Function that makes a DeepLabCut project with labelled images."""

    def make(numbers, wh=(96, 64), video="run1"):
        folder = tmp_path / "project" / "labeled-data" / video
        folder.mkdir(parents=True)
        (folder / "CollectedData_Ann.csv").write_text(_table(numbers, video))
        for number in numbers:
            cv2.imwrite(str(folder / f"img{number:04d}.png"), _picture(number, wh))
        return tmp_path / "project"

    return make


@pytest.fixture
def command(load_command):
    return load_command("scripts/import_labels.py").main


def _write_video(path, count):
    import av

    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert len(list(VideoFile(path))) == count


def test_images_alone(project, command, tmp_path, capsys):
    out = tmp_path / "out"
    assert command([str(project(range(8))), "--out", str(out), "--val-share", "0.25"]) == 0
    printed = capsys.readouterr().out
    assert "(deeplabcut): 1 videos, 8 labelled frames, 8 people" in printed
    assert "left_ear and right_ear" in printed
    assert "6 frames to train on, 2 to validate on" in printed
    assert (out / "import.md").read_text().count("\n- ") >= 5
    skeleton = read_skeleton(out / "skeleton.yaml")
    assert skeleton.flip_pairs == (("left_ear", "right_ear"),)
    (video,) = read_annotations(out / "annotations" / "val", out, skeleton)
    assert [person.frame for person in video.people] == [6, 7]
    np.testing.assert_allclose(video.people[0].joints, [[26, 30, 1], [46, 35, 1]])
    # the training frames are there as neighbours of the first
    assert video.frames_on_disk() == set(range(8))
    cfg = load_config(out / "config.yaml")
    assert (cfg.model.name, cfg.model.num_joints) == ("single_frame", 2)
    assert load_config(out / "dcpose.yaml").model.name == "dcpose"


def test_neighbours_come_from_the_video(project, command, tmp_path, capsys):
    root = project([3, 9])
    _write_video(root / "videos" / "run1.avi", 12)
    out = tmp_path / "out"
    assert command([str(root), "--out", str(out), "--val-share", "0.5", "--neighbors", "1"]) == 0
    assert "neighbours brought along: 4; not in the source: 0" in capsys.readouterr().out
    frames = sorted((out / "images").glob("*/*.jpg"))
    assert [int(path.stem) for path in frames] == [2, 3, 4, 8, 9, 10]
    for path in frames:
        grey = cv2.imread(str(path)).mean()
        assert abs(grey - (10 + 12 * int(path.stem))) < 4


def test_a_video_that_is_another_one_is_not_believed(project, command, tmp_path, capsys):
    root = project([3, 9])
    folder = root / "labeled-data" / "run1"
    cv2.imwrite(str(folder / "img0003.png"), _picture(9))
    _write_video(root / "videos" / "run1.avi", 12)
    out = tmp_path / "out"
    assert command([str(root), "--out", str(out), "--val-share", "0.5", "--neighbors", "1"]) == 0
    assert "1 labelled images are not the video's frame" in capsys.readouterr().out
    assert [int(p.stem) for p in sorted((out / "images").glob("*/*.jpg"))] == [3, 8, 9, 10]


def test_jpegs_stay_as_they_are(project, command, tmp_path):
    root = project(range(4))
    folder = root / "labeled-data" / "run1"
    for number in range(4):
        (folder / f"img{number:04d}.png").unlink()
        cv2.imwrite(str(folder / f"img{number:04d}.jpg"), _picture(number))
    out = tmp_path / "out"
    assert command([str(root), "--out", str(out), "--val-share", "0.5"]) == 0
    copied = next((out / "images").iterdir()) / "000002.jpg"
    assert copied.read_bytes() == (folder / "img0002.jpg").read_bytes()


def test_errors_are_one_line(project, command, tmp_path, capsys):
    root = project(range(4))
    out = tmp_path / "out"
    cases = {
        (str(tmp_path / "nowhere"), "--out", str(out)): "no such file or folder",
        (str(root), "--out", str(root)): "holds something already",
        (str(root), "--out", str(out), "--neighbors", "-1"): "expected 0 or more",
        (str(root), "--out", str(out), "--val-share", "2"): "expected between 0 and 1",
        (str(tmp_path), "--out", str(out)): "the form of these labels cannot be told",
    }
    for arguments, message in cases.items():
        assert command(list(arguments)) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not out.exists()


def test_labels_without_pictures_are_refused(project, command, tmp_path, capsys):
    root = project(range(2))
    for image in root.rglob("*.png"):
        image.unlink()
    assert command([str(root), "--out", str(tmp_path / "out")]) == 2
    assert "2 labelled frames without an image or video" in capsys.readouterr().err


def test_frames_of_two_sizes_are_refused(project, command, tmp_path, capsys):
    root = project(range(4))
    folder = root / "labeled-data" / "run1"
    cv2.imwrite(str(folder / "img0002.png"), _picture(2, (48, 32)))
    assert command([str(root), "--out", str(tmp_path / "out"), "--val-share", "0.5"]) == 2
    assert "48x32, but" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
