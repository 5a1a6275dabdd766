"""Train for a long time at the smallest size, and see whether anything grows.

python tests/stress/soak.py [--minutes 60] [--every 10] [--out DIR] [--cfg CFG] [KEY=VALUE ...]

Samples memory, open files, threads and the size of the run folder while it trains, validates and
saves; ends with SIGTERM, as a scheduler does it. Linux only. Prints a line per sample and at the
end how much each grew from the first third of the samples to the last, per 1000 steps.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch

from dcpose.cli import reports_user_errors
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.engine.faults.interruption import Interrupted
from dcpose.engine.run.checkpoint import load_checkpoint
from dcpose.jobs.train import train

REPOSITORY = Path(__file__).resolve().parents[2]
MB = 1e6


@dataclass(frozen=True)
class Sample:
    """One look at the process."""

    seconds: float
    steps: int
    memory_mb: float
    files: int
    threads: int
    run_folder_mb: float


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    parser.add_argument("--cfg", type=Path, default=REPOSITORY / "configs/synthetic/tiny.yaml")
    parser.add_argument("--out", type=Path, help="run folder; default: a temporary one")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, ["train.epochs=1000000", *args.overrides])
    with tempfile.TemporaryDirectory() as scratch:
        run_dir = args.out or Path(scratch) / "run"
        samples = train_for(cfg, run_dir, 60 * args.minutes, args.every)
        steps = load_checkpoint(run_dir / "checkpoints" / "last.pt")["step"]
    print(f"{steps} steps in {samples[-1].seconds:.0f} s")
    for name, growth in growth_per_1000_steps(samples).items():
        print(f"{name}: {growth:+.3f} per 1000 steps")
    return 0


def train_for(cfg: Config, run_dir: Path, seconds: float, every: float) -> list[Sample]:
    """Train until the time is over; return what was sampled meanwhile."""
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        start = time.monotonic()
        print("  ".join(field.name for field in fields(Sample)))
        while not ended.wait(every):
            samples.append(look(run_dir, time.monotonic() - start))
            print("  ".join(f"{value:.6g}" for value in astuple(samples[-1])), flush=True)
            if samples[-1].seconds >= seconds and samples[-1].steps:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        train(cfg, torch.device("cpu"), run_dir)
    except Interrupted:
        pass
    finally:
        ended.set()
        watcher.join()
    return samples


def look(run_dir: Path, seconds: float) -> Sample:
    """Return a sample of this process, without its children."""
    process = Path("/proc/self")
    pages = int((process / "statm").read_text().split()[1])
    log = run_dir / "log.jsonl"
    sizes = [path.stat().st_size for path in run_dir.rglob("*.*") if path.suffix != ".tmp"]
    return Sample(
        seconds=seconds,
        steps=log.read_bytes().count(b'"kind": "train"') if log.exists() else 0,
        memory_mb=pages * os.sysconf("SC_PAGE_SIZE") / MB,
        files=len(os.listdir(process / "fd")),
        threads=len(os.listdir(process / "task")),
        run_folder_mb=sum(sizes) / MB,
    )


def growth_per_1000_steps(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the growth between the medians of the first and the last third, by name.

    The first third holds what is loaded once; samples without a step are left out.
    """
    trained = [sample for sample in samples if sample.steps]
    third = max(1, len(trained) // 3)
    first, last = trained[:third], trained[-third:]

    def median(part: Sequence[Sample], name: str) -> float:
        return statistics.median(getattr(sample, name) for sample in part)

    steps = max(1.0, median(last, "steps") - median(first, "steps"))
    names = ("memory_mb", "files", "threads", "run_folder_mb")
    return {name: 1000 * (median(last, name) - median(first, name)) / steps for name in names}


if __name__ == "__main__":
    sys.exit(main())
