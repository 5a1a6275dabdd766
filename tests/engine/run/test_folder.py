import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from dcpose.engine.run import folder as run_logging
from dcpose.engine.run.folder import (
    LOGGER_NAME,
    Run,
    describe_environment,
    find_latest_run,
    format_seconds,
    new_run_dir,
    set_up_logging,
    with_progress,
)


@pytest.fixture
def logger():
    """The package's logger, without handlers before and after."""
    logger = logging.getLogger(LOGGER_NAME)
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def test_lines_go_to_stderr_and_the_file_once(tmp_path, logger, capsys):
    path = tmp_path / "train.log"
    set_up_logging(path)
    set_up_logging(path)
    logger.info("epoch %d", 3)
    assert path.read_text().endswith(" epoch 3\n")
    assert len(path.read_text().splitlines()) == 1
    assert capsys.readouterr().err.count("epoch 3") == 1


def test_other_processes_are_quiet(tmp_path, logger, capsys, monkeypatch):
    monkeypatch.setattr(run_logging, "is_main", lambda: False)
    run = Run(tmp_path / "run", {})
    set_up_logging(run.train_log)
    logger.info("not said")
    run.describe({})
    run.record("train", 1, {"loss": 1.0})
    run.plot(1, {"loss": 1.0})
    run.show(1, {"clip": np.zeros((2, 2, 3), np.uint8)})
    run.rewind(0)
    assert list(with_progress("abc", "letters", 3)) == ["a", "b", "c"]
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr().err == ""


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


def test_progress_without_a_terminal_is_lines_with_time_left(logger, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger=LOGGER_NAME)
    seconds = iter([0.0, 2.0, 6.0, 8.0, 12.0, 14.0])
    monkeypatch.setattr(run_logging.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(run_logging.sys.stderr, "isatty", lambda: False, raising=False)
    assert list(with_progress(iter("abcde"), "val", total=5)) == list("abcde")
    # by hand: a line is due at 6 s (2 of 5 done, 3 s each) and at 12 s (4 of 5)
    assert caplog.messages == ["val: 2/5, 0:00:09 left", "val: 4/5, 0:00:03 left"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(run_logging.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(with_progress(iter("ab"), "val", total=2)) == ["a", "b"]
    assert "val" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3671, "1:01:11"), (90000, "25:00:00")]
)
def test_seconds_are_written_as_hours(seconds, text):
    assert format_seconds(seconds) == text
