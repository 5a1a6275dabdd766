"""Predictions of a split, one file per video."""

import itertools
import logging
import time
from pathlib import Path

import torch

from dcpose.build.data import build_skeleton, read_people
from dcpose.build.inference import build_predictor, build_stream
from dcpose.build.runtime import Network
from dcpose.config.data import Split
from dcpose.config.schema import Config
from dcpose.data.stream import shard_videos
from dcpose.engine.distributed import barrier, rank, world_size
from dcpose.engine.run.progress import with_progress
from dcpose.evaluation.oks import suppress_duplicates
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.skeleton import Skeleton
from dcpose.structures import PersonRecord, PosePrediction
from dcpose.tracking.video import track_people

_log = logging.getLogger(__name__)

VideosAndPeople = tuple[list[VideoAnnotation], dict[str, list[PersonRecord]]]
"""What `read_people` gives: the videos of a split, and people by video name."""


def predict_split(
    cfg: Config,
    network: Network,
    split: Split,
    predictions_dir: Path,
    device: torch.device,
    given: VideosAndPeople | None = None,
) -> int:
    """Write one predictions file per video of a split; processes share the videos.

    A file is written as soon as its video is done, so memory does not grow with the split.

    Args:
        cfg: what to predict with, and how.
        network: in eval mode, on `device`.
        split: val or test.
        predictions_dir: folder to write to.
        device: where to compute.
        given: the split's videos and people, where they are read already; None reads them.

    Returns:
        the number of people of the whole split.
    """
    videos, people = given or read_people(cfg, split)
    mine = shard_videos(videos, people, rank(), world_size())
    stream = build_stream(cfg, mine, people, device.type == "cuda", among=videos)
    predict = build_predictor(cfg, network, device)
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
