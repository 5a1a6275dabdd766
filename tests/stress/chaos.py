"""Kill a training run again and again, and compare what it ends with to an undisturbed one.

python tests/stress/chaos.py [--kills 25] [--seed 0] [--cfg CFG] [--out DIR] [KEY=VALUE ...]

A run is trained once undisturbed, and once more with SIGKILLs: at random steps, at random moments
after them, and every second time while a checkpoint is being written. After every kill all
checkpoints in the run folder have to be readable and none may be older than after the kill before;
then the run is resumed. At the end weights, averages, optimizer and random states have to be the
same bits, and the log has to hold every epoch once with the same loss. Works on a CPU.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from dcpose.cli import reports_user_errors
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.engine.run.checkpoint import CheckpointError, load_checkpoint
from dcpose.jobs.train import train

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_S = 0.0005
PATIENCE_S = 120.0
"""A run that makes no step for so long hangs."""

Place = tuple[int, int]
"""Epoch and step of a checkpoint."""


@dataclass
class Tally:
    """What happened so far."""

    kills: int = 0
    while_writing: int = 0
    rounds: int = 0
    places: list[Place] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--cfg", type=Path, default=REPOSITORY / "configs/synthetic/tiny.yaml")
    parser.add_argument("--out", type=Path, help="empty folder for the runs; default: a temporary")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    with tempfile.TemporaryDirectory() as scratch:
        tally = torment(cfg, args.out or Path(scratch), args.kills, random.Random(args.seed))  # noqa: S311
    print(
        f"{tally.kills} kills, {tally.while_writing} of them while a checkpoint was written, in "
        f"{tally.rounds} runs; at steps {', '.join(str(step) for _, step in tally.places)}"
    )
    for problem in tally.problems:
        print(f"problem: {problem}")
    print("FAILED" if tally.problems else "all the same bits, no epoch lost")
    return 1 if tally.problems else 0


def torment(cfg: Config, out: Path, kills: int, rng: random.Random) -> Tally:
    """Train once undisturbed and then with kills, as often as it takes for all of them."""
    whole = out / "whole"
    start_training(cfg, whole, resume=False).join()
    steps = load_checkpoint(whole / "checkpoints" / "last.pt")["step"]
    tally = Tally()
    while tally.kills < kills and not tally.problems:
        tally.rounds += 1
        run_dir = out / f"killed{tally.rounds}"
        targets = sorted(rng.randrange(steps) for _ in range(kills - tally.kills))
        for target in targets:
            if not kill_once(cfg, run_dir, target, tally, rng):
                break  # it was done before the kill came
        start_training(cfg, run_dir, resume=True).join()
        tally.problems += differences(whole, run_dir)
    return tally


def start_training(cfg: Config, run_dir: Path, resume: bool = True) -> ForkServerProcess:
    """Start a training process; torch is loaded already in the process it is forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dcpose.jobs.train", "torch._dynamo"])
    process = context.Process(target=_train, args=(cfg, run_dir, resume))
    process.start()
    return process


def _train(cfg: Config, run_dir: Path, resume: bool) -> None:
    torch.set_num_threads(1)
    # loader workers as tools/train.py has them: children of the training, which end when it does;
    # those of a server of their own would outlive its kill
    multiprocessing.set_start_method("fork", force=True)
    run_dir.mkdir(parents=True, exist_ok=True)
    output = os.open(run_dir / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    train(cfg, torch.device("cpu"), run_dir, resume=resume)


def kill_once(cfg: Config, run_dir: Path, target: int, tally: Tally, rng: random.Random) -> bool:
    """Train until a step, kill, and look at what is left; False if training ended before."""
    process = start_training(cfg, run_dir)
    checkpoints = run_dir / "checkpoints"
    wait_for_step(process, run_dir, target)
    if tally.kills % 2:
        wait_until(process, lambda: any(checkpoints.glob(".last.pt.*.tmp")))
        time.sleep(rng.uniform(0, 0.003))
    else:
        time.sleep(rng.uniform(0, 0.5))
    ended = process.exitcode is not None
    if not ended:
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        tally.problems.append(f"training failed, see {run_dir / 'output.txt'}")
    if process.exitcode != -signal.SIGKILL:
        return False
    tally.kills += 1
    tally.while_writing += any(checkpoints.glob(".*.tmp"))
    inspect(checkpoints, tally)
    return True


def wait_for_step(process: ForkServerProcess, run_dir: Path, target: int) -> None:
    """Wait until the log holds step `target`, counted from 0 for a run that begins."""
    log = run_dir / "log.jsonl"

    def reached() -> bool:
        lines = log.read_bytes().count(b'"kind": "train"') if log.exists() else 0
        return lines >= target

    wait_until(process, reached)


def wait_until(process: ForkServerProcess, happened: Any) -> None:
    """Wait for something, or for the end of the process."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened() and process.exitcode is None:
        if time.monotonic() > deadline:
            process.kill()
            raise ValueError(f"training made no progress in {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)


def inspect(checkpoints: Path, tally: Tally) -> None:
    """Note checkpoints that cannot be read, and a newest one that is older than it was."""
    place: Place = (0, 0)
    for path in sorted(checkpoints.glob("*.pt")):
        try:
            content = load_checkpoint(path)
        except CheckpointError as error:
            tally.problems.append(str(error))
            continue
        if path.name == "last.pt":
            place = (content["epoch"], content["step"])
    if tally.places and tally.rounds == 1 and place < tally.places[-1]:
        tally.problems.append(f"last.pt went back from {tally.places[-1]} to {place}")
    tally.places.append(place)


def differences(whole: Path, killed: Path) -> list[str]:
    """Return what two finished runs do not have in common."""
    problems = []
    for name in ("last.pt", "best.pt"):
        one, other = (load_checkpoint(run / "checkpoints" / name) for run in (whole, killed))
        problems += [f"{name}: {key} differs" for key in one if not same(one[key], other[key])]
    if epochs(whole) != epochs(killed):
        problems.append(f"epochs in the logs differ: {epochs(whole)}, {epochs(killed)}")
    return problems


def epochs(run_dir: Path) -> list[tuple[int, float, float]]:
    """Return number, loss and AP of the epochs in a log."""
    lines = (run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        (line["epoch"], line["loss"], line["AP"])
        for line in map(json.loads, lines)
        if line["kind"] == "epoch"
    ]


def same(one: Any, other: Any) -> bool:
    """Return whether two values of checkpoints are the same, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


if __name__ == "__main__":
    sys.exit(main())
