"""tools/infer.py: JSON and mp4 of every kind of source, and errors of one line."""

import json
import os
import signal
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dcpose.jobs.commands import infer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
from video_clips import write_video


@pytest.fixture
def run(tiny_cfg, tiny_weights, capsys):
    """Function arguments -> lines printed, after success."""

    def call(*arguments, code=0):
        base = ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu", "--out", "out"]
        assert infer.main([str(item) for item in [*arguments, *base]]) == code
        return capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def base(tiny_cfg, tiny_weights):
    return ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu", "--out", "out"]


def facts(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        size = frames[0].width, frames[0].height, round(frames[0].rotation)
        return len(frames), size, stream.average_rate


KINDS = {
    "one frame": {"num_frames": 1},
    "varying rate": {"steps": [4, 4, 12, 2, 4, 4]},
    "turned": {"turn": 1},
    "odd": {"wh": (63, 47), "pix_fmt": "yuv444p"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_video(run, run_here, kind):
    path = write_video(run_here / "clip.mp4", **KINDS[kind])
    lines = run(path, "--detector", "whole-frame", "--draw", "--json")
    assert facts("out/clip.mp4") == facts(path)
    content = json.loads(Path("out/clip.json").read_text())
    count = facts(path)[0]
    assert [image["id"] for image in content["images"]] == list(range(count))
    assert content["images"][0]["file_name"] == "clip/000000.jpg"
    assert len(content["annotations"]) == count
    assert lines[0].startswith(f"clip: {count} frames, {count} people in ")
    assert lines[1:] == ["out/clip.json", "out/clip.mp4"]


def test_nobody_there(run, run_here):
    path = write_video(run_here / "clip.mp4", wh=(128, 160))
    run(path, "--detector", "hog")
    assert facts("out/clip.mp4") == facts(path)
    content = json.loads(Path("out/clip.json").read_text())
    assert (len(content["images"]), content["annotations"]) == (6, [])


def test_images_of_mixed_sizes(run, run_here):
    folder = run_here / "photos"
    folder.mkdir()
    for name, wh in (("1.jpg", (40, 60)), ("2.png", (64, 48)), ("10.jpg", (40, 60))):
        cv2.imwrite(str(folder / name), np.full((wh[1], wh[0], 3), 120, np.uint8))
    run(folder, "--detector", "whole-frame", "--rate", "5")
    assert facts("out/photos.mp4") == (3, (64, 60, 0), 5)
    content = json.loads(Path("out/photos.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [
        "photos/1.jpg", "photos/2.png", "photos/10.jpg"
    ]  # fmt: skip
    assert [(i["width"], i["height"]) for i in content["images"]] == [(40, 60), (64, 48), (40, 60)]
    run(f"{folder}/*.jpg", "--detector", "whole-frame", "--json")
    assert len(json.loads(Path("out/photos.json").read_text())["images"]) == 2


def test_tracks_and_profile(run, run_here):
    path = write_video(run_here / "clip.mp4", num_frames=5)
    lines = run(path, "--detector", "whole-frame", "--detect-every", "2", "--track", "--profile")
    shares = lines[1]
    for stage in ("decode", "detect", "network", "track", "draw", "encode", "other"):
        assert f"{stage} " in shares
    content = json.loads(Path("out/clip.json").read_text())
    assert [person["track_id"] for person in content["annotations"]] == [0] * 5


def test_cut_short_video_is_worked_on_as_far_as_it_goes(refused, base, run_here, capsys):
    whole = write_video(run_here / "whole.mp4", num_frames=40, movflags="faststart")
    cut = run_here / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    line = refused("tools/infer.py", [cut, *base, "--detector", "whole-frame"], capsys)
    count = facts("out/cut.mp4")[0]
    assert 5 < count < 40
    assert f"cut.mp4: ends after frame {count} " in line
    assert len(json.loads(Path("out/cut.json").read_text())["images"]) == count


def test_interrupt_leaves_whole_files(run, run_here, monkeypatch):
    path = write_video(run_here / "clip.mp4", num_frames=20)
    drawn = []

    def draw_then_interrupt(result):
        drawn.append(result.index)
        if len(drawn) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return result.image

    monkeypatch.setattr(infer, "draw_result", draw_then_interrupt)
    lines = run(path, "--detector", "whole-frame", code=130)
    assert lines[0].startswith("clip: 4 frames, 4 people")
    assert facts("out/clip.mp4")[0] == 4
    assert len(json.loads(Path("out/clip.json").read_text())["images"]) == 4


class TestRefused:
    def test_without_weights(self, refused, capsys):
        line = refused("tools/infer.py", ["clip.mp4"], capsys)
        for part in ("best.pt", "quickstart.sh", "dcpose convert --list"):
            assert part in line

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("notes.mp4", "notes.mp4: not a video that can be read"),
            ("empty", "empty: holds no image"),
            ("nowhere.mp4", "nowhere.mp4: no such file"),
            ("*.png", "*.png: matches no file"),
        ],
    )
    def test_sources(self, refused, base, run_here, capsys, source, message):
        (run_here / "notes.mp4").write_text("Dear diary, today I saw a film.\n" * 20)
        (run_here / "empty").mkdir()
        assert message in refused("tools/infer.py", [source, *base], capsys)

    def test_own_source(self, refused, base, run_here, capsys):
        (run_here / "out").mkdir()
        path = write_video(run_here / "out" / "clip.mp4")
        line = refused("tools/infer.py", [path, *base, "--detector", "whole-frame"], capsys)
        assert "would replace the source" in line
        assert facts(path)[0] == 6

    def test_boxes_of_another_video(self, refused, base, run_here, capsys):
        path = write_video(run_here / "clip.mp4")
        boxes = [{"image_id": 10128340000, "bbox": [1, 2, 3, 4], "score": 1, "category_id": 1}]
        Path("boxes.json").write_text(json.dumps(boxes))
        line = refused("tools/infer.py", [path, *base, "--detector", "boxes:boxes.json"], capsys)
        assert "boxes.json: none of its boxes belongs to clip" in line


@pytest.mark.parametrize("name", ["street_960x540", "000001_mpiinew_test"])
def test_real_clips(run, shared_dir, name):
    path = shared_dir / "data" / "posetrack18_real" / f"{name}.mp4"
    run(path, "--detector", "hog", "--track")
    assert facts(f"out/{name}.mp4") == facts(path)
    content = json.loads(Path(f"out/{name}.json").read_text())
    assert len(content["images"]) == facts(path)[0]
    assert len(content["annotations"]) > 3
    assert facts(path)[2] in (Fraction(5), Fraction(30))


def test_the_page_of_a_video(run, run_here):
    write_video("clip.mp4", num_frames=3)
    lines = run("clip.mp4", "--detector", "whole-frame", "--html", "--json")
    assert lines[-2:] == [str(Path("out/clip.json")), str(Path("out/clip.html"))]
    assert 'id="poses"' in Path("out/clip.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in Path("out").iterdir()) == ["clip.html", "clip.json"]
