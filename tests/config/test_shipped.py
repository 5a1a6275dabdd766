"""Configs by name: of a checkout and of a wheel, and the nearest names of what is not there."""

from pathlib import Path

import pytest

import dcpose
from dcpose.config import shipped
from dcpose.config.messages import ConfigError
from dcpose.config.shipped import find_config, shipped_configs

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize(
    "name",
    [
        "posetrack18/dcpose_hrnet_w48",
        "posetrack18/dcpose_hrnet_w48.yaml",
        "configs/posetrack18/dcpose_hrnet_w48.yaml",
    ],
)
def test_a_shipped_config_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == CONFIGS / "posetrack18/dcpose_hrnet_w48.yaml"
    assert dcpose.load_config(name).data.layout == "posetrack18"


def test_a_file_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path("synthetic/tiny.yaml")
    own.parent.mkdir()
    own.write_text("seed: 1")
    assert find_config("synthetic/tiny.yaml") == own
    assert find_config("synthetic/tiny") == CONFIGS / "synthetic/tiny.yaml"


def test_every_shipped_config_has_a_name():
    names = [
        path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
    ]
    assert len(names) > 40
    assert all(find_config(name) == CONFIGS / f"{name}.yaml" for name in names)


def test_a_skeleton_by_name_in_a_config(tmp_path, monkeypatch):
    from dcpose.build.data import build_skeleton

    monkeypatch.chdir(tmp_path)  # where configs/skeletons/posetrack15.yaml is no file
    cfg = dcpose.load_config("posetrack18/dcpose_hrnet_w48_15_joints")
    assert build_skeleton(cfg).num_joints == 15


def test_configs_of_a_wheel(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path)
    assert shipped_configs() == tmp_path / "configs"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("posetrack18/dcpose_hrnet_48", r"or take a shipped one: posetrack18/dcpose_hrnet_w48"),
        (
            "posetrak18/dcpose_hrnet_w48.yaml",
            r"or take a shipped one: posetrack18/dcpose_hrnet_w48",
        ),
        ("../../etc/zzzz", r"no such config file; check the path$"),
        ("", r"expected|no such config file|cannot be read"),
    ],
)
def test_what_is_not_there(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        dcpose.load_config(name)
