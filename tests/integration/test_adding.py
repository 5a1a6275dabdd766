"""docs/adding.md runs as it stands there, in processes of its own: its classes join the config."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

JOINTS = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
NEEDED = ["plain.py", "blend.py", "walks.py", "points.py", "run.py", "plain.yaml", "blend.yaml"]

POINTS = "nose tail\n" + "".join(
    f"park/{number:06d}.jpg {100 + number} 40 {'- -' if number == 5 else '90 120'}\n"
    for number in (5, 2, 3, 8, 9)
)

LOOK = """
import json, runpy
import torch
import dcpose
from dcpose.build.data import read_videos
from dcpose.files import packages

packages.installed = lambda *names: False  # exporting takes longer than all of it
runpy.run_path("run.py")
cfg = dcpose.load_config("blend.yaml")
model = dcpose.build_model(cfg, "runs/blend/checkpoints/last.pt")
frames, gaps = torch.randn(2, 5, 3, 88, 72), torch.tensor([[1.0, 2, 1, 1], [1, 1, 1, 3]])
with torch.inference_mode():
    encoded = model.encode(frames)
    heatmaps = model(frames, gaps)
    same = torch.equal(heatmaps, model.decode(encoded, gaps))
    other_gaps = torch.equal(heatmaps, model(frames, torch.ones(2, 4)))
refused = []
for keys in (["model.backbone.depth=3"], ["data.crop_wh=[72,90]"], ["data.every=0"],
             ["model.pcn.dilations=[1]"], ["data.offsets=[-1,0,1]"]):
    try:
        dcpose.load_config("blend.yaml", keys)
    except ValueError as error:
        refused.append(str(error))
imported = dcpose.load_config("imported/config.yaml")
people = [
    person.joints.tolist()
    for split in ("train", "val")
    for video in read_videos(imported, split)
    for person in sorted(video.people, key=lambda person: person.frame)
]
look = {"encoded": encoded.shape, "heatmaps": heatmaps.shape, "same": same,
        "other_gaps": other_gaps, "refused": refused, "imported": people}
open("look.json", "w").write(json.dumps(look))
"""
"""Runs the page, and looks at what it made."""


def files_of(page):
    """The code blocks of a page that say in their first line which file they are."""
    found = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return dict(found)


def write_walks(sample_dir, root):
    """The sample in the page's form: of each frame with people the first person."""
    root.mkdir()
    for split in ("train", "val"):
        walks = []
        for path in sorted((sample_dir / "annotations" / split).iterdir()):
            content = json.loads(path.read_text())
            images, first = content["images"], {}
            for person in content["annotations"]:
                first.setdefault(person["image_id"], person)
            folder = f"images/{path.stem}"
            shutil.copytree(sample_dir / images[0]["file_name"].rpartition("/")[0], root / folder)
            names = content["categories"][0]["keypoints"]
            rows = [names.index(name) for name in JOINTS]
            steps = [
                {
                    "frame": number,
                    "box": first[image["id"]]["bbox"],
                    "joints": np.reshape(first[image["id"]]["keypoints"], (-1, 3))[rows]
                    .ravel()
                    .tolist(),
                }
                for number, image in enumerate(images)
                if image["id"] in first
            ]
            size = [images[0]["width"], images[0]["height"]]
            walks.append(
                {"name": path.stem, "folder": folder, "num_frames": len(images), "wh": size}
                | {"steps": steps}
            )
        (root / f"{split}.json").write_text(json.dumps({"walks": walks}))


