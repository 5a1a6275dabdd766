"""Compare methods on one frozen backbone, at a size where a CPU trains a row in about a minute.

python scripts/evidence.py --list
python scripts/evidence.py dcpose_hrnet_tuned --seeds 0
python scripts/evidence.py --seeds 0 1 2 --probe --table docs/benchmarks/evidence_cpu

Frames around every person are encoded once and kept (scripts/benchmarks/kept_windows.py); a row
trains its head on them, and is measured on those of the val split. What is done is not repeated.
KEY=VALUE overrides hold for all rows named; give such trials an --out of their own.
docs/benchmarks/evidence_cpu.md says how the data and the two backbones are made.
"""

import functools
import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor

from benchmarks.evidence_costs import measure_costs
from benchmarks.evidence_rows import ROWS
from benchmarks.evidence_table import write_tables
from benchmarks.kept_windows import (
    Decoder,
    Neighbors,
    WindowClips,
    Windows,
    batches_to_predict,
    training_windows,
    val_windows,
)
from dcpose.build.data import annotations_path, build_clip_options, build_skeleton, read_videos
from dcpose.build.datasets import DATASETS
from dcpose.build.model import build_model_to_train
from dcpose.build.training import build_target_encoder, build_train_settings, build_training_state
from dcpose.cli import documented_parser, reports_user_errors
from dcpose.config.loading import config_to_dict
from dcpose.config.schema import Config
from dcpose.data.loader import EpochBatches, make_train_loader
from dcpose.engine.encodings import TrainingSource
from dcpose.engine.run.folder import Run, describe_environment
from dcpose.engine.run.progress import set_up_logging
from dcpose.engine.run.randomness import seed_everything
from dcpose.engine.trainer import Trainer
from dcpose.evaluation.evaluator import APResult, none_if_nan
from dcpose.files.writing import write_text
from dcpose.formats.posetrack.predictions import write_predictions
from dcpose.geometry import cell_wh
from dcpose.heatmap import DECODERS, heatmap_to_image
from dcpose.losses import JointsMSELoss
from dcpose.models.interface import Encoding, TemporalModel
from dcpose.report.probe import read_joints, share_moved
from dcpose.structures import ClipBatch, PosePrediction

CPU = torch.device("cpu")

_log = logging.getLogger("dcpose")


class MeanOfHeatmaps:
    """The baseline that learns nothing: heatmaps of the frames, averaged."""

    encodes: Encoding = "heatmaps"
    used = slice(None)

    def decode(self, encoded: Tensor, gaps: Tensor) -> Tensor:
        """Return (B, J, h, w) of (B, F, J, h, w); gaps are not looked at."""
        return encoded.mean(dim=1)


@functools.cache
def kept_splits(backbone: str, folder: Path) -> tuple[Windows, Windows]:
    """Return the encoded people of train and val, made by a backbone; what is kept is read."""
    weights = ROWS[f"dcpose_{backbone}_tuned"].load(0).model.backbone.weights
    cfg = ROWS[f"single_frame_{backbone}"].load(0, (f"model.backbone.weights={weights}",))
    network = build_model_to_train(cfg).backbone
    train = training_windows(cfg, network, folder / backbone / "train")
    return train, val_windows(cfg, network, folder / backbone / "val")


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW|KEY=VALUE", help="default: all rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/evidence"), help="default: %(default)s"
    )
    parser.add_argument(
        "--windows",
        type=Path,
        default=Path("runs/evidence/windows"),
        help="folder of what the backbones encode; default: %(default)s",
    )
    parser.add_argument("--probe", action="store_true", help="also with neighbours that are wrong")
    parser.add_argument("--costs", action="store_true", help="also measure time and operations")
    parser.add_argument("--table", type=Path, help="write NAME_tables.md and NAME.json")
    parser.add_argument("--list", action="store_true", help="list the rows and stop")
    args = parser.parse_intermixed_args(argv)
    names = [word for word in args.rows if "=" not in word] or list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        raise ValueError(f"no row is called {unknown[0]}; --list shows all")
    if args.list:
        for name in names:
            print(f"{name:32} {ROWS[name].title}")
        return 0
    overrides = tuple(word for word in args.rows if "=" in word)
    wanted: tuple[Neighbors, ...] = get_args(Neighbors) if args.probe else ("as_is",)
    for seed in args.seeds:
        for name in names:
            run(name, ROWS[name].load(seed, overrides), args.out, args.windows, wanted)
    if args.costs:
        write_text(args.out / "costs.json", json.dumps(measure_costs(names)) + "\n")
    if args.table:
        write_tables(args.out, args.table)
    return 0


