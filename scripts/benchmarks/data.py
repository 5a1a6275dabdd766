"""Suite data: from frames on disk to clips, and from heatmaps to a file, against the yardstick.

The network is left out: its place takes a table of heatmaps. Times are CPU time of this process,
all threads together, so they say what one core can do and hold on a busy machine; the clock is
given beside them. A run is long enough that memory which the variant before gave back to the
system does not count. The floor of a row is what its decodes and its warps cost alone, one after
the other, with the memory traffic of stacking at the device's copy rate.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from simplejpeg import decode_jpeg
from torch import Tensor, nn
from torchvision.io import ImageReadMode
from torchvision.io import decode_jpeg as torchvision_decode

from benchmarks.measure import Options, Row, Table, Timing, side_by_side
from benchmarks.reference import ReferenceSample, load_sample, network_input, write_one_by_one
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.build.data import build_augmentation, build_clip_options, read_people
from dcpose.build.inference import build_stream
from dcpose.build.training import build_target_encoder, build_train_loader
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.data.crop import crop_matrix
from dcpose.data.frames import read_frame
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.heatmap import decode, heatmap_to_image
from dcpose.jobs.predict import predict_split
from dcpose.models.interface import TemporalModel
from dcpose.structures import PosePrediction

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "posetrack18" / "dcpose_hrnet_w48.yaml"
PEOPLE = (6, 1)
"""Per frame: about the mean of PoseTrack, and the least."""
TRAINING_BATCHES = 12
"""Of an epoch over all videos; a few, as the order has frames of all videos in every batch."""
STRIDE = 4


class HeatmapTable(nn.Module):
    """Stands where the network stands, at no cost: the same heatmaps for every batch."""

    stride = STRIDE

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        width, height = (side // STRIDE for side in cfg.data.crop_wh)
        generator = torch.Generator().manual_seed(0)
        rows = max(cfg.test.batch_size, cfg.train.batch_size)
        self.table = torch.rand(rows, cfg.model.num_joints, height, width, generator=generator)

    def forward(self, frames: Tensor, gaps: Tensor) -> Tensor:
        """Return heatmaps (B, J, H / 4, W / 4)."""
        return self.table[: len(frames)]


def measure_data(options: Options) -> list[Table]:
    """Measure decoding, the inference path without the network, and training samples."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            return _tables(Path(temporary), options)
    finally:
        cv2.setNumThreads(threads)


def _tables(folder: Path, options: Options) -> list[Table]:
    tables: list[Table] = []
    for people in PEOPLE:
        if options.smoke:
            size = VideoSize(1, 4, people, image_wh=(160, 120))
        else:
            size = VideoSize(8, 12, people)
        root = folder / f"people_{people}"
        num_bytes = write_video_set(root, size) // (size.videos * size.frames)
        cfg = _load(root, options)
        costs = _parts(root, cfg, options)
        if not tables:
            tables.append(_decoders(root, num_bytes, options))
        width, height = size.image_wh
        where = f"{people} people per frame, {width}x{height} JPEG of {num_bytes // 1000} kB"
        tables.append(_inference(f"inference without the network, {where}", cfg, costs, options))
        tables.append(_training(f"training samples, {where}", cfg, costs, options))
    return tables


def _load(root: Path, options: Options) -> Config:
    overrides = [
        f"data.root={root}", "data.train_annotations=annotations/val", "data.val_detections=null",
        "data.workers=0", "test.batch_size=32", "train.batch_size=32",
        "test.fast=false",
    ]  # fmt: skip
    return load_config(CONFIG, overrides + (["data.crop_wh=[64,64]"] if options.smoke else []))


def _decoders(root: Path, num_bytes: int, options: Options) -> Table:
    paths = sorted((root / "images").rglob("*.jpg"))[:16]
    contents = [path.read_bytes() for path in paths]
    buffers = [np.frombuffer(content, np.uint8) for content in contents]
    tensors = [torch.frombuffer(bytearray(content), dtype=torch.uint8) for content in contents]
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    variants: dict[str, Callable[[], object]] = {
        "read_frame (file to RGB)": lambda: [read_frame(path) for path in paths],
        "simplejpeg": lambda: [decode_jpeg(content) for content in contents],
        "torchvision": lambda: [
            torchvision_decode(tensor, mode=ImageReadMode.RGB) for tensor in tensors
        ],
        "cv2.imdecode and cvtColor": lambda: [
            cv2.cvtColor(np.asarray(cv2.imdecode(buffer, flags)), cv2.COLOR_BGR2RGB)
            for buffer in buffers
        ],
    }
    timings = side_by_side(variants, options)
    rows = [
        {"decoder": name, "ms_per_frame": 1e3 * timing.cpu_seconds / len(paths)}
        for name, timing in timings.items()
    ]
    return Table(f"decoders, the same pixels from all, {num_bytes // 1000} kB a frame", rows)


def _parts(root: Path, cfg: Config, options: Options) -> dict[str, float]:
    """Return seconds of one decode and of the three warps of a person, each alone."""
    paths = sorted((root / "images").rglob("*.jpg"))[:16]
    frames = [read_frame(path) for path in paths]
    height = frames[0].shape[0]
    box = np.array([0.3 * height, 0.3 * height, 0.16 * height, 0.4 * height])
    matrix = crop_matrix(box, cfg.data.crop_wh, cfg.data.box_enlarge)
    warp = partial(cv2.warpAffine, M=matrix, dsize=cfg.data.crop_wh, flags=cv2.INTER_LINEAR)
    timings = side_by_side(
        {
            "decode": lambda: [read_frame(path) for path in paths],
            "warp": lambda: [warp(frame) for frame in frames],
        },
        options,
    )
    each = {name: timing.cpu_seconds / len(paths) for name, timing in timings.items()}
    return {"decode": each["decode"], "warps": 3 * each["warp"]}


