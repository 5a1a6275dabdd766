"""tools/infer.py: JSON and mp4 of every kind of source, and errors of one line."""

import json
import re
import signal
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dcpose.formats.results.video_results import read_results
from dcpose.jobs.commands import infer
from dcpose.jobs.draw_results import draw_results
from dcpose.skeleton import POSETRACK
from dcpose.video.opening import open_source
from dcpose.video.reader import VideoFile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
from video_clips import write_video


@pytest.fixture
def run(tiny_cfg, tiny_weights, capsys):
    """Function arguments -> lines printed, after success."""

    def call(*arguments, code=0):
        base = ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu", "--out", "out"]
        assert infer.main([str(item) for item in [*base, *arguments]]) == code
        return capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def base(tiny_cfg, tiny_weights):
    return ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu", "--out", "out"]


def facts(path):
    with av.open(f"file:{path}") as container:
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


def test_without_weights_and_detector(run_here, capsys, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(run_here))  # where torchvision's would be
    path = write_video(run_here / "clip.mp4", num_frames=3, wh=(128, 160))
    assert infer.main([str(path), "--device", "cpu", "--out", "out", "--track", "--draw"]) == 0
    printed = capsys.readouterr()
    assert "detector: the light one that comes with the package (packaged)" in printed.err
    assert len(json.loads(Path("out/clip.json").read_text())["images"]) == 3
    assert facts("out/clip.mp4")[0] == 3


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
            signal.raise_signal(signal.SIGINT)
        return result.image

    monkeypatch.setattr("dcpose.jobs.infer.draw_result", draw_then_interrupt)
    lines = run(path, "--detector", "whole-frame", code=130)
    assert lines[0].startswith("clip: 4 frames, 4 people")
    assert facts("out/clip.mp4")[0] == 4
    assert len(json.loads(Path("out/clip.json").read_text())["images"]) == 4


class TestRefused:
    def test_config_without_weights(self, refused, tiny_cfg, capsys):
        line = refused("tools/infer.py", ["clip.mp4", "--cfg", tiny_cfg], capsys)
        assert "--cfg alone names no weights; give a checkpoint of a training" in line

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


class TestOutputOfOtherSources:
    """What is there stays, unless it was made from the same source."""

    BASE = ("--detector", "whole-frame")

    def frames_of(self, name):
        return len(json.loads(Path(f"out/{name}.json").read_text())["images"])

    def test_two_cameras_that_name_alike(self, run, refused, base, run_here, capsys):
        paths = []
        for camera, count in (("cam1", 5), ("cam2", 3)):
            (run_here / camera).mkdir()
            paths.append(write_video(run_here / camera / "GX010016.mp4", num_frames=count))
        run(paths[0], *self.BASE)
        line = refused("tools/infer.py", [paths[1], *base, *self.BASE], capsys)
        assert "GX010016.json: is there already, from cam1/GX010016.mp4 (" in line
        assert "replaced by that from cam2/GX010016.mp4 (" in line
        assert "choose another --out" in line
        assert self.frames_of("GX010016") == facts("out/GX010016.mp4")[0] == 5
        run(paths[0], *self.BASE)  # the same again may replace it
        run("cam1/GX010016.mp4", *self.BASE)  # however it is named

    @pytest.mark.parametrize("names", [("clip.mp4", "clip.mkv"), ("clip.avi", "clip.mp4")])
    def test_one_name_in_two_formats(self, run, refused, base, run_here, capsys, names):
        first, second = (
            write_video(run_here / name, codec="mpeg4", num_frames=count)
            for name, count in zip(names, (4, 2), strict=True)
        )
        run(first, *self.BASE, "--json")
        line = refused("tools/infer.py", [second, *base, *self.BASE, "--json"], capsys)
        assert f"from {run_here.name}/{names[0]} (" in line
        assert self.frames_of("clip") == 4

    def test_folders_called_images(self, run, refused, base, run_here, capsys):
        for take in "ab":
            (run_here / take / "images").mkdir(parents=True)
            for number in range(2):
                picture = np.full((48, 64, 3), 120, np.uint8)
                cv2.imwrite(str(run_here / take / "images" / f"{number}.png"), picture)
        run(run_here / "a/images", *self.BASE)
        assert "is there already" in refused(
            "tools/infer.py", [run_here / "b/images", *base, *self.BASE], capsys
        )
        run(run_here / "a/images/*.png", *self.BASE)  # the same pictures

    def test_files_that_are_none_of_ours(self, refused, base, run_here, capsys):
        (run_here / "out").mkdir()
        path = write_video(run_here / "clip.mp4", num_frames=2)
        (run_here / "out/clip.json").write_text('{"shapes": []}')  # somebody's labels
        line = refused("tools/infer.py", [path, *base, *self.BASE], capsys)
        assert "clip.json: is there already, from something else" in line
        assert (run_here / "out/clip.json").read_text() == '{"shapes": []}'
        (run_here / "out/clip.json").unlink()
        write_video(run_here / "out/clip.mp4", num_frames=3)  # somebody's video
        line = refused("tools/infer.py", [path, *base, *self.BASE], capsys)
        assert "clip.mp4: is there already, from something else" in line
        assert facts("out/clip.mp4")[0] == 3


