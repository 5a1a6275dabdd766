"""The examples of docs/ run as they stand there, with a tiny network in place of `best.pt`."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

import dcpose
from dcpose.config.loading import config_to_dict
from dcpose.detection.detectors import whole_frame
from dcpose.engine.run.checkpoint import _KEYS, save_checkpoint
from dcpose.estimator import estimator
from dcpose.formats.posetrack.records import read_annotations
from dcpose.skeleton import POSETRACK
from dcpose.video.reader import VideoFile

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
from video_clips import write_video

REPOSITORY = Path(__file__).resolve().parents[2]


def blocks(page, language):
    """The code blocks of a page in one language, in order."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    assert found, f"{page} has no block of {language}"
    return found


@pytest.fixture
def workplace(run_here, tiny_cfg, tiny_weights, monkeypatch):
    """A folder with a checkpoint, a video and its frames; the detector needs no download."""
    cfg = dcpose.load_config(tiny_cfg)
    state = dict.fromkeys(_KEYS, None)
    state |= {"model": torch.load(tiny_weights), "config": config_to_dict(cfg)}
    save_checkpoint(run_here / "best.pt", state)
    write_video(run_here / "in.mp4", num_frames=3)
    shutil.copy("in.mp4", "clip.mp4")
    Path("frames").mkdir()
    for number in range(3):
        cv2.imwrite(f"frames/{number}.png", np.full((48, 64, 3), 90, np.uint8))
    real = estimator.make_detector

    def make_detector(name, *arguments, **options):
        named = name in {"torchvision", "packaged", "hog"}
        return whole_frame if named else real(name, *arguments, **options)

    monkeypatch.setattr(estimator, "make_detector", make_detector)
    return run_here


def test_api(workplace, capsys):
    names = {}
    for block in blocks("docs/api.md", "python"):
        exec(compile(block, "docs/api.md", "exec"), names)  # noqa: S102 - our own page
    assert capsys.readouterr().out.splitlines()[0].endswith("(1, 17, 2)")
    assert len(names["results"]) == 5
    assert names["picture"].shape == (480, 640, 3)


