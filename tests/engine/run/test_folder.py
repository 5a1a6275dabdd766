"""The run folder: what is written, forgotten and found."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from dcpose.engine.run.folder import Run, describe_environment, find_latest_run, new_run_dir


def test_run_folder_describes_itself(tmp_path):
    config = {"seed": 1, "data": {"crop_wh": [96, 128]}}
    run = Run(tmp_path / "run", config)
    run.describe(describe_environment(torch.device("cpu"), tmp_path))
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == config
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["torch"] == str(torch.__version__)
    assert environment["cpu_count"] == os.cpu_count()
    assert environment["command_line"] == sys.argv
    assert environment["git_commit"] is None  # the folder is under no version control
    assert {"python", "torchvision", "numpy", "cv2", "device_name"} <= environment.keys()
    assert run.checkpoints.is_dir()


def test_environment_names_the_commit(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        if subprocess.run([*git, *arguments], check=False).returncode != 0:
            pytest.skip("git does not work here")
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    commit = describe_environment(torch.device("cpu"), tmp_path)["git_commit"]
    assert commit == head.stdout.strip()


def test_records_are_json_lines_with_null_for_nan(tmp_path):
    run = Run(tmp_path, {})
    run.record("train", 3, {"loss": 0.5, "AP": float("nan")})
    run.record("epoch", 4, {"loss": np.float64(0.25)})
    first, second = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {**first, "time": 0} == {"kind": "train", "step": 3, "time": 0, "loss": 0.5, "AP": None}
    assert second["loss"] == 0.25


def test_rewinding_forgets_later_and_torn_lines(tmp_path):
    run = Run(tmp_path, {})
    for step in (1, 2, 3):
        run.record("train", step, {"loss": step})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    run.rewind(2)
    run.record("train", 3, {"loss": 30})
    run.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 1), (2, 2), (3, 30)]


def test_new_run_dirs_do_not_collide(tmp_path):
    for _ in range(3):
        new_run_dir(tmp_path / "experiment").mkdir(parents=True)
    names = [path.name for path in (tmp_path / "experiment").iterdir()]
    assert len(names) == 3
    assert all(name[:8].isdigit() and name[8] == "_" for name in names)


def test_latest_run_is_the_one_saved_last(tmp_path):
    for name, saved_at in (("20260101_000000", 300), ("20260102_000000", 200)):
        last = tmp_path / name / "checkpoints" / "last.pt"
        last.parent.mkdir(parents=True)
        last.touch()
        os.utime(last, (saved_at, saved_at))
    (tmp_path / "20260103_000000" / "checkpoints").mkdir(parents=True)  # died before saving
    assert find_latest_run(tmp_path) == tmp_path / "20260101_000000"


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_to_resume(tmp_path, exists):
    folder = tmp_path if exists else tmp_path / "none"
    with pytest.raises(ValueError, match=r"no run with checkpoints/last\.pt to resume"):
        find_latest_run(folder)
