"""Detections of a split and of a folder, with a stub for the network."""

import json
from pathlib import Path

import pytest
import torch

from dcpose.jobs.commands import detect as script

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "sample"
CONFIG = Path(__file__).resolve().parents[2] / "configs/synthetic/single_frame.yaml"


class Stub(torch.nn.Module):
    """Finds one person in the middle of every image; stops after some batches."""

    def __init__(self, batches=10**6):
        super().__init__()
        self.left = batches

    def forward(self, images):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        assert not torch.is_grad_enabled()
        found = {"labels": torch.tensor([1]), "scores": torch.tensor([0.75])}
        return [
            {**found, "boxes": torch.tensor([[w / 4, h / 4, w / 2, h / 2]])}
            for h, w in (image.shape[1:] for image in images)
        ]


@pytest.fixture
def detect(monkeypatch):
    """Run the command with a stub; returns the exit code and the options of the detector."""

    def run(*arguments, batches=10**6):
        def build(*options):
            run.options = options
            return Stub(batches), "stub weights"

        monkeypatch.setattr(script, "build_detector", build)
        return script.main([str(a) for a in arguments])

    return run


@pytest.fixture
def split(tmp_path):
    arguments = ["--cfg", CONFIG, "--split", "val", f"data.root={SAMPLE}", "--batch-size", 5]
    return [*arguments, "--device", "cpu", "--out", tmp_path / "val.json"]


def test_split(detect, split, tmp_path, capsys):
    assert detect(*split, "--min-score", 0.1, "--nms", 0.6) == 0
    assert "24 people in 24 images" in capsys.readouterr().out
    assert detect.options == ("fasterrcnn_resnet50_fpn_v2", None, 0.1, 0.6)
    boxes = json.loads((tmp_path / "val.json").read_text())
    images = [
        image["id"]
        for path in sorted((SAMPLE / "annotations/val").iterdir())
        for image in json.loads(path.read_text())["images"]
    ]
    assert [box["image_id"] for box in boxes] == images
    # images of the sample are 320 x 180
    assert boxes[0] == {
        "image_id": images[0], "category_id": 1, "bbox": [80, 45, 80, 45], "score": 0.75,
    }  # fmt: skip
    meta = json.loads((tmp_path / "val.meta.json").read_text())
    assert (meta["min_score"], meta["nms_iou"], meta["weights"]) == (0.1, 0.6, "stub weights")
    assert meta["source"] == f"val of {CONFIG}"


def test_an_interrupted_run_is_continued(detect, split, tmp_path, capsys):
    assert detect(*split, batches=2) == 130
    assert not (tmp_path / "val.json").exists()
    assert detect(*split) == 0
    assert "continuing: 10 images are done" in capsys.readouterr().out
    boxes = json.loads((tmp_path / "val.json").read_text())
    assert len({box["image_id"] for box in boxes}) == len(boxes) == 24
    assert detect(*split) == 2
    assert "exists already" in capsys.readouterr().err


def test_folder(detect, tmp_path, capsys):
    out = tmp_path / "boxes.json"
    folder = SAMPLE / "images" / "train"
    assert detect("--images", folder, "--out", out, "--device", "cpu") == 0
    names = [box["image_name"] for box in json.loads(out.read_text())]
    assert names == sorted(names)
    assert names[0] == "000001_mpii_train/000000.jpg"


def test_mistakes(detect, tmp_path, capsys):
    out = tmp_path / "x.json"
    for folder, words in ((tmp_path / "no", "no such folder"), (tmp_path, "holds no JPEG")):
        assert detect("--images", folder, "--out", out) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        detect("--images", tmp_path, "--out", out, "--nms", 0)


def test_weights_that_cannot_be_had(monkeypatch, tmp_path, capsys):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models.get_model", lambda *a, **k: Stub())
    arguments = ["--images", str(SAMPLE / "images"), "--out", str(tmp_path / "x.json")]
    assert script.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: weights of fasterrcnn_resnet50_fpn_v2 cannot be downloaded")
    assert error.count("\n") == 1