def test_readme_api(workplace, capsys):
    shown = [block for block in blocks("README.md", "python") if "PoseEstimator" in block]
    assert len(shown) == 1
    exec(compile(shown[0], "README.md", "exec"), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out


def test_own_video(workplace, load_command):
    commands = [
        shlex.split(line)
        for block in blocks("docs/own_video.md", "bash")
        for line in block.splitlines()
    ]
    assert len(commands) == 3
    for program, tool, *arguments in commands:
        assert program == "python"
        assert load_command(tool).main(arguments) == 0
    for name in ("clip.json", "clip.mp4", "frames.json", "frames.mp4"):
        assert (workplace / "runs" / "infer" / name).stat().st_size > 0
    animate = load_command("scripts/animate.py").main
    assert animate(["runs/infer/clip.mp4", "clip.webp", "--width", "32"]) == 0
    assert (workplace / "clip.webp").read_bytes()[8:12] == b"WEBP"


def deeplabcut_project(folder, frames):
    """A project whose snout and tail move across a video, every other frame of it labelled."""
    (folder / "videos").mkdir(parents=True)
    video = write_video(folder / "videos" / "run1.avi", num_frames=frames, wh=(96, 64))
    images = folder / "labeled-data" / "run1"
    images.mkdir(parents=True)
    rows = [
        "scorer" + ",Ann" * 4, "bodyparts,snout,snout,tail,tail", "coords" + ",x,y" * 2
    ]  # fmt: skip
    for frame in VideoFile(video):
        if frame.index % 2 == 0:
            name = f"img{frame.index:03d}.png"
            cv2.imwrite(str(images / name), frame.image[..., ::-1])
            x = 30 + frame.index
            rows.append(f"labeled-data/run1/{name},{x},20,{x + 20},40")
    (images / "CollectedData_Ann.csv").write_text("\n".join(rows) + "\n")


SMALL = [
    "train.epochs=1", "data.workers=0", "data.crop_wh=[64,64]", "model.backbone.width=4",
    "model.backbone.stem_channels=4",
]  # fmt: skip
"""What makes a training of the page one of seconds; no file is edited."""


def test_from_a_labelled_project_to_a_video_with_poses(workplace, load_command, capsys):
    deeplabcut_project(workplace / "my_project", frames=16)
    (block,) = blocks("docs/own_data.md", "bash")
    for line in block.splitlines():
        program, tool, *arguments = shlex.split(line)
        assert program == "python"
        small = SMALL if tool in ("tools/train.py", "tools/val.py") else []
        assert load_command(tool).main([*arguments, *small]) == 0, line
    printed = capsys.readouterr().out
    assert "snout" in Path("mydata/import.md").read_text()
    for run, model in (("first", "single frame"), ("second", "3 frames, T = 1")):
        results = json.loads(Path(f"runs/{run}/results.json").read_text())
        columns = ["mean px", "median px", "PCK@0.05", "PCK@0.1", "PCK@0.2", "OKS AP", "AUC"]
        assert list(results["groups"]) == columns
        assert results["total"] == results["groups"]["AUC"]
        assert results["counts"]["joints"] == 2 * results["protocol"]["num_boxes"] > 0
        assert results["protocol"]["metric"].startswith("pixel error; PCK and AUC")
        assert model in Path(f"runs/{run}/results.md").read_text()
        epoch = json.loads(Path(f"runs/{run}/log.jsonl").read_text().splitlines()[-1])
        assert epoch["AUC"] == pytest.approx(results["total"])
    assert "nobody has a head box" in printed
    assert "other frames of the same video are in train" in printed
    assert "joints of" in printed
    page = Path("report.html").read_text()
    assert "PCK@0.2" in page
    assert "AUC on val" in page
    rows = Path("runs/infer/clip.csv").read_text().splitlines()
    assert rows[0] == "frame,time,id,joint,x,y,score"
    assert len(rows) == 1 + 3 * 2  # three frames, one animal, two joints
    assert {row.split(",")[3] for row in rows[1:]} == {"snout", "tail"}
    assert Path("runs/infer/clip.mp4").stat().st_size > 0


def test_own_data(run_here):
    (text,) = blocks("docs/own_data.md", "json")
    content = json.loads(text)
    (person,) = content["annotations"]
    # the page says so: all joints of the skeleton
    content["categories"][0]["keypoints"] = list(POSETRACK.joint_names)
    person["keypoints"] += [0] * 3 * (POSETRACK.num_joints - 1)
    folder = run_here / "mydata" / "annotations" / "train"
    folder.mkdir(parents=True)
    (folder / "kitchen_morning.json").write_text(json.dumps(content))
    (video,) = read_annotations(folder, run_here / "mydata")
    assert (video.num_frames, video.image_wh, len(video.people)) == (2, (640, 360), 1)
    assert video.frame_path(1) == run_here / "mydata/images/train/kitchen_morning/000001.jpg"
    sets, config = blocks("docs/own_data.md", "yaml")
    (run_here / "sets.yaml").write_text(f"experiment: sets\n{sets}")
    several = dcpose.load_config(run_here / "sets.yaml").data.sets
    assert [one.share for one in several] == [3, 1, 1]
    values = yaml.safe_load(config)
    values["base"] = str(REPOSITORY / values["base"].removeprefix("../../"))
    (run_here / "mydata.yaml").write_text(yaml.safe_dump(values))
    cfg = dcpose.load_config(run_here / "mydata.yaml")
    assert (cfg.data.skeleton, cfg.model.num_joints) == ("myskeleton.yaml", 17)


def test_commands_of_reproduction_name_configs_and_keys():
    """They train for days; their words are read here."""
    words = [
        shlex.split(line)
        for block in blocks("docs/reproduction.md", "bash")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("python tools/")
    ]
    assert len(words) > 10
    for _, tool, option, config, *rest in words:
        assert (REPOSITORY / tool).is_file()
        assert option == "--cfg"
        keys = [word for word in rest if "=" in word and not word.startswith("--")]
        assert dcpose.load_config(REPOSITORY / config, keys).data.layout == "posetrack17"