@pytest.mark.parametrize("out", ["10:20", "2026-11-28T10:20:30", "a|b"])
def test_folders_that_look_like_addresses(tiny_cfg, tiny_weights, run_here, capsys, out):
    path = write_video(run_here / "10:20:30.mp4", sound=True)
    base = ["--cfg", tiny_cfg, "--weights", tiny_weights, "--device", "cpu"]
    arguments = [path.name, *base, "--out", out, "--detector", "whole-frame"]
    assert infer.main([str(item) for item in arguments]) == 0
    assert facts(f"./{out}/10:20:30.mp4") == facts(str(path))
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{out}/10:20:30.json", f"{out}/10:20:30.mp4"
    ]  # fmt: skip


def test_picture_that_grows(run, run_here):
    parts = [write_video(run_here / f"{w}.ts", wh=(w, 48 * w // 64)) for w in (64, 128)]
    (run_here / "call.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    run("call.ts", "--detector", "whole-frame", "--track", "--smooth")
    assert facts("out/call.mp4")[:2] == (12, (64, 48, 0))
    content = json.loads(Path("out/call.json").read_text())
    assert [image["width"] for image in content["images"]] == [64] * 6 + [128] * 6
    assert len(content["annotations"]) == 12


def test_smoothing_goes_on_where_the_clock_starts_again(run, run_here):
    part = write_video(run_here / "part.ts", num_frames=25).read_bytes()
    (run_here / "joined.ts").write_bytes(part + part)
    run("joined.ts", "--detector", "whole-frame", "--smooth", "--json")
    content = json.loads(Path("out/joined.json").read_text())
    times = [image["time"] for image in content["images"]]
    np.testing.assert_allclose(times, np.arange(50) / 25, atol=1e-4)


def test_other_forms_beside_the_json(run, run_here):
    path = write_video(run_here / "clip.mp4", num_frames=3)
    forms = ["--format", "csv,openpose", "--format", "json"]
    lines = run(path, "--detector", "whole-frame", "--json", *forms)
    assert lines[1:] == ["out/clip.json", "out/clip.csv", "out/clip_openpose"]
    assert len(Path("out/clip.csv").read_text().splitlines()) == 1 + 3 * 17
    assert len(list(Path("out/clip_openpose").glob("*_keypoints.json"))) == 3


@pytest.mark.parametrize(
    ("form", "missing", "message"),
    [
        ("xml", None, "form 'xml': expected one of json, csv"),
        ("csv,parquet", "pyarrow", r"needs the package pyarrow, .*dcpose\[parquet\]"),
    ],
)
def test_a_form_that_cannot_be_written_is_refused_at_once(
    base, capsys, monkeypatch, form, missing, message
):
    if missing is not None:
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as stopped:
        infer.main(["clip.mp4", *map(str, base), "--format", form])
    assert stopped.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_smoothing_offline(run, run_here):
    path = write_video(run_here / "clip.mp4", num_frames=8)
    run(path, "--detector", "whole-frame", "--json", "--track")
    plain = read_results(Path("out/clip.json"))
    lines = run(path, "--detector", "whole-frame", "--smooth", "offline")
    assert lines[1:] == ["clip: smoothed 8 people, 0 in gaps", "out/clip.json", "out/clip.mp4"]
    assert facts("out/clip.mp4") == facts(path)
    smoothed = read_results(Path("out/clip.json"))
    assert smoothed.track_ids.tolist() == plain.track_ids.tolist()
    jitter = [np.abs(np.diff(r.joints, 2, axis=0)).mean() for r in (plain, smoothed)]
    assert jitter[1] < jitter[0]
    # another run of the same source replaces it
    run(path, "--detector", "whole-frame", "--smooth", "offline", "--json")


def test_smooth_alone_is_online_whatever_follows():
    for words in ("clip.mp4 --smooth", "--smooth clip.mp4", "--smooth=online clip.mp4"):
        args = infer.parse_arguments(words.split())
        assert (args.source, args.smooth, args.overrides) == ("clip.mp4", "online", [])
    args = infer.parse_arguments(["clip.mp4", "--smooth", "test.flip=true"])
    assert (args.smooth, args.overrides) == ("online", ["test.flip=true"])
    assert infer.parse_arguments(["a", "--smooth", "offline"]).smooth == "offline"
    assert infer.parse_arguments(["a"]).smooth is None


def test_a_drawn_result_read_back_looks_the_same(run, run_here):
    """What is drawn from the file is what is drawn from the network."""
    path = write_video(run_here / "clip.mp4", num_frames=2)
    run(path, "--detector", "whole-frame", "--track")
    source = open_source(str(path), 25)
    again = Path("again.mp4")
    draw_results(Path("out/clip.json"), source, again, POSETRACK, "heatmap_times_box")
    for one, other in zip(VideoFile(Path("out/clip.mp4")), VideoFile(again), strict=True):
        assert np.array_equal(one.image, other.image)


def test_the_page_of_a_video(run, run_here):
    write_video("clip.mp4", num_frames=3)
    lines = run("clip.mp4", "--detector", "whole-frame", "--html", "--json")
    assert lines[-2:] == [str(Path("out/clip.json")), str(Path("out/clip.html"))]
    assert 'id="poses"' in Path("out/clip.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in Path("out").iterdir()) == ["clip.html", "clip.json"]
    run("clip.mp4", "--detector", "whole-frame", "--html", "--json")  # the same again replaces it


def test_the_page_shows_smoothed_poses(run, run_here):
    write_video("clip.mp4", num_frames=8)
    lines = run("clip.mp4", "--detector", "whole-frame", "--html", "--json", "--smooth", "offline")
    assert lines[-2:] == ["out/clip.json", "out/clip.html"]
    poses = re.search(r'id="poses">(.*?)</script>', Path("out/clip.html").read_text("utf-8"))[1]
    people = json.loads(poses)["people"]
    smoothed = read_results(Path("out/clip.json"))
    for frame, (person,) in enumerate(people):
        shown = [row for row, joint in enumerate(person["joints"]) if joint is not None]
        drawn = [person["joints"][row][:2] for row in shown]
        np.testing.assert_allclose(drawn, smoothed.joints[frame, shown], atol=0.06)
    # a page of another source is not replaced
    Path("out/clip.html").write_text("<html>", "utf-8")
    Path("out/clip.json").unlink()
    again = ("--detector", "whole-frame", "--html", "--json", "--smooth", "offline")
    run("clip.mp4", *again, code=2)


def test_probabilities_of_a_calibration(run, run_here, tmp_path):
    write_video("clip.mp4", num_frames=2)
    file = tmp_path / "calibration.json"
    calibration = {"limit": "0.1 of the box", "scores": [-10.0, 10.0], "probabilities": [0, 1]}
    file.write_text(json.dumps(calibration))
    run("clip.mp4", "--detector", "whole-frame", "--json", "--calibration", file, "--format", "csv")
    results = read_results(Path("out/clip.json"))
    np.testing.assert_allclose(results.probabilities, (results.joint_scores + 10) / 20)
    head = Path("out/clip.csv").read_text().splitlines()[0]
    assert head == "frame,time,id,joint,x,y,score,probability"
    # a file that is none
    file.write_text("{}")
    run("clip.mp4", "--detector", "whole-frame", "--json", "--calibration", file, code=2)


def test_a_live_stream(run, refused, base, run_here, capsys, server):
    write_video("clip.ts", num_frames=5)
    address = server.serve("cam.ts", Path("clip.ts").read_bytes(), length=False, ranges=False)
    lines = run(address, "--detector", "whole-frame")
    assert lines[0].startswith("cam: 5 frames, 5 people in ")
    assert re.fullmatch(r"delay: 1 frame \(\d+ ms\) \+ \d+ ms", lines[1])
    assert lines[2:] == ["out/cam.json", "out/cam.mp4"]
    assert facts("out/cam.mp4")[0] == 5
    # what a stream showed is gone: another run is another source
    assert "is there already" in refused("tools/infer.py", [address, *base], capsys)
    lines = run(address, "--detector", "whole-frame", "--drop-frames", "--out", "out2")
    dropped = int(re.fullmatch(r"cam: (\d+) frames dropped", lines[2])[1])
    assert len(read_results(Path("out2/cam.json")).frame_numbers) == 5 - dropped
    wrong = [*base, "--smooth", "offline"]
    assert "can be read twice" in refused("tools/infer.py", [address, *wrong], capsys)
    wrong = ["clip.ts", *base, "--drop-frames"]
    assert "clip.ts waits" in refused("tools/infer.py", wrong, capsys)


def test_a_live_stream_that_breaks_off(refused, base, run_here, capsys, server):
    write_video("clip.ts", num_frames=30, noisy=True, wh=(320, 240))
    content = Path("clip.ts").read_bytes()
    address = server.serve("cam.ts", content, share=(0.4,), ranges=False)
    message = refused("tools/infer.py", [address, *base, "--detector", "whole-frame"], capsys)
    assert "broke off after frame" in message
    assert 0 < len(read_results(Path("out/cam.json")).frame_numbers) < 30
