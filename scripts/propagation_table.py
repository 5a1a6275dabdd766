"""What labels on neighbours are worth where few frames are labelled.

python scripts/propagation_table.py --cfg CFG --out DIR [--resume] [data.root=... ...]

Keeps the labels of every K-th frame of the train split, trains the config on them, gives the frames
around them labels with the trained model (scripts/propagate_labels.py), and trains on both. All
trainings have about as many steps as one on all labels. DIR gets labels, runs and table.md; with
--resume its finished rows stay, and a training that was stopped goes on.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from dcpose.build.data import data_root, read_train_sets, read_videos
from dcpose.build.runtime import build_network
from dcpose.cli import config_parser, reports_user_errors
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.engine.devices import choose_device
from dcpose.files.writing import write_text
from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.posetrack.records import training_people
from dcpose.jobs.propagate import propagate
from dcpose.jobs.train import train
from dcpose.jobs.validate import validate
from dcpose.report.tables import Table

WEIGHT = 0.5
"""Of propagated labels in the loss."""
TITLES = ("labelled frames", "people", "propagated", "precision", "recall", "labels", "with")


def thin(cfg: Config, every: int, out: Path) -> int:
    """Write the train split with the people of every K-th frame alone; return how many there are.

    Args:
        cfg: whose train split, one file per video.
        every: K.
        out: folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for video in read_videos(cfg, "train"):
        frames = dict(zip((i["id"] for i in video.images), video.frame_numbers, strict=True))
        content = json.loads(video.source.read_text(encoding="utf-8"))
        kept = [p for p in content["annotations"] if frames[p["image_id"]] % every == 0]
        write_json(out / video.source.name, {**content, "annotations": kept})
        count += len(kept)
    return count


def trained(cfg_of: "Configs", device: torch.device, out: Path, *keys: str) -> tuple[Config, float]:
    """Train a config with such keys, as long as one on all labels; return it and what it gives."""
    cfg = cfg_of(*keys)
    if cfg.data.sets is None:
        videos = read_videos(cfg, "train")
    else:
        videos = [video for _, of_set in read_train_sets(cfg) for video in of_set]
    longer = cfg_of.num_people / max(1, len(training_people(videos)))
    epochs = max(1, round(cfg.train.epochs * longer))
    milestones = sorted({max(1, round(longer * epoch)) for epoch in cfg.optim.milestones})
    length = f"train.epochs={epochs}", f"optim.milestones={milestones}"
    keys = (*keys, *length, "train.validate_every=null")
    if cfg.train.cache_encodings is not None:
        # those of one training are of no use to another, which has other people
        keys = (*keys, f"train.cache_encodings={Path(cfg.train.cache_encodings) / out.name}")
    cfg = cfg_of(*keys)
    train(cfg, device, out, resume=True)
    found = validate(cfg, device, str(out / "checkpoints" / "last.pt"), out)
    return cfg, float("nan") if found is None else found[0].total


class Configs:
    """A config with more and more keys.

    Args:
        path: of the config.
        overrides: for all.
    """

    def __init__(self, path: str, overrides: Sequence[str]) -> None:
        self._path = path
        self._overrides = overrides
        self.num_people = len(training_people(read_videos(self(), "train")))

    def __call__(self, *keys: str) -> Config:
        """Return it with some keys."""
        return load_config(self._path, [*self._overrides, *keys])


def row(
    cfg_of: Configs,
    device: torch.device,
    out: Path,
    every: int,
    reach: int,
    precision: float,
    min_score: float | None,
) -> list[str]:
    """Return the row of the table for labels in every K-th frame; keep it, or take what is kept."""
    kept = out / f"row_{every}.json"
    if kept.exists():
        return list(map(str, json.loads(kept.read_text(encoding="utf-8"))))
    labels = (out / f"labels_{every}").resolve()
    people = thin(cfg_of(), every, labels)
    of_labels = f"data.train_annotations={labels}"
    cfg, alone = trained(cfg_of, device, out / f"run_{every}", of_labels)
    start = [f"1/{every}", str(people)]
    if every == 1:
        return _keep(kept, [*start, "", "", "", f"{alone:.1f}", ""])
    network = build_network(cfg, str(out / f"run_{every}" / "checkpoints" / "last.pt"), device)
    extra = (out / f"propagated_{every}").resolve()
    shutil.rmtree(extra, ignore_errors=True)
    done = propagate(cfg, network, device, extra, reach, precision, min_score)
    root, name = data_root(cfg), cfg.data.skeleton
    skeleton = "" if name is None else f", skeleton: {name}"
    sets = (
        f"data.sets=[{{root: {root}, annotations: {labels}{skeleton}}}, "
        f"{{root: {root}, annotations: {extra}, weight: {WEIGHT}{skeleton}}}]"
    )
    drawn_anew = (  # as data.sets asks
        "data.group_frames=0",
        "data.draws=null",
        "train.cache_encodings=null",
    )
    _, both = trained(cfg_of, device, out / f"run_{every}_both", of_labels, sets, *drawn_anew)
    worth = done.threshold
    measured = [f"{100 * worth.precision:.1f} %", f"{100 * worth.recall:.1f} %"]
    cells = [*start, str(done.num_people), *measured, f"{alone:.1f}", f"{both:.1f}"]
    return _keep(kept, cells)


def _keep(path: Path, cells: list[str]) -> list[str]:
    write_text(path, json.dumps(cells) + "\n")
    return cells


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser("What labels on neighbours are worth where few frames are labelled.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--every", type=int, action="append", metavar="K", help="default 1, 4, 10")
    parser.add_argument("--reach", type=int, default=2, help="frames from a label (%(default)s)")
    parser.add_argument(
        "--precision", type=float, default=0.9, help="share of right joints (%(default)s)"
    )
    parser.add_argument("--min-score", type=float, help="take joints from this score on")
    parser.add_argument("--resume", action="store_true", help="go on with what is in --out")
    args = parser.parse_intermixed_args(argv)
    if args.out.exists() and not args.resume:
        raise ValueError(f"{args.out}: is there already; give --resume, or choose a new folder")
    device = choose_device(args.device)
    cfg_of = Configs(args.cfg, args.overrides)
    rows = [
        row(cfg_of, device, args.out, every, args.reach, args.precision, args.min_score)
        for every in args.every or (1, 4, 10)
    ]
    table = Table(TITLES, rows)
    write_text(args.out / "table.md", f"{table.markdown()}\n")
    print(table.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
