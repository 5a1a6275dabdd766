"""What the command lines do: train, validate, test; from a config to files in a run folder."""

import functools
import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from dcpose.build import (
    Split,
    annotations_dir,
    annotations_path,
    build_cached_train_loader,
    build_clip_options,
    build_model,
    build_model_to_train,
    build_optimizer,
    build_predictor,
    build_skeleton,
    build_stream,
    build_target_encoder,
    build_train_loader,
    build_train_settings,
    describe_boxes,
    describe_test_precision,
    read_people,
    resolve_test_precision,
)
from dcpose.config import Config, config_to_dict
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.loader import EpochBatches, collate
from dcpose.data.posetrack import VideoAnnotation
from dcpose.data.stream import shard_videos
from dcpose.engine.distributed import barrier, broadcast_object, is_main, rank, world_size
from dcpose.engine.faults import explained_faults
from dcpose.engine.interruption import StopRequest
from dcpose.engine.logging import (
    Run,
    describe_environment,
    find_latest_run,
    new_run_dir,
    set_up_logging,
    with_progress,
)
from dcpose.engine.optim import make_scheduler
from dcpose.engine.pictures import clip_pictures
from dcpose.engine.precision import resolve_precision
from dcpose.engine.randomness import seed_everything
from dcpose.engine.shared_backbone import fit_together
from dcpose.engine.trainer import Trainer
from dcpose.evaluation.coco_ap import OksResult, evaluate_coco
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.evaluation.export import Form, check_submission, export_submission
from dcpose.evaluation.oks import suppress_duplicates
from dcpose.evaluation.predictions import write_predictions
from dcpose.evaluation.report import Measured, Protocol, write_results
from dcpose.losses import JointsMSELoss
from dcpose.models.dcpose import DCPose
from dcpose.models.on_backbone import OnBackbone
from dcpose.models.weight_files import weights_hash
from dcpose.skeleton import Skeleton
from dcpose.structures import ClipBatch, PersonRecord, PosePrediction
from dcpose.tracking.video import track_people

PICTURED_CLIPS = 6
PCK_METRIC = "PoseTrack AP, joints within half a head size"
OKS_METRIC = "COCO AP, object keypoint similarity"
DECODING = "argmax, quarter-pixel shift"
REPOSITORY = Path(__file__).resolve().parents[1]
"""Whose git commit goes into environment.json."""

VideosAndPeople = tuple[list[VideoAnnotation], dict[str, list[PersonRecord]]]
"""What `read_people` gives: the videos of a split, and people by video name."""

_log = logging.getLogger(__name__)