def run(name: str, cfg: Config, out: Path, windows: Path, wanted: Sequence[Neighbors]) -> None:
    """Train and measure a row, where that is not done yet."""
    row, folder = ROWS[name], out / name / f"seed{cfg.seed}"
    missing = [kind for kind in wanted if not (folder / f"{kind}.json").exists()]
    if not missing:
        return
    set_up_logging()
    train, val = kept_splits(cfg.model.backbone.name, windows)
    options = build_clip_options(cfg, training=False)
    model: Decoder = MeanOfHeatmaps()
    if row.averaged is None:
        model = trained(cfg, folder, train)
    else:
        reach = row.averaged // 2
        options = replace(options, frames=tuple(range(-reach, reach + 1)))
    for kind in missing:
        result = measured(cfg, batches_to_predict(val, options, model, kind), model, folder, kind)
        write_text(folder / f"{kind}.json", json.dumps(result) + "\n")
        _log.info(
            "%s seed %d, neighbours %s: AP %.2f", name, cfg.seed, kind, result["groups"]["Total"]
        )


def trained(cfg: Config, folder: Path, windows: Windows) -> TemporalModel:
    """Return a model that is trained on windows; what stopped goes on."""
    model = build_model_to_train(cfg)
    last = folder / "checkpoints" / "last.pt"
    run = Run(folder, config_to_dict(cfg))
    set_up_logging(run.train_log)
    seed_everything(cfg.seed)
    clips = WindowClips(windows, build_clip_options(cfg, training=True), model, cfg.seed)
    loader = make_train_loader(
        clips,  # type: ignore[arg-type]  # same length and keys
        batch_size=cfg.train.batch_size,
        workers=0,
        seed=cfg.seed,
    )
    trainer = Trainer(
        state=build_training_state(cfg, model),
        loss=JointsMSELoss(),
        encode_targets=build_target_encoder(cfg, model.stride),
        source=TrainingSource(lambda epoch, skip: EpochBatches(loader, epoch, skip)),
        validate=lambda model: {"AP": math.nan},  # the last weights are measured, not the best
        run=run,
        settings=build_train_settings(cfg, CPU),
    )
    if last.exists():
        trainer.resume(last)
    else:
        run.describe(describe_environment(CPU))
    trainer.fit()
    return cast(TemporalModel, trainer.state.model_to_use.eval())


@torch.inference_mode()
def measured(
    cfg: Config, batches: Iterable[ClipBatch], model: Decoder, folder: Path, kind: Neighbors
) -> dict[str, Any]:
    """Return AP of all people and of subsets, and the share of joints that wrong frames move.

    Predictions go to `folder`.
    """
    predictions = folder / "predictions" / kind
    poses: dict[str, list[PosePrediction]] = {}
    for batch in batches:
        heatmaps = model.decode(cast(Tensor, batch.encoded).float(), batch.gaps)
        joints, scores = DECODERS[cfg.test.decoding](heatmaps)
        heatmap_wh = (heatmaps.shape[-1], heatmaps.shape[-2])
        cell = cell_wh(cfg.data.crop_wh, heatmap_wh, cfg.data.affine)
        joints = heatmap_to_image(joints, batch.crop_to_image, cell)
        for row, person in enumerate(batch.people):
            pose = PosePrediction(person, joints[row].numpy(), scores[row].double().numpy())
            poses.setdefault(person.video, []).append(pose)
    predictions.mkdir(parents=True, exist_ok=True)
    skeleton = build_skeleton(cfg)
    for video in read_videos(cfg, "val"):
        path = predictions / f"{video.name}.json"
        write_predictions(path, video.images, poses.get(video.name, []), skeleton)
    evaluate = DATASETS[cfg.data.layout].evaluate
    result = cast(
        APResult,
        evaluate(annotations_path(cfg, "val"), predictions, cfg.test.joint_score, skeleton),
    )
    moved = share_moved(read_joints(predictions.parent / "as_is"), read_joints(predictions))
    return {
        "groups": {name: none_if_nan(value) for name, value in result.groups.items()},
        "subsets": {
            name: {"AP": none_if_nan(part.total), "people": part.num_people}
            for name, part in result.subsets.items()
        },
        "people": result.num_people,
        "moved": moved,
    }


if __name__ == "__main__":
    raise SystemExit(main())
