"""Where the curves and pictures of a training go besides its log: TensorBoard, W&B, MLflow.

A logger is imported when a config names it. All write into the run folder and reach no server:
WANDB_MODE=online and MLFLOW_TRACKING_URI=ADDRESS send what they name to one.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np

from dcpose.files.packages import require

LoggerName = Literal["tensorboard", "wandb", "mlflow"]


class CurveLogger(Protocol):
    """What takes curves and pictures."""

    def plot(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve."""

    def show(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Add (H, W, 3) uint8 RGB pictures."""

    def close(self) -> None:
        """Write out what is still held."""


def open_logger(
    name: LoggerName, folder: Path, config: Mapping[str, Any], step: int
) -> CurveLogger:
    """Open a logger of a run.

    Args:
        name: which.
        folder: of the run, `<experiment>/<time>`.
        config: resolved, as a plain dict.
        step: the last one that counts; TensorBoard drops points after it.

    Raises:
        ValueError: if its package is not installed, with the command that installs it.
    """
    kinds: dict[LoggerName, Callable[[Path, Mapping[str, Any], int], CurveLogger]] = {
        "tensorboard": _TensorBoard,
        "wandb": _Wandb,
        "mlflow": _MLflow,
    }
    return kinds[name](folder, config, step)


class _TensorBoard:
    def __init__(self, folder: Path, config: Mapping[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def plot(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def show(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        for name, picture in pictures.items():
            self._writer.add_image(name, picture, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """A run of W&B; its own id follows from the folder, so that a resumed one continues it."""

    def __init__(self, folder: Path, config: Mapping[str, Any], step: int) -> None:
        self._wandb = _import("wandb")
        self._run = self._wandb.init(
            project=folder.parent.name,
            name=folder.name,
            id=_name_of(folder),
            resume="allow",
            dir=str(folder),
            config=dict(config),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )
        # its own count of calls only grows; curves of a resumed run go over `step` again
        self._run.define_metric("*", step_metric="step")

    def plot(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def show(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        images = {name: self._wandb.Image(picture) for name, picture in pictures.items()}
        self._run.log({**images, "step": step})

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """A run of MLflow, in the run folder unless the environment names a server."""

    def __init__(self, folder: Path, config: Mapping[str, Any], step: int) -> None:
        module = _import("mlflow")
        self._metric = _import("mlflow.entities").Metric
        server = os.environ.get("MLFLOW_TRACKING_URI")
        folder = folder.resolve()
        address = server or f"sqlite:///{folder / 'mlflow.db'}"
        self._client = module.MlflowClient(tracking_uri=address)
        pictures = None if server else (folder / "mlflow").as_uri()
        experiment = self._client.get_experiment_by_name(folder.parent.name)
        number = (
            self._client.create_experiment(folder.parent.name, artifact_location=pictures)
            if experiment is None
            else experiment.experiment_id
        )
        self._id = self._begun(number, _name_of(folder)) or self._begin(number, folder, config)

    def _begun(self, experiment: str, name: str) -> str | None:
        """Return the run that was begun before for the same folder."""
        found = self._client.search_runs([experiment], f"tags.dcpose = '{name}'", max_results=1)
        return found[0].info.run_id if found else None

    def _begin(self, experiment: str, folder: Path, config: Mapping[str, Any]) -> str:
        tags = {"dcpose": _name_of(folder)}
        run = self._client.create_run(experiment, run_name=folder.name, tags=tags)
        self._client.log_dict(run.info.run_id, dict(config), "config.json")
        return run.info.run_id

    def plot(self, step: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        points = [self._metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=points)

    def show(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        for name, picture in pictures.items():
            self._client.log_image(self._id, picture, artifact_file=f"{name}/{step:08}.png")

    def close(self) -> None:
        self._client.set_terminated(self._id)


def _name_of(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


def _import(module: str) -> ModuleType:
    package = module.partition(".")[0]
    return require(module, f"train.loggers: {package}", instead="take it out of train.loggers")