def default_device() -> str:
    """Return cuda where there is one, else cpu."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    cfg: Config,
    device: torch.device,
    run_dir: Path | None = None,
    resume: bool = False,
    weights: str | None = None,
) -> Path:
    """Train a model; return its run folder.

    Args:
        cfg: what to train.
        device: where.
        run_dir: folder to write to; None makes `runs/<experiment>/<time>`, or with `resume`
            takes the latest run of the experiment.
        resume: continue from `checkpoints/last.pt`; a `run_dir` without one starts from nothing.
        weights: whole-model weights to start from.

    Raises:
        ValueError: for anything in config, data or weights that cannot be used.
        LostWorkerError, LostProcessError: see `explained_faults`.
        Interrupted: after SIGTERM or Ctrl-C; `checkpoints/last.pt` holds all work.
    """
    experiment_dir = Path("runs") / cfg.experiment
    if run_dir is None:
        run_dir = find_latest_run(experiment_dir) if resume else new_run_dir(experiment_dir)
        run_dir = broadcast_object(run_dir)  # clocks of machines differ
    trainer = make_trainer(cfg, device, run_dir, resume, weights)
    with StopRequest() as trainer.stop, explained_faults(cfg.train.timeout_s):
        trainer.fit()
    return run_dir


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
    groups: dict[int, list[Trainer]] = {}  # those of one gap see the same clips
    for cfg, run_dir in runs:
        trainer = make_trainer(cfg, device, run_dir, resume=True)
        groups.setdefault(cfg.data.max_gap, []).append(trainer)
    set_up_logging(log_file)
    with StopRequest() as stop, explained_faults(runs[0][0].train.timeout_s):
        for trainer in itertools.chain.from_iterable(groups.values()):
            trainer.stop = stop
        fit_together(list(groups.values()))


def shared_part(cfg: Config) -> dict[str, Any] | None:
    """Return what the configs of models that train together have in common.

    They may look at other neighbours: their clips have the same current frame. None where the
    backbone cannot be shared: it is trained, or its statistics move; or where nothing is left to
    share, because its heatmaps are kept.
    """
    model = cfg.model
    if cfg.train.cache_heatmaps is not None:
        return None
    if model.name != "dcpose" or not (model.backbone.frozen and model.backbone.frozen_bn):
        return None
    common = config_to_dict(cfg)
    heads = common.pop("model")
    del common["data"]["max_gap"]
    return {
        **{name: common[name] for name in ("seed", "data", "train")},
        "backbone": heads["backbone"],
        "num_joints": heads["num_joints"],
    }


def make_trainer(
    cfg: Config,
    device: torch.device,
    run_dir: Path,
    resume: bool = False,
    weights: str | None = None,
) -> Trainer:
    """Return what trains a model; see `train`. Log lines go to its run folder from now on."""
    last = run_dir / "checkpoints" / "last.pt"
    if last.exists() and not resume:
        raise ValueError(
            f"{run_dir}: holds a run already; continue it with --resume or choose another --run-dir"
        )
    run = Run(run_dir, config_to_dict(cfg))
    set_up_logging(run.train_log)
    seed_everything(cfg.seed)

    resuming = resume and last.exists()
    model = build_model(cfg) if resuming else build_model_to_train(cfg, weights)
    model = model.to(device)
    if isinstance(model, OnBackbone):
        model.speed_up_training(resolve_precision(cfg.train.precision, device))
    val_people = _check_validation(cfg, device)
    pin_memory = device.type == "cuda"
    loader = build_train_loader(cfg, rank(), world_size(), pin_memory)
    optimizer = build_optimizer(cfg, model)

    dataset: Any = loader.dataset

    @functools.cache  # not before the first epoch, when weights to resume with are in place
    def loader_of_batches() -> DataLoader[ClipBatch]:
        if cfg.train.cache_heatmaps is None:
            return loader
        assert isinstance(model, DCPose)  # noqa: S101 - the config makes sure
        return build_cached_train_loader(cfg, model, dataset, rank(), world_size())

    def train_batches(epoch: int, skip: int = 0) -> EpochBatches:
        return EpochBatches(loader_of_batches(), epoch, skip)

    def validate_epoch(model: nn.Module) -> Mapping[str, float]:
        result, _ = _measure(cfg, model, device, run_dir, val_people)
        if result is None:
            return {"AP": float("nan")}
        return {"AP": result.total, **result.details}

    trainer = Trainer(
        model=model,
        loss=JointsMSELoss(),
        encode_targets=build_target_encoder(cfg),
        train_batches=train_batches,
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer, cfg.optim.milestones, cfg.optim.gamma),
        validate=validate_epoch,
        run=run,
        settings=build_train_settings(cfg),
        draw=_picture_maker(dataset, device) if is_main() else None,
        heatmaps_given=cfg.train.cache_heatmaps is not None,
    )
    if resuming:
        trainer.resume(last)
    else:
        run.rewind(0)
        run.describe(describe_environment(device, REPOSITORY))
    _log.info("run folder: %s", run_dir)
    return trainer


def _check_validation(cfg: Config, device: torch.device) -> VideosAndPeople:
    """Raise now what validation would raise after an epoch of training; return whom it needs."""
    resolve_test_precision(cfg, device)
    videos, people = read_people(cfg, "val")
    build_stream(cfg, videos, people)
    return videos, people


def _picture_maker(
    dataset: PoseTrackClips, device: torch.device
) -> Callable[[nn.Module], Mapping[str, np.ndarray]]:
    """Return what draws the same few training clips after every validation."""
    step = max(1, len(dataset) // PICTURED_CLIPS)
    clips = collate([dataset[index] for index in range(0, len(dataset), step)[:PICTURED_CLIPS]])
    return lambda model: clip_pictures(model, clips, device, dataset.skeleton)


def validate(
    cfg: Config, device: torch.device, weights: str, run_dir: Path | None = None
) -> tuple[Measured, Protocol] | None:
    """Predict the val split and measure AP; None in processes other than the main one.

    Writes `predictions/val/<video>.json`, `results.json` and `results.md` into the run folder,
    `runs/<experiment>/<time>` if none is given.
    """
    if run_dir is None:
        run_dir = broadcast_object(new_run_dir(Path("runs") / cfg.experiment))
    run = Run(run_dir, config_to_dict(cfg))
    set_up_logging()
    model = build_model(cfg, weights).to(device)
    if not (run_dir / "config.yaml").exists():  # a training's own stays as it is
        run.describe(describe_environment(device, REPOSITORY))
    result, num_boxes = _measure(cfg, model, device, run_dir)
    if result is None:
        return None
    clip = build_clip_options(cfg, training=False)
    protocol = Protocol(
        annotations=str(annotations_path(cfg, "val")),
        metric=OKS_METRIC if isinstance(result, OksResult) else PCK_METRIC,
        boxes=describe_boxes(cfg, "val"),
        min_box_score=None if cfg.data.val_detections is None else cfg.data.min_box_score,
        joint_score=cfg.test.joint_score,
        flip=cfg.test.flip,
        oks_nms=cfg.test.oks_nms,
        decoding=DECODING,
        precision=describe_test_precision(cfg, device),
        crop_wh=cfg.data.crop_wh,
        clip_frames=clip.num_frames,
        max_gap=clip.max_gap if clip.num_frames > 1 else None,
        num_videos=None if isinstance(result, OksResult) else result.num_videos,
        num_frames=result.num_frames,
        num_boxes=num_boxes,
        weights=Path(weights).name,
        weights_hash=weights_hash(weights),
    )
    write_results(run_dir, result, protocol)
    return result, protocol


def test(
    cfg: Config, device: torch.device, weights: str, out: Path, form: Form | None
) -> Path | None:
    """Predict the test split and write leaderboard files; needs no ground-truth people.

    Writes `<video>.json` and `submission.zip` into `out`, in 2018 or 2017 form (None takes that
    of the data set), and our own predictions into `out/predictions`; then checks the files as the
    server would.

    Returns:
        the path of the zip file; None in processes other than the main one.

    Raises:
        ValueError: lists what the server would refuse; or `out/predictions` holds files of other
            videos, which would be submitted with them.
    """
    set_up_logging()
    if cfg.data.layout == "coco":
        raise ValueError(
            "data.layout: coco has no PoseTrack leaderboard; run tools/val.py and convert its "
            "predictions with scripts/convert_annotations.py --what predictions --to coco"
        )
    predictions_dir = out / "predictions"
    videos, people = read_people(cfg, "test")
    _refuse_other_videos(videos, predictions_dir)
    model = build_model(cfg, weights).to(device)
    predict_split(cfg, model, "test", predictions_dir, device, (videos, people))
    if not is_main():
        return None
    skeleton = build_skeleton(cfg)
    if form is None:
        form = "posetrack17" if cfg.data.layout == "posetrack17" else "posetrack18"
    zip_path = export_submission(predictions_dir, out, form, skeleton)
    annotations = annotations_dir(cfg, "test", out / "annotations")
    problems = check_submission(out, annotations, skeleton)
    if problems:
        raise ValueError("the submission would be refused:\n" + "\n".join(problems))
    _log.info("%s: checked, ready to submit", zip_path)
    return zip_path


def _refuse_other_videos(videos: Sequence[VideoAnnotation], predictions_dir: Path) -> None:
    names = {video.name for video in videos}
    for path in sorted(predictions_dir.glob("*.json")):
        if path.stem not in names:
            raise ValueError(
                f"{path}: is of none of the {len(names)} videos of the test split and would be "
                "submitted with them; remove it or choose another --out"
            )


def predict_split(
    cfg: Config,
    model: nn.Module,
    split: Split,
    predictions_dir: Path,
    device: torch.device,
    given: VideosAndPeople | None = None,
) -> int:
    """Write one predictions file per video of a split; processes share the videos.

    A file is written as soon as its video is done, so memory does not grow with the split.

    Args:
        cfg: what to predict with, and how.
        model: in eval mode, on `device`.
        split: val or test.
        predictions_dir: folder to write to.
        device: where to compute.
        given: the split's videos and people, where they are read already; None reads them.

    Returns:
        the number of people of the whole split.
    """
    videos, people = given or read_people(cfg, split)
    mine = shard_videos(videos, people, rank(), world_size())
    stream = build_stream(cfg, mine, people, pin_memory=device.type == "cuda")
    predict = build_predictor(cfg, model, device)
    predictions_dir.mkdir(parents=True, exist_ok=True)

    skeleton = build_skeleton(cfg)
    duplicates = 0
    start = time.monotonic()
    batches = with_progress(stream, f"predict {split}", len(stream))
    poses = itertools.groupby(predict(batches), key=lambda pose: pose.person.video)
    by_name: dict[str, VideoAnnotation] = {video.name: video for video in mine}
    for name, video_poses in poses:
        video = by_name.pop(name)
        kept = list(video_poses)
        if cfg.test.oks_nms is not None:
            found = len(kept)
            kept = suppress_duplicates(kept, cfg.test.oks_nms, skeleton)
            duplicates += found - len(kept)
        _write(cfg, predictions_dir, video, kept, skeleton)
    for video in by_name.values():  # nobody in them
        _write(cfg, predictions_dir, video, [], skeleton)
    seconds = time.monotonic() - start
    rate = stream.num_people / max(seconds, 1e-9)
    _log.info("%s: %d people in %.1f s (%.1f clips/s)", split, stream.num_people, seconds, rate)
    if cfg.test.oks_nms is not None:
        _log.info("%s: OKS-NMS dropped %d of %d people", split, duplicates, stream.num_people)
    barrier()
    return sum(map(len, people.values()))


def _write(
    cfg: Config,
    predictions_dir: Path,
    video: VideoAnnotation,
    poses: list[PosePrediction],
    skeleton: Skeleton,
) -> None:
    write_predictions(
        predictions_dir / f"{video.name}.json",
        video.images,
        poses,
        skeleton,
        joint_score=cfg.test.joint_score,
        track_ids=track_people(poses, skeleton) if cfg.test.track else None,
    )


def _measure(
    cfg: Config,
    model: nn.Module,
    device: torch.device,
    run_dir: Path,
    given: VideosAndPeople | None = None,
) -> tuple[Measured | None, int]:
    """Predict val and return its AP, in the main process, and the number of boxes."""
    predictions_dir = run_dir / "predictions" / "val"
    num_boxes = predict_split(cfg, model, "val", predictions_dir, device, given)
    if not is_main():
        return None, num_boxes
    result = _evaluate(cfg, run_dir, predictions_dir)
    for line in result.table().splitlines():
        _log.info("%s", line)
    return result, num_boxes


def _evaluate(cfg: Config, run_dir: Path, predictions_dir: Path) -> Measured:
    skeleton = build_skeleton(cfg)
    if cfg.data.layout == "coco":
        annotations = annotations_path(cfg, "val")
        return evaluate_coco(annotations, predictions_dir, cfg.test.joint_score, skeleton)
    folder = annotations_dir(cfg, "val", run_dir / "annotations" / "val")
    return evaluate_folders(folder, predictions_dir, skeleton, by_condition=True)