def run_python(*arguments, cwd):
    """Standard output of a child that must end well and have no complaints."""
    child = [sys.executable, "-W", "error::UserWarning", *arguments]
    result = subprocess.run(child, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def workplace(request, tmp_path_factory, sample_dir):
    """Folder in which the page's files are, and have run; and what they printed."""
    folder = tmp_path_factory.mktemp("adding")
    files = files_of(request.config.rootpath / "docs/adding.md")
    assert set(files) >= set(NEEDED)
    for name, text in files.items():
        (folder / name).write_text(text)
    write_walks(sample_dir, folder / "walks")
    shutil.copytree(folder / "walks/images/010001_mpii_test", folder / "walks/images/park")
    (folder / "walks/images/park.points").write_text(POINTS)
    return folder, run_python("-c", LOOK, cwd=folder)


def test_it_trains_and_resumes(workplace):
    folder, _ = workplace
    assert yaml.safe_load((folder / "runs/plain/config.yaml").read_text())["data"]["every"] == 2
    log = [json.loads(line) for line in (folder / "runs/blend/log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if line["kind"] == "epoch"] == [1, 2]
    text = (folder / "runs/blend/train.log").read_text()
    assert "resumed from runs/blend/checkpoints/last.pt after epoch 1" in text
    trained = torch.load(folder / "runs/blend/checkpoints/last.pt", weights_only=True)
    before = torch.load(folder / "runs/plain/checkpoints/last.pt", weights_only=True)["model"]
    assert trained["model"]["blend.weight"].shape == (12, 60, 3, 3)
    for name, value in before.items():  # the backbone is frozen, its statistics too
        assert torch.equal(trained["model"][name], value), name


def test_the_features_are_kept(workplace):
    folder, _ = workplace
    assert json.loads((folder / "runs/features/key.json").read_text())["encodes"] == "features"
    assert "read from runs/features" in (folder / "runs/blend/train.log").read_text()
    kept = np.load(folder / "runs/features/draw_000.npy", mmap_mode="r")
    train = json.loads((folder / "walks/train.json").read_text())
    clips = sum(len(walk["steps"][::2]) for walk in train["walks"])
    assert kept.shape == (clips, 5, 12, 11, 9)
    assert np.abs(kept[:]).max() > 0


def test_it_predicts_and_measures(workplace):
    folder, printed = workplace
    results = json.loads((folder / "runs/val/results.json").read_text())
    assert results["joint_names"][0] == "nose"
    assert list(results["groups"]) == ["Head", "Shoulder", "Hip", "Mean"]
    val = json.loads((folder / "walks/val.json").read_text())
    protocol = results["protocol"]
    assert protocol["num_boxes"] == sum(len(walk["steps"][::2]) for walk in val["walks"])
    assert protocol["metric"].startswith("PCK")
    assert protocol["clip_frames"] == 5
    assert "| Head | Shoulder |" in (folder / "runs/val/results.md").read_text()
    assert len(list((folder / "runs/val/predictions/val").iterdir())) == len(val["walks"])
    lines = printed.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"{results['total']} "))
    assert [int(line.split()[0]) for line in lines[start + 1 : start + 13]] == list(range(12))


def test_it_is_what_the_page_says(workplace):
    folder, _ = workplace
    look = json.loads((folder / "look.json").read_text())
    assert look["encoded"] == [2, 5, 12, 11, 9]
    assert look["heatmaps"] == [2, 5, 11, 9]
    assert look["same"]
    assert not look["other_gaps"]
    depth, crop, every, pcn, offsets = look["refused"]
    assert "model.backbone.depth: unknown key" in depth
    assert "multiples of 8 with model.backbone.name=plain" in crop
    assert "data.every: found 0" in every
    assert "model.pcn" in pcn
    assert "expected 5 frames with model.name=blend" in offsets


def test_it_imports_labels(workplace):
    folder, printed = workplace
    assert "(points): 1 videos, 5 labelled frames, 5 people" in printed
    look = json.loads((folder / "look.json").read_text())
    noses = sorted(nose for nose, _ in look["imported"])
    assert noses == [[100 + number, 40, 1] for number in (2, 3, 5, 8, 9)]
    assert [tail for nose, tail in look["imported"] if nose[0] == 105] == [[0, 0, 0]]
