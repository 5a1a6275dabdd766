"""What a training writes down: a line per interval and per epoch, for people, files and plots."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dcpose.engine.distributed import gather_objects, world_size
from dcpose.engine.meter import EpochMeter
from dcpose.engine.run.folder import Run
from dcpose.engine.run.progress import LOGGER_NAME, format_seconds


class TrainingPlace(NamedTuple):
    """Where a training is.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole training.
        step: of the whole training, counted from 1.
    """

    epoch: int
    epochs: int
    step: int


def log_interval(
    run: Run, meter: EpochMeter, place: TrainingPlace, steps: tuple[int, int], lr: float
) -> None:
    """Log what happened since the last time; every process has to call this.

    Args:
        run: where to.
        meter: of the epoch; it starts a new interval.
        place: epoch and step at work.
        steps: done in the epoch, and how many it has.
        lr: learning rate.
    """
    done, total = steps
    interval = meter.read()
    values = {
        "epoch": place.epoch,
        "loss": float(np.mean(gather_objects(interval.loss))),
        "lr": lr,
        "clips_per_s": interval.clips_per_s * world_size(),
        "waiting": interval.waiting,
    }
    run.record("train", place.step, values)
    shown = ("loss", "lr", "clips_per_s", "waiting")
    run.plot(place.step, {f"train/{name}": values[name] for name in shown})
    logging.getLogger(LOGGER_NAME).info(
        "epoch %d/%d step %d/%d: loss %.4e, lr %.1e, %.1f clips/s, %.0f%% waiting for data, "
        "%s left in the epoch",
        place.epoch,
        place.epochs,
        done,
        total,
        values["loss"],
        values["lr"],
        values["clips_per_s"],
        100 * interval.waiting,
        format_seconds(meter.epoch_seconds / done * (total - done)),
    )


def log_epoch(
    run: Run,
    place: TrainingPlace,
    values: Mapping[str, float],
    summary: Mapping[str, float],
    is_best: bool,
) -> None:
    """Log a finished epoch.

    Args:
        run: where to.
        place: the epoch, and its last step.
        values: lr, loss, train_s.
        summary: what validation measured, first what the best is chosen by; empty without one.
        is_best: whether that is the best so far.
    """
    run.record("epoch", place.step, {"epoch": place.epoch, **values, **summary})
    measured, headline = "", next(iter(summary), "")
    if summary:
        measured = f", {headline} {summary[headline]:.2f}{' (best)' if is_best else ''}"
    run.plot(place.step, {f"{headline}/{name}": value for name, value in summary.items()})
    run.plot(place.step, {"train/epoch_loss": values["loss"]})
    logging.getLogger(LOGGER_NAME).info(
        "epoch %d/%d done: loss %.4e%s, trained in %s, about %s of training left",
        place.epoch,
        place.epochs,
        values["loss"],
        measured,
        format_seconds(values["train_s"]),
        format_seconds(values["train_s"] * (place.epochs - place.epoch)),
    )
