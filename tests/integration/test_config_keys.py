"""Every config key changes something: training, validation or test reads it."""

import contextlib
import importlib.util

import pytest
import torch

from dcpose import build_model, load_config
from dcpose.build.data import build_clip_options, read_videos
from dcpose.build.model import build_model_to_train
from dcpose.config.messages import leaf_keys, sections_of
from dcpose.config.schema import Config
from dcpose.config.section import Section
from dcpose.jobs.test import make_submission
from dcpose.jobs.train import train
from dcpose.jobs.validate import validate

CPU = torch.device("cpu")
TIMM = "{name: timm, model: test_resnet, neck: {channels: 8}, frozen: false}"


@pytest.fixture
def read_keys(monkeypatch):
    """Set of (section class, key) that fills while configs are read; dumping does not count."""
    keys = set()
    plain = Section.__getattribute__

    def record(self, name):
        if name in type(self).model_fields:
            keys.add((type(self), name))
        return plain(self, name)

    monkeypatch.setattr(Section, "__getattribute__", record)
    return keys


def homes_of(dotted):
    """Section classes, several where a section has alternatives, and name of a dotted key."""
    sections, (*parents, name) = [Config], dotted.split(".")
    for parent in parents:
        sections = [
            section
            for old in sections
            if parent in old.model_fields
            for section in sections_of(old.model_fields[parent].annotation)
        ]
    return {(section, name) for section in sections if name in section.model_fields}


def test_every_key_is_read(tiny_cfg, few_people, run_here, read_keys):
    configs = [
        load_config(tiny_cfg, [*few_people, f"model.name={name}"])
        for name in ("dcpose", "single_frame")
    ]
    read_keys.clear()  # what checking the values read does not count
    for number, cfg in enumerate(configs):
        run = train(cfg, CPU, run_here / f"train{number}")
        weights = str(run / "checkpoints" / "last.pt")
        validate(cfg, CPU, weights, run_here / f"val{number}")
        make_submission(cfg, CPU, weights, run_here / f"test{number}", "posetrack18")
    build_model(load_config(tiny_cfg, ["model.backbone={name: simple_baseline, depth: 18}"]))
    build_model(load_config(tiny_cfg, ["model.backbone={name: efficientnet_lite, frozen: true}"]))
    with contextlib.suppress(ValueError):  # timm is an extra
        build_model_to_train(load_config(tiny_cfg, [f"model.backbone={TIMM}"]))
    posewarper = load_config(tiny_cfg, ["model.name=posewarper", "model.warper.blocks=1"])
    build_model(posewarper)
    build_clip_options(posewarper, training=True)
    jhmdb = ["data.layout=jhmdb", "model.prf.channels=15", "model.ptm.channels=15"]
    with pytest.raises(ValueError, match="no files <action>_test_split2"):
        read_videos(load_config(tiny_cfg, [*jhmdb, "model.num_joints=15", "data.fold=2"]), "train")
    vit = "backbone: {name: vit, width: 16, heads: 4}"
    build_model(load_config(tiny_cfg, [f"model={{name: tar, {vit}}}"]))
    build_model(load_config(tiny_cfg, ["model.name=fami"]))
    unread = [key for key in leaf_keys(Config) if not homes_of(key) & read_keys]
    if importlib.util.find_spec("timm") is None:
        unread.remove("model.backbone.pretrained")  # read once the network is there
    assert not unread, f"nothing reads {', '.join(unread)}; use them or drop them"


def test_an_unread_key_would_show(tiny_cfg, read_keys):
    cfg = load_config(tiny_cfg)
    read_keys.clear()
    assert cfg.optim.lr == 1e-3
    assert homes_of("optim.lr") | {(Config, "optim")} == read_keys
