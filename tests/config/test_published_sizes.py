"""Shipped configs of today's methods: the networks and recipes that their authors published."""

from pathlib import Path

import pytest

from dcpose.build.model import build_without_memory
from dcpose.config.loading import load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DATA_SETS = ("coco", "posetrack17", "posetrack18", "posetrack21")


def parameters(path):
    model = build_without_memory(load_config(CONFIGS / path))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("size", "count", "layer_decay", "drop_path"),
    [("s", 24_290_577, 0.8, 0.1), ("b", 89_994_513, 0.75, 0.3), ("l", 308_544_785, 0.8, 0.5),
     ("h", 637_208_849, 0.85, 0.55)],
)  # fmt: skip
@pytest.mark.parametrize("data_set", DATA_SETS)
def test_vitpose(data_set, size, count, layer_decay, drop_path):
    name = f"{data_set}/single_frame_vit_{size}"
    cfg = load_config(CONFIGS / f"{name}.yaml")
    # the published table of positions has a row more, which is added to all the others
    assert parameters(f"{name}.yaml") + cfg.model.backbone.width == count
    assert (cfg.optim.layer_decay, cfg.model.backbone.drop_path) == (layer_decay, drop_path)
    assert (cfg.optim.name, cfg.optim.lr, cfg.optim.weight_decay) == ("adamw", 5e-4, 0.1)
    assert (cfg.optim.decayed, cfg.optim.warmup_steps) == ("matrices", 500)
    assert (cfg.train.batch_size * cfg.train.accumulate, cfg.train.clip_grad_norm) == (512, 1.0)
    assert (cfg.data.affine, cfg.test.decoding) == ("udp", "dark")
    assert (cfg.data.layout, cfg.data.crop_wh, cfg.data.sigma) == (data_set, (192, 256), 2.0)
    large = load_config(CONFIGS / f"{name}_384x288.yaml")
    assert (large.data.crop_wh, large.data.sigma) == ((288, 384), 3.0)
    assert large.model == cfg.model


@pytest.mark.parametrize(
    ("size", "count"),
    [("s", 35_551_377), ("b", 134_929_425), ("l", 388_380_945), ("h", 761_907_729)],
)
@pytest.mark.parametrize("data_set", DATA_SETS[1:])
def test_tar(data_set, size, count):
    assert parameters(f"{data_set}/tar_vit_{size}.yaml") == count
    cfg = load_config(CONFIGS / f"{data_set}/tar_vit_{size}.yaml")
    assert (cfg.data.layout, cfg.data.affine, cfg.test.decoding) == (data_set, "classic", "quarter")
    factors = dict(zip(("left_elbow", "left_wrist"), cfg.train.joint_weights[7:11:2], strict=True))
    assert factors == {"left_elbow": 1.2, "left_wrist": 1.5}


def test_fami():
    count = parameters("posetrack17/fami_hrnet_w48.yaml")
    backbone = parameters("posetrack17/single_frame_hrnet_w48.yaml")
    assert count - backbone == 1_059_459
