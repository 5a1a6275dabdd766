"""Backbones with a pyramid: they train, resume, validate and predict at a tiny size."""

import pytest
import torch
import yaml

import dcpose
from dcpose.engine.run.checkpoint import load_checkpoint

LITE = {"name": "efficientnet_lite", "neck": {"channels": 8}}
TIMM = ("test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_mambaout",
        "test_byobnet")  # fmt: skip


@pytest.fixture
def config(tmp_path, sample_dir):
    """Function (backbone) -> file of a single-frame config."""

    def write(backbone):
        values = {
            "experiment": "tiny",
            "data": {"root": str(sample_dir), "crop_wh": [64, 64], "sigma": 1.0, "workers": 0},
            "model": {"name": "single_frame", "backbone": {"frozen": False, **backbone}},
            "train": {"epochs": 1, "batch_size": 32, "validate_every": 0, "loggers": []},
            "optim": {"lr": 1e-3, "milestones": [1]},
        }
        file = tmp_path / "tiny.yaml"
        file.write_text(yaml.safe_dump(values))
        return file

    return write


@pytest.mark.parametrize(
    "backbone",
    [
        LITE,
        *(
            {"name": "timm", "model": name, "image_wh": [64, 64], "neck": {"channels": 8}}
            for name in TIMM
        ),
    ],
    ids=["efficientnet_lite", *TIMM],
)
def test_trains_resumes_validates_and_predicts(
    backbone, config, load_command, few_people, tmp_path
):
    if backbone["name"] == "timm":
        pytest.importorskip("timm", reason="the extra timm is not installed")
    file, run = config(backbone), tmp_path / "run"
    train, val = (load_command(f"tools/{tool}.py") for tool in ("train", "val"))
    command = ["--cfg", str(file), "--device", "cpu", "--run-dir", str(run)]
    assert train.main([*command, *few_people]) == 0
    assert train.main([*command, *few_people, "--resume", "train.epochs=2"]) == 0
    last = run / "checkpoints" / "last.pt"
    checkpoint = load_checkpoint(last)
    assert checkpoint["epoch"] == 2
    weights = ["--cfg", str(file), "--weights", str(last), "--device", "cpu"]
    assert val.main([*weights, "--run-dir", str(tmp_path / "val"), *few_people]) == 0
    cfg = dcpose.load_config(file)
    model = dcpose.build_model(cfg, last)
    with torch.inference_mode():
        heatmaps = model(torch.zeros(1, 1, 3, 64, 64), torch.ones(1, 2))
    assert heatmaps.shape == (1, 17, 16, 16)


def test_wrong_names_get_the_nearest(config, load_command, capsys):
    pytest.importorskip("timm", reason="the extra timm is not installed")
    file = config({"name": "timm", "model": "resnet5"})
    assert load_command("tools/train.py").main(["--cfg", str(file), "--device", "cpu"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: model.backbone.model: timm has no 'resnet5'; near to it are")
    assert "resnet50" in error


def test_a_key_of_another_backbone_is_an_error(config, load_command, capsys):
    file = config(LITE | {"width": 48})
    assert load_command("tools/train.py").main(["--cfg", str(file), "--device", "cpu"]) == 2
    assert "model.backbone.width" in capsys.readouterr().err
