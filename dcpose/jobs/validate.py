"""Validate a model: predictions of the val split, and what they are worth."""

import logging
from pathlib import Path

import torch

from dcpose.build.data import (
    annotations_dir,
    annotations_path,
    build_clip_options,
    build_skeleton,
    describe_boxes,
)
from dcpose.build.datasets import DATASETS
from dcpose.build.inference import describe_precision
from dcpose.build.runtime import Network, build_network
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.engine.distributed import broadcast_object, is_main
from dcpose.engine.run.folder import Run, describe_environment, new_run_dir
from dcpose.engine.run.progress import set_up_logging
from dcpose.evaluation.measured import Measured
from dcpose.jobs.predict import VideosAndPeople, predict_split
from dcpose.report.results import Protocol, write_results
from dcpose.report.tables import row_of
from dcpose.weights.reading import weights_hash

_log = logging.getLogger(__name__)

DECODINGS = {"quarter": "argmax, quarter-pixel shift", "dark": "DARK, sigma 2"}


def validate(
    cfg: Config, device: torch.device, weights: str, run_dir: Path | None = None
) -> tuple[Measured, Protocol] | None:
    """Predict the val split and measure it; None in processes other than the main one.

    Writes `predictions/val/<video>.json`, `results.json` and `results.md` into the run folder,
    `runs/<experiment>/<time>` if none is given.
    """
    if run_dir is None:
        run_dir = broadcast_object(new_run_dir(Path("runs") / cfg.experiment))
    run = Run(run_dir, config_to_dict(cfg))
    set_up_logging()
    network = build_network(cfg, weights, device)
    if not (run_dir / "config.yaml").exists():  # a training's own stays as it is
        run.describe(describe_environment(device))
    result, num_boxes = measure(cfg, network, device, run_dir)
    if result is None:
        return None
    clip = build_clip_options(cfg, training=False)
    protocol = Protocol(
        annotations=str(annotations_path(cfg, "val")),
        metric=result.metric,
        boxes=describe_boxes(cfg, "val"),
        min_box_score=None if cfg.data.val_detections is None else cfg.data.min_box_score,
        joint_score=cfg.test.joint_score,
        flip=cfg.test.flip,
        zoom=cfg.test.zoom,
        oks_nms=cfg.test.oks_nms,
        decoding=DECODINGS[cfg.test.decoding],
        precision=describe_precision(cfg, network, device),
        crop_wh=cfg.data.crop_wh,
        clip_frames=clip.num_frames,
        max_gap=max(clip.offsets) or None,
        affine=cfg.data.affine,
        neighbors=cfg.test.neighbors,
        num_videos=result.num_videos,
        num_frames=result.num_frames,
        num_boxes=num_boxes,
        weights=Path(weights).name,
        weights_hash=weights_hash(weights),
    )
    write_results(run_dir, result, protocol)
    return result, protocol


def measure(
    cfg: Config,
    network: Network,
    device: torch.device,
    run_dir: Path,
    given: VideosAndPeople | None = None,
) -> tuple[Measured | None, int]:
    """Predict val and return what it is worth, in the main process, and the number of boxes."""
    predictions_dir = run_dir / "predictions" / "val"
    num_boxes = predict_split(cfg, network, "val", predictions_dir, device, given)
    if not is_main():
        return None, num_boxes
    truth = annotations_dir(cfg, "val", run_dir / "annotations" / "val")
    skeleton = build_skeleton(cfg)
    evaluate = DATASETS[cfg.data.layout].evaluate
    result = evaluate(truth, predictions_dir, cfg.test.joint_score, skeleton)
    for line in row_of(result.columns).text().splitlines():
        _log.info("%s", line)
    return result, num_boxes
