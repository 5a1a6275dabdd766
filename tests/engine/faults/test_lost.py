"""A lost worker or process ends the run with its cause; see also two_ranks.py."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from engine_fakes import make_trainer
from torch.utils.data import DataLoader, Dataset

from dcpose.data.frames import FrameError
from dcpose.engine.faults import lost as faults
from dcpose.engine.faults.lost import LostProcessError, explained_faults

HERE = Path(__file__).parents[1]
PATHS = [str(HERE / "faults"), str(HERE), str(HERE.parents[1])]


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
def test_a_lost_worker_ends_the_run(happen):
    # in a process of its own, because torch's handler of SIGCHLD would disturb pytest
    code = (
        "import multiprocessing, test_lost\n"
        "try:\n"
        f"    test_lost.load(test_lost.{happen})\n"
        "except ChildProcessError as error:\n"
        "    print(error, multiprocessing.active_children())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
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


def start_two(run_dir, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = os.pathsep.join(PATHS)
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, str(HERE / "two_ranks.py"), str(run_dir), *options],
            env={**os.environ, **common, "RANK": str(rank), "PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
@pytest.mark.slow
def test_one_of_two_ranks_is_killed(tmp_path):
    whole = start_two(tmp_path / "whole")
    assert [process.wait(timeout=300) for process in whole] == [0, 0]

    survivor, killed = start_two(tmp_path / "cut", "--kill-in-epoch", "1")
    assert killed.wait(timeout=300) == -signal.SIGKILL
    _, said = survivor.communicate(timeout=300)
    assert survivor.returncode == 2
    assert "process 0 of 2 lost another one" in said.splitlines()[-1]
    assert "Traceback" not in said

    again = start_two(tmp_path / "cut", "--resume")
    assert [process.wait(timeout=300) for process in again] == [0, 0]
    weights = [torch.load(tmp_path / run / "weights.pt") for run in ("whole", "cut")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_sigterm_to_one_of_two_ranks_stops_both_after_the_same_step(tmp_path):
    stopped = start_two(tmp_path, "--stop-in-epoch", "1")
    said = [process.communicate(timeout=300)[1] for process in stopped]
    assert [process.returncode for process in stopped] == [143, 143], said
    assert "holds everything, continue with --resume" in said[0]
    last = tmp_path / "checkpoints" / "last.pt"
    trainer = make_trainer(tmp_path)
    with pytest.raises(ValueError, match="by 2 processes, this run has 1"):
        trainer.resume(last)
