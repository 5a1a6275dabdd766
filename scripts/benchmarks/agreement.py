"""Suite agreement: what the fast path of a trained model predicts, against the plain one.

The yardstick is the network as it was trained, eager, in fp32, one person at a time, with three
decodes for each (`reference.py`). Joints, AP and heatmaps of the prepared network are compared
with it on the val set of the run.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import clock
from benchmarks.measure import Options, Row, Table, Timing, side_by_side
from benchmarks.network import CONFIG, SMOKE, lively_model
from benchmarks.reference import predict_one_by_one
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.build.data import annotations_dir, build_clip_options, build_skeleton, read_people
from dcpose.build.inference import build_predictor, build_stream
from dcpose.build.model import build_model
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.deploy.bf16_branches import low_precision_parts
from dcpose.deploy.example import example_clips
from dcpose.deploy.fast import prepare_for_inference
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.jobs.predict import VideosAndPeople
from dcpose.models.interface import TemporalModel
from dcpose.structures import PosePrediction

FORMATS = ("fp32", "bf16_branches", "bf16")
PARTS = {
    "first stage": "layer1",
    "stage 2": r"stage2\.\d\.branches\.\d",
    "stage 3, first module": r"stage3\.0\.branches\.\d",
    "stage 3": r"stage3\.\d\.branches\.\d",
    "stage 4": r"stage4\.\d\.branches\.\d",
    "deepest branch": r"stage4\.\d\.branches\.3",
}
"""Chains of blocks of an HRNet, by the pattern of their names."""
NEAR = 0.5
"""Pixels of the image within which joints agree."""


def measure_agreement(options: Options) -> list[Table]:
    """Compare the predictions of a finished run's weights, `options.run`.

    Raises:
        ValueError: if no run is given, or it has no checkpoint.
    """
    if options.run is None and not options.smoke:
        raise ValueError("--suite agreement needs --run FOLDER, a finished training run")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.run is None:
            write_video_set(folder, VideoSize(1, 3, people=1, image_wh=(160, 120)))
            made_up = [f"data.root={folder}", "data.val_detections=null", "data.workers=1"]
            cfg = load_config(CONFIG, [*SMOKE, *made_up])
            model = lively_model(cfg, options.device)
        else:
            weights = options.run / "checkpoints" / "best.pt"
            if not weights.is_file():
                raise ValueError(f"{weights}: no such file; name the folder of a finished run")
            cfg = load_config(options.run / "config.yaml")
            model = build_model(cfg, weights)
        model = model.eval().to(options.device)
        return [_compare(cfg, model, folder, options), _compare_parts(cfg, model, options)]


def _compare(cfg: Config, model: nn.Module, folder: Path, options: Options) -> Table:
    given = read_people(cfg, "val")
    annotations = annotations_dir(cfg, "val", folder / "annotations")
    poses: dict[str, list[PosePrediction]] = {}

    def keep(name: str, predict: Callable[[], Iterable[PosePrediction]]) -> None:
        poses[name] = list(predict())

    variants: dict[str, Callable[[], object]] = {
        "reference": partial(keep, "reference", partial(_one_by_one, cfg, model, given, options))
    }
    for name in FORMATS:
        fast = partial(_fast, cfg, model, given, options, name)
        variants[name] = partial(keep, name, fast)
    timings = side_by_side(variants, options, warm_up=0)
    heatmaps = {
        name: _heatmap_differences(
            cfg, model, _in_format(cfg, model, name, options), given, options
        )
        for name in FORMATS
    }

    def row(name: str, timing: Timing) -> Row:
        _write(folder / name, given, poses[name])
        ap = evaluate_folders(annotations, folder / name, build_skeleton(cfg)).total
        moved = _distances(poses["reference"], poses[name])
        off = heatmaps.get(name, np.zeros(1))
        return {
            "what": "reference: fp32, eager, one by one"
            if name == "reference"
            else f"fast, {name}",
            "ap": ap,
            "percent_of_joints_within_half_px": 100 * float((moved <= NEAR).mean()),
            "median_px": float(np.median(moved)),
            "farthest_px": float(moved.max()),
            "heatmap_off_median": float(np.median(off)),
            "heatmap_off_max": float(off.max()),
            "seconds": timing.seconds,
        }

    title = (
        f"{len(poses['reference'])} people of val, crops of {cfg.data.crop_wh[0]}x"
        f"{cfg.data.crop_wh[1]}; heatmap_off: largest difference in a clip over its highest peak"
    )
    return Table(title, [row(name, timing) for name, timing in timings.items()])


def _one_by_one(
    cfg: Config, model: nn.Module, given: VideosAndPeople, options: Options
) -> Iterable[PosePrediction]:
    clip_options = build_clip_options(cfg, training=False)
    videos, people = given
    return predict_one_by_one(model, videos, people, clip_options, cfg.data.sigma, options.device)


def _fast(
    cfg: Config, model: nn.Module, given: VideosAndPeople, options: Options, name: str
) -> Iterable[PosePrediction]:
    test = cfg.test.model_copy(update={"fast": True, "precision": name})
    fast = cfg.model_copy(update={"test": test})
    return build_predictor(fast, cast(TemporalModel, model), options.device)(
        build_stream(fast, *given)
    )


def _compare_parts(cfg: Config, model: nn.Module, options: Options) -> Table:
    """Measure what bfloat16 does in one part of the backbone alone."""
    given = read_people(cfg, "val")
    rows: list[Row] = []
    for part, pattern in islice(PARTS.items(), 2 if options.smoke else None):
        names = (name for name, _ in model.named_modules())
        parts = [name for name in names if re.fullmatch(rf"backbone\.{pattern}", name)]
        fast = _prepare(cfg, model, torch.bfloat16, parts, options)
        start = clock(options.device)
        off = _heatmap_differences(cfg, model, fast, given, options)
        rows.append(
            {
                "blocks_in_bf16": part,
                "heatmap_off_median": float(np.median(off)),
                "heatmap_off_max": float(off.max()),
                "seconds": clock(options.device) - start,
            }
        )
    return Table("one part of the backbone in bf16, everything else in fp32", rows)


def _in_format(cfg: Config, model: nn.Module, name: str, options: Options) -> nn.Module:
    dtype = torch.float32 if name == "fp32" else torch.bfloat16
    parts = low_precision_parts(model) if name == "bf16_branches" else None
    return _prepare(cfg, model, dtype, parts, options)


def _prepare(
    cfg: Config, model: nn.Module, dtype: torch.dtype, parts: list[str] | None, options: Options
) -> nn.Module:
    num_frames = build_clip_options(cfg, training=False).num_frames
    example = example_clips(num_frames, cfg.data.crop_wh, device=options.device)
    return prepare_for_inference(model, example, dtype, parts)


@torch.inference_mode()
def _heatmap_differences(
    cfg: Config, model: nn.Module, fast: nn.Module, given: VideosAndPeople, options: Options
) -> np.ndarray:
    """Return (P,) largest differences of the heatmaps of each person, over the highest peak."""
    differences: list[Tensor] = []
    for host_batch in build_stream(cfg, *given):
        batch = host_batch.to(options.device)
        frames = batch.network_input()
        expected = model(frames, batch.gaps).float().flatten(1)
        off = (fast(frames, batch.gaps).flatten(1) - expected).abs().amax(1)
        differences.append((off / expected.amax(1)).cpu())
    return torch.cat(differences).numpy()


def _write(folder: Path, given: VideosAndPeople, poses: list[PosePrediction]) -> None:
    folder.mkdir()
    for video in given[0]:
        mine = [pose for pose in poses if pose.person.video == video.name]
        write_predictions(folder / f"{video.name}.json", video.images, mine)


def _distances(first: list[PosePrediction], second: list[PosePrediction]) -> np.ndarray:
    """Return (P * J,) distances in image pixels of the joints of the same people."""
    places = {_key(pose): pose.joints for pose in first}
    return np.concatenate(
        [np.linalg.norm(places[_key(pose)] - pose.joints, axis=1) for pose in second]
    )


def _key(pose: PosePrediction) -> tuple[str, int, bytes]:
    return pose.person.video, pose.person.frame, pose.person.box_xywh.tobytes()
