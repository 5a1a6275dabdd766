"""What a run writes while it works: the run folder, log lines, curves.

    runs/<experiment>/<time>/
        config.yaml  environment.json  log.jsonl  train.log  tensorboard/  checkpoints/

Only the main process writes; in the others the same calls do nothing.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from dcpose.engine.distributed import is_main
from dcpose.engine.run.loggers import CurveLogger, LoggerName, open_logger
from dcpose.files.writing import naming, remove_unfinished, write_text

REPOSITORY = Path(__file__).resolve().parents[3]
"""The checkout, whose git commit a run records."""


def new_run_dir(experiment_dir: Path) -> Path:
    """Return a path in `experiment_dir`, named by the time, at which nothing exists yet."""
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    path, number = experiment_dir / stamp, 2
    while path.exists():
        path, number = experiment_dir / f"{stamp}_{number}", number + 1
    return path


def find_latest_run(experiment_dir: Path) -> Path:
    """Return the run whose `checkpoints/last.pt` was written last.

    Raises:
        ValueError: if there is none.
    """
    checkpoints = list(experiment_dir.glob("*/checkpoints/last.pt"))
    if not checkpoints:
        raise ValueError(
            f"{experiment_dir}: no run with checkpoints/last.pt to resume; start one without "
            f"--resume, or name its folder with --run-dir"
        )
    # names break ties of file systems with coarse times
    latest = max(checkpoints, key=lambda path: (path.stat().st_mtime_ns, str(path)))
    return latest.parents[1]


def describe_environment(device: torch.device, repository: Path = REPOSITORY) -> dict[str, Any]:
    """Return what a result may depend on besides config and seed, as JSON-safe values.

    Args:
        device: where the run computes.
        repository: folder whose git commit is recorded; null if it is not under git.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": metadata.version("torchvision"),
        "numpy": np.__version__,
        "cv2": cv2.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "device": str(device),
        "device_name": name or platform.machine(),
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
        "git_commit": _git_commit(repository),
        "command_line": sys.argv,
    }


def _git_commit(repository: Path) -> str | None:
    git = shutil.which("git")
    # an installed package may lie within somebody else's repository
    if git is None or not (repository / ".git").exists():
        return None
    command = [git, "-C", str(repository), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return result.stdout.strip() if result.returncode == 0 else None


class Run:
    """The folder of one training run, and the writers into it.

    Args:
        path: run folder; created with its subfolders if it does not exist.
        config: resolved config as a plain dict; written to `config.yaml` and into checkpoints.
        loggers: what draws curves and shows pictures; see `open_logger`.

    Attributes:
        checkpoints: folder of `last.pt`, `previous.pt` and `best.pt`.
        last: the newest checkpoint.
        previous: the checkpoint before `last`, for the case that a disk damages that one.
        train_log: file for `progress.set_up_logging`.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        loggers: Sequence[LoggerName] = ("tensorboard",),
    ) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.last, self.previous = self.checkpoints / "last.pt", self.checkpoints / "previous.pt"
        self.train_log, self._log = path / "train.log", path / "log.jsonl"
        self.config = dict(config)
        self._names = tuple(loggers)
        self._open: list[CurveLogger] | None = None
        if is_main():
            self.checkpoints.mkdir(parents=True, exist_ok=True)

    def describe(self, environment: Mapping[str, Any]) -> None:
        """Write `config.yaml` and `environment.json`."""
        if not is_main():
            return
        text = yaml.safe_dump(self.config, sort_keys=False, default_flow_style=None)
        write_text(self.path / "config.yaml", text)
        text = json.dumps(dict(environment), indent=2)
        write_text(self.path / "environment.json", text + "\n")

    def rewind(self, step: int) -> None:
        """Forget what was logged after optimizer step `step`, which a resumed run repeats.

        Files that a killed process had not finished are removed.
        """
        if not is_main():
            return
        self.close()
        remove_unfinished(self.path)
        self._open = self._opened(step)
        if self._log.exists():
            kept = [line for line in self._log.read_text("utf-8").splitlines() if _upto(line, step)]
            write_text(self._log, "".join(f"{line}\n" for line in kept))

    def record(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Add a line `{"kind", "step", "time", **values}` to `log.jsonl`; NaN becomes null."""
        if not is_main():
            return
        line: dict[str, object] = {"kind": kind, "step": step, "time": round(time.time(), 3)}
        line |= {key: value if np.isfinite(value) else None for key, value in values.items()}
        with naming(self._log), self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def plot(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        for logger in self._loggers():
            logger.plot(step, values)

    def show(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Add (H, W, 3) uint8 RGB pictures."""
        for logger in self._loggers():
            logger.show(step, pictures)

    def close(self) -> None:
        """Write out what the loggers still hold."""
        for logger in self._open or []:
            logger.close()
        self._open = None

    def _loggers(self) -> list[CurveLogger]:
        if self._open is None and is_main():
            self._open = self._opened(step=-1)
        return self._open or []

    def _opened(self, step: int) -> list[CurveLogger]:
        return [open_logger(name, self.path, self.config, step) for name in self._names]


def _upto(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False  # the line that was being written when the run was killed
