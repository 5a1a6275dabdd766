"""Train models that differ in their heads alone; they share the backbone's passes."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch

from dcpose.build.data import build_clip_options
from dcpose.build.tables import METHODS
from dcpose.build.training import build_encoder
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.engine.faults.interruption import StopRequest
from dcpose.engine.faults.lost import explained_faults
from dcpose.engine.run.progress import set_up_logging
from dcpose.engine.together import fit_together
from dcpose.engine.trainer import Trainer
from dcpose.jobs.train import make_trainer
from dcpose.models.interface import TemporalModel


def train_together(
    runs: Sequence[tuple[Config, Path]], device: torch.device, log_file: Path
) -> None:
    """Train models that differ in heads and neighbours alone; they share the backbone's passes.

    Args:
        runs: configs whose `shared_part` is the same, not None, and their run folders; what is in
            them is continued.
        device: where.
        log_file: gets the log lines of all.

    Raises:
        ValueError: as `train`, and if the backbones differ.
        LostWorkerError, Interrupted: as `train`.
    """
    groups: dict[Any, list[Trainer]] = {}  # those of one group see the same clips
    for cfg, run_dir in runs:
        trainer = make_trainer(cfg, device, run_dir, resume=True)
        groups.setdefault(build_clip_options(cfg, training=True), []).append(trainer)
    set_up_logging(log_file)
    cfg = runs[0][0]
    first = next(iter(groups.values()))[0]
    encoder = build_encoder(cfg, cast(TemporalModel, first.state.model), device)
    with StopRequest() as stop, explained_faults(cfg.train.timeout_s):
        for trainer in itertools.chain.from_iterable(groups.values()):
            trainer.stop = stop
        fit_together(list(groups.values()), encoder)


def shared_part(cfg: Config) -> dict[str, Any] | None:
    """Return what the configs of models that train together have in common.

    They may look at other neighbours: their clips have the same current frame. None where the
    backbone cannot be shared: it is trained, or its statistics move; or where nothing is left to
    share, because its encodings are kept.
    """
    if cfg.train.cache_encodings is not None or not cfg.model.has_constant_backbone:
        return None
    method = METHODS[cfg.model.name].network
    if method.clip.training != "neighbors":  # others draw the people's frames otherwise
        return None
    common = config_to_dict(cfg)
    heads = common.pop("model")
    del common["data"]["max_gap"]
    return {
        **{name: common[name] for name in ("seed", "data", "train")},
        "encodes": method.encodes,
        "backbone": heads["backbone"],
        "num_joints": heads["num_joints"],
    }