def _inference(title: str, cfg: Config, costs: dict[str, float], options: Options) -> Table:
    videos, people = read_people(cfg, "val")
    clips = sum(map(len, people.values()))
    out = Path(cfg.data.root) / "predictions"
    out.mkdir()
    model = HeatmapTable(cfg).eval()
    cpu = torch.device("cpu")
    clip_options = build_clip_options(cfg, training=False)

    def reference() -> None:
        write_one_by_one(model, videos, people, clip_options, cfg.data.sigma, cpu, out)

    def ours() -> None:
        poses: dict[str, list[PosePrediction]] = {video.name: [] for video in videos}
        for batch in build_stream(cfg, videos, people):
            joints, scores = decode(model(batch.frames, batch.gaps))
            image = heatmap_to_image(joints, batch.crop_to_image, STRIDE).numpy()
            for person, pose, peaks in zip(batch.people, image, scores.double(), strict=True):
                poses[person.video].append(PosePrediction(person, pose, peaks.numpy()))
        for video in videos:
            write_predictions(out / f"{video.name}.json", video.images, poses[video.name])

    variants: dict[str, Callable[[], object]] = {
        "reference": reference,
        "ClipStream, decode, write": ours,
        "predict_split: also normalises, on the same core": lambda: predict_split(
            cfg, cast(TemporalModel, model), "val", out, cpu, (videos, people)
        ),
    }
    decoded = {"reference": 3 * clips}
    once = sum(video.num_frames for video in videos)
    return _compare(title, variants, clips, decoded, once, costs, cfg, options)


def _training(title: str, cfg: Config, costs: dict[str, float], options: Options) -> Table:
    loader = build_train_loader(cfg)
    encode = build_target_encoder(cfg, STRIDE)
    dataset: Any = loader.dataset
    clips = min(len(dataset), TRAINING_BATCHES * cfg.train.batch_size)
    videos = {video.name: video for video in read_people(cfg, "val")[0]}
    clip_options = build_clip_options(cfg, training=True)
    augmentation = build_augmentation(cfg)
    order = np.random.default_rng(0).permutation(len(dataset))[:clips]

    def reference() -> None:
        batch: list[ReferenceSample] = []
        for index in order:
            person, rng = dataset.people[index], np.random.default_rng(index)
            video = videos[person.video]
            batch.append(
                load_sample(video, person, clip_options, cfg.data.sigma, augmentation, rng)
            )
            if len(batch) == cfg.train.batch_size:
                network_input(batch)
                torch.stack([sample.targets for sample in batch])
                batch = []

    def ours() -> None:
        for _ in islice(loader, TRAINING_BATCHES):
            pass

    def ours_on_this_core() -> None:
        for batch in islice(loader, TRAINING_BATCHES):
            batch.network_input()
            encode(batch)

    decodes = _count_decodes(dataset, ours)
    variants: dict[str, Callable[[], object]] = {
        "reference": reference,
        "loader (the device normalises and paints targets)": ours,
        "loader, normalising and targets on the same core": ours_on_this_core,
    }
    return _compare(title, variants, clips, {"reference": 3 * clips}, decodes, costs, cfg, options)


def _count_decodes(dataset: Any, run: Callable[[], None]) -> int:  # noqa: ANN401
    """Return how many frames a data set decodes in a run."""
    count = 0
    read = dataset.read

    def counting(path: Path) -> np.ndarray:
        nonlocal count
        count += 1
        return read(path)

    dataset.read = counting
    try:
        run()
    finally:
        dataset.read = read
    return count


def _compare(
    title: str,
    variants: dict[str, Callable[[], object]],
    clips: int,
    decoded: dict[str, int],
    decoded_by_us: int,
    costs: dict[str, float],
    cfg: Config,
    options: Options,
) -> Table:
    """Time variants that handle the same people; the first one is the yardstick."""
    timings = side_by_side(variants, options)
    width, height = cfg.data.crop_wh
    stacked = 2 * 3 * 3 * width * height / options.roofline.copy  # three crops, read and written
    yardstick = next(iter(timings.values())).cpu_seconds
    rows = [
        _row(name, timing, clips, decoded.get(name, decoded_by_us) / clips, yardstick)
        for name, timing in timings.items()
    ]
    for row in rows:
        floor = row["decodes_per_person"] * costs["decode"] + costs["warps"] + stacked
        row["floor_ms"] = 1e3 * floor
        row["times_floor"] = row["cpu_ms_per_person"] / row["floor_ms"]
    return Table(f"{title}; {clips} people", rows)


def _row(name: str, timing: Timing, clips: int, decodes: float, yardstick: float) -> Row:
    return {
        "variant": name,
        "cpu_ms_per_person": 1e3 * timing.cpu_seconds / clips,
        "clock_ms_per_person": 1e3 * timing.seconds / clips,
        "people_per_s_and_core": clips / timing.cpu_seconds,
        "decodes_per_person": decodes,
        "times_faster": yardstick / timing.cpu_seconds,
    }
