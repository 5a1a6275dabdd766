"""A lost worker or process ends the run with its cause; see also two_ranks.py."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
import torch
from engine_fakes import make_trainer
from torch.utils.data import DataLoader, Dataset

from dcpose.data.frames import FrameError
from dcpose.engine.faults import lost as faults
from dcpose.engine.faults.lost import LostProcessError, explained_faults

TWO_RANKS = Path(__file__).parents[1] / "two_ranks.py"
LOSES_A_WORKER = f"""
import multiprocessing, sys
sys.path += {[str(Path(__file__).parent), str(Path(__file__).parents[1])]}
import test_lost
try:
    test_lost.load(getattr(test_lost, sys.argv[1]))
except ChildProcessError as error:
    print(error, multiprocessing.active_children())
"""


class Numbers(Dataset):
    """Ten numbers; what happens at the sixth is up to the test."""

    def __init__(self, happen):
        self.happen = happen

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 6:
            self.happen()
        return index


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as our workers do
    time.sleep(1000)


def fail():
    raise FrameError("images/5.jpg: no such file; check data.root")


def load(happen, timeout_s=2):
    loader = DataLoader(
        Numbers(happen),
        batch_size=2,
        num_workers=1,
        timeout=timeout_s,
        multiprocessing_context="fork" if os.name == "posix" else None,
    )
    with explained_faults(timeout_s):
        for _ in loader:
            pass


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
@pytest.mark.slow
@pytest.mark.parametrize("happen", ["die", "hang"])
def test_a_lost_worker_ends_the_run(happen, tmp_path, start_program):
    # in a process of its own, because torch's handler of SIGCHLD would disturb pytest
    (tmp_path / "program.py").write_text(LOSES_A_WORKER)
    program = start_program(tmp_path / "program.py", happen)
    assert program.wait() == 0, program.said()
    (line,) = program.said().splitlines()
    assert re.search(r"data was lost: .*data\.workers.*--resume \[\]$", line)


def test_what_a_worker_says_is_one_line():
    with pytest.raises(FrameError) as caught:
        load(fail, timeout_s=120)  # a busy machine is slow to start a worker
    assert str(caught.value) == "images/5.jpg: no such file; check data.root"


def test_a_lost_process_is_named(monkeypatch):
    monkeypatch.setattr(faults, "world_size", lambda: 4)
    monkeypatch.setattr(faults, "rank", lambda: 2)
    text = "[pair.cc:534] gloo: Connection closed by peer [127.0.0.1]:4\nand more"
    with (
        pytest.raises(
            LostProcessError, match=r"process 2 of 4 lost .* 60 s .* \[127\.0\.0\.1\]:4;"
        ),
        explained_faults(timeout_s=60),
    ):
        raise RuntimeError(text)


def test_other_errors_stay_as_they_are():
    for error in (RuntimeError("mat1 and mat2 shapes"), ValueError("a"), OSError("b"), KeyError(1)):
        with pytest.raises(type(error), match=re.escape(str(error))), explained_faults(60):
            raise error


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
@pytest.mark.slow
def test_one_of_two_ranks_is_killed(tmp_path, start_two, run_two):
    run_two(TWO_RANKS, tmp_path / "whole")

    survivor, killed = start_two(TWO_RANKS, tmp_path / "cut", "--kill-in-epoch", "1")
    assert killed.wait() == -signal.SIGKILL
    assert survivor.wait() == 2
    said = survivor.said()
    assert "process 0 of 2 lost another one" in said.splitlines()[-1]
    assert "Traceback" not in said

    run_two(TWO_RANKS, tmp_path / "cut", "--resume")
    weights = [torch.load(tmp_path / run / "weights.pt") for run in ("whole", "cut")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_sigterm_to_one_of_two_ranks_stops_both_after_the_same_step(tmp_path, start_two):
    stopped = start_two(TWO_RANKS, tmp_path, "--stop-in-epoch", "1")
    codes = [process.wait() for process in stopped]
    said = [process.said() for process in stopped]
    assert codes == [143, 143], said
    assert "holds everything, continue with --resume" in said[0]
    last = tmp_path / "checkpoints" / "last.pt"
    trainer = make_trainer(tmp_path)
    with pytest.raises(ValueError, match="by 2 processes, this run has 1"):
        trainer.resume(last)
