"""The sdist makes a wheel, and the wheel alone, in an empty environment, is the whole program."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("dcpose", "configs", "tools", "scripts")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.{}(sys.argv[1]))"


def build(what: str, source: Path, out: Path) -> Path:
    """Build an sdist or a wheel of the sources in a folder, with the setuptools at hand."""
    command = [sys.executable, "-c", BUILD.format(f"build_{what}"), str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, env=bare())
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def bare() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Folder with the sdist of this checkout, and a wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    checkout = folder / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, checkout / part, ignore=ignored)
    for path in REPOSITORY.iterdir():
        if path.is_file():
            shutil.copy(path, checkout)
    sdist = build("sdist", checkout, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    build("wheel", source, folder)
    return folder


@pytest.fixture(scope="module")
def environment(dist, tmp_path_factory):
    """An environment that holds the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (python,) = [path for path in folder.glob("*/python*") if path.stem == "python"]
    (wheel,) = dist.glob("*.whl")
    command = ["-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    # from the checkout's folder, pip would take its dcpose.egg-info for an installed dcpose
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, env=bare()
    )
    assert done.returncode == 0, done.stderr
    (site,) = folder.rglob("site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python.parent


@pytest.fixture
def run(environment, tmp_path):
    """Run the installed command in an empty folder; returns its output."""

    def call(*arguments: object, code: int = 0) -> str:
        command = [environment / "dcpose", *arguments]
        done = subprocess.run(
            list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, env=bare()
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return call


def test_the_wheel_has_everything_and_nothing_else(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    configs = {f"dcpose/{path.relative_to(REPOSITORY).as_posix()}"
               for path in (REPOSITORY / "configs").rglob("*.yaml")}  # fmt: skip
    assert configs <= names
    assert {"dcpose/py.typed", "dcpose/estimator/html_page.html"} <= names
    assert {"dcpose/report/page.html.jinja", "dcpose/weights/zoo.yaml"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"dcpose"}
    modules = {path.relative_to(REPOSITORY).as_posix()
               for path in (REPOSITORY / "dcpose").rglob("*.py")}  # fmt: skip
    assert modules == {name for name in names if name.endswith(".py")}
    assert "Typing :: Typed" in text
    assert "Description-Content-Type: text/markdown" in text
    assert "# dcpose" in text
    assert "License-File: LICENSE" in text


def test_the_command(run, environment):
    assert "check-install" in run("--help")
    installed = run("check-install")
    assert f"{environment.parent}" in installed
    count = len(list((REPOSITORY / "configs").rglob("*.yaml")))
    assert f"{count} configs" in installed


def test_help_is_quick(run):
    before = os.times()
    for _ in range(3):
        run("--help")
    after = os.times()
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    assert seconds / 3 < 0.3  # of CPU time, which a busy machine does not stretch


def test_configs_by_name(run, sample_dir):
    options = [f"data.root={sample_dir}", "--splits", "val", "--no-cache"]
    assert "healthy" in run("check", "--cfg", "posetrack18/dcpose_hrnet_w48", *options)


def test_poses_of_a_video_without_weights(run, tmp_path):
    import cv2
    import numpy as np

    (tmp_path / "frames").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"frames/{number}.png"), np.full((48, 64, 3), 90, np.uint8))
    places = ["--detector", "whole-frame", "--device", "cpu", "--out", "out"]
    at_once = "test.runtime=torch"  # nothing is exported first
    out = run("infer", "frames", *places, "--draw", "--html", at_once)
    assert "pose network: the one that comes with the package. " in out
    assert "3 frames, 3 people" in out
    assert (tmp_path / "out/frames.json").stat().st_size > 0
    assert (tmp_path / "out/frames.mp4").stat().st_size > 0
    assert (tmp_path / "out/frames.html").stat().st_size > 0
