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

NEEDED = ["plain.py", "blend.py", "walks.py", "run.py", "plain.yaml", "blend.yaml"]

LOOK = """
import json, sys
import torch
import blend, plain, walks
import dcpose

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
json.dump({"encoded": encoded.shape, "heatmaps": heatmaps.shape, "same": same,
           "other_gaps": other_gaps, "refused": refused}, sys.stdout)
"""


def files_of(page):
    """The code blocks of a page that say in their first line which file they are."""
    found = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return dict(found)


def write_walks(sample_dir, root):
    """The sample in the page's form: of each frame with people the first person."""
    root.mkdir()
    joints = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
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
            rows = [names.index(name) for name in joints]
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
        (root / f"{split}.json").write_text(json.dumps({"joints": joints, "walks": walks}))


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
    return folder, run_python("run.py", cwd=folder)


def test_it_trains_and_resumes(workplace):
    folder, _ = workplace
    assert yaml.safe_load((folder / "runs/plain/config.yaml").read_text())["data"]["every"] == 2
    log = [json.loads(line) for line in (folder / "runs/blend/log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if "val" in line] == [1, 2]
    text = (folder / "runs/blend/train.log").read_text()
    assert "resum" in text
    trained = torch.load(folder / "runs/blend/checkpoints/last.pt", weights_only=True)
    before = torch.load(folder / "runs/plain/checkpoints/last.pt", weights_only=True)["model"]
    assert trained["model"]["blend.weight"].shape == (12, 60, 3, 3)
    for name, value in before.items():  # the backbone is frozen, its statistics too
        assert torch.equal(trained["model"][name], value), name


def test_the_features_are_kept(workplace):
    folder, _ = workplace
    assert json.loads((folder / "runs/features/key.json").read_text())["encodes"] == "features"
    kept = np.load(folder / "runs/features/draw_000.npy", mmap_mode="r")
    train = json.loads((folder / "walks/train.json").read_text())
    clips = sum(len(walk["steps"][::2]) for walk in train["walks"])
    assert kept.shape == (clips, 5, 12, 11, 9)
    assert np.abs(kept[:]).max() > 0


def test_it_predicts_and_measures(workplace):
    folder, printed = workplace
    results = json.loads((folder / "runs/val/results.json").read_text())
    assert set(results["joints"]) <= {
        "nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"
    }  # fmt: skip
    assert results["total"] == pytest.approx(np.mean(list(results["joints"].values())))
    assert results["protocol"]["metric"].startswith("PCK")
    assert results["protocol"]["clip_frames"] == 5
    assert "| PCK |" in (folder / "runs/val/results.md").read_text()
    assert len(list((folder / "runs/val/predictions/val").iterdir())) == 2
    *frames, last = printed.splitlines()[-12:]
    assert last.startswith("11 [") and len(frames) == 11  # noqa: PT018
    assert printed.splitlines()[-13].startswith(f"{results['total']} ")


def test_it_is_what_the_page_says(workplace):
    folder, _ = workplace
    look = json.loads(run_python("-c", LOOK, cwd=folder))
    assert look["encoded"] == [2, 5, 12, 11, 9]
    assert look["heatmaps"] == [2, 17, 11, 9]
    assert look["same"]
    assert not look["other_gaps"]
    depth, crop, every, pcn, offsets = look["refused"]
    assert "model.backbone.depth: unknown key" in depth
    assert "multiples of 8 with model.backbone.name=plain" in crop
    assert "data.every: found 0" in every
    assert "model.pcn" in pcn
    assert "expected 5 frames with model.name=blend" in offsets
