"""Log lines and progress, on a terminal and elsewhere."""

import logging

import numpy as np
import pytest

from dcpose.engine.run import folder, progress
from dcpose.engine.run.folder import Run
from dcpose.engine.run.progress import LOGGER_NAME, format_seconds, set_up_logging, with_progress


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
    monkeypatch.setattr(progress, "is_main", lambda: False)
    monkeypatch.setattr(folder, "is_main", lambda: False)
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


def test_progress_without_a_terminal_is_lines_with_time_left(logger, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger=LOGGER_NAME)
    seconds = iter([0.0, 2.0, 6.0, 8.0, 12.0, 14.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    assert list(with_progress(iter("abcde"), "val", total=5)) == list("abcde")
    # by hand: a line is due at 6 s (2 of 5 done, 3 s each) and at 12 s (4 of 5)
    assert caplog.messages == ["val: 2/5, 0:00:09 left", "val: 4/5, 0:00:03 left"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(with_progress(iter("ab"), "val", total=2)) == ["a", "b"]
    assert "val" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3671, "1:01:11"), (90000, "25:00:00")]
)
def test_seconds_are_written_as_hours(seconds, text):
    assert format_seconds(seconds) == text
