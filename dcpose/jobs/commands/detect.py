"""Find the people of a split of a config, or of a folder of images, with a torchvision detector.

dcpose detect --cfg CFG --split val --out datasets/posetrack18/detections/val.json
dcpose detect --images FOLDER --out boxes.json [--weights FILE]

Writes COCO results (or, for a folder, entries with image names), which `data.val_detections` and
`data.test_detections` take as they are, and the settings beside them, in `<name>.meta.json`. An
interrupted run is continued by the same command.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from dcpose.build.data import read_videos
from dcpose.cli import add_device, documented_parser, reports_user_errors
from dcpose.config.data import Split
from dcpose.config.loading import load_config
from dcpose.data.frame_file import SUFFIXES
from dcpose.data.frames import read_ahead
from dcpose.detection.torchvision import DETECTORS, build_detector, detect_people
from dcpose.engine.devices import choose_device
from dcpose.engine.run.progress import set_up_logging, with_progress
from dcpose.files.listing import list_tree
from dcpose.formats.partial_detections import Key, PartialDetections


@dataclass(frozen=True)
class Images:
    """What to look at.

    Attributes:
        source: what the settings call it.
        key_name: "image_id" or "image_name".
        paths: files by the key that their boxes get.
    """

    source: str
    key_name: str
    paths: dict[Key, Path]


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--cfg", help="config whose --split is searched")
    where.add_argument("--images", type=Path, help="folder of frames, with its folders")
    parser.add_argument("--split", choices=("train", "val", "test"), default="val")
    parser.add_argument("--out", type=Path, required=True, help="detections file, <name>.json")
    parser.add_argument("--model", choices=DETECTORS, default=DETECTORS[0])
    parser.add_argument(
        "--weights", type=Path, help="state dict of the model (default: torchvision's download)"
    )
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.05,
        help="boxes below are not written; data.min_box_score selects later (default %(default)s)",
    )
    parser.add_argument(
        "--nms", type=float, default=0.5, help="IoU over which a box is a duplicate (%(default)s)"
    )
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4, help="threads that decode images")
    add_device(parser)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    args = parser.parse_intermixed_args(argv)
    if not (0 <= args.min_score < 1 and 0 < args.nms <= 1):
        parser.error("--min-score must be in [0, 1) and --nms in (0, 1]")
    if min(args.batch_size, args.workers) < 1:
        parser.error("--batch-size and --workers must be at least 1")
    if args.images is not None and args.overrides:
        parser.error("overrides go with --cfg")
    return args


def images_of_split(config: str, overrides: Sequence[str], split: Split) -> Images:
    """Return the images that the annotation files of a split list."""
    paths: dict[Key, Path] = {}
    for video in read_videos(load_config(config, overrides), split):
        for image, number in zip(video.images, video.frame_numbers, strict=True):
            if image["id"] in paths:
                raise ValueError(f"{video.source}: image id {image['id']} is used by two videos")
            paths[image["id"]] = video.frame_path(number)
    return Images(f"{split} of {config}", "image_id", paths)


def images_of_folder(folder: Path) -> Images:
    """Return the frames of a folder and the folders in it, by name relative to it."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files = [path for path in list_tree(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise ValueError(f"{folder}: holds no JPEG or PNG ({', '.join(SUFFIXES)})")
    paths: dict[Key, Path] = {path.relative_to(folder).as_posix(): path for path in files}
    return Images(str(folder), "image_name", paths)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    set_up_logging()
    if args.images is not None:
        images = images_of_folder(args.images)
    else:
        images = images_of_split(args.cfg, args.overrides, args.split)
    detector, weights = build_detector(args.model, args.weights, args.min_score, args.nms)
    settings = {
        "source": images.source,
        "detector": args.model,
        "weights": weights,
        "min_score": args.min_score,
        "nms_iou": args.nms,
    }
    device = choose_device(args.device)
    with PartialDetections(args.out, settings) as partial:
        todo = {key: path for key, path in images.paths.items() if key not in partial.done}
        if len(todo) < len(images.paths):
            print(f"continuing: {len(images.paths) - len(todo)} images are done")
        frames = read_ahead(list(todo.values()), args.workers, ahead=2 * args.batch_size)
        found = detect_people(detector.to(device), frames, args.batch_size, device)
        for key, people in zip(todo, with_progress(found, "detect", len(todo)), strict=True):
            partial.add(key, *people)
        facts = {"torch": torch.__version__, "torchvision": metadata.version("torchvision")}
        count = partial.finish(list(images.paths), images.key_name, facts)
    print(f"{args.out}: {count} people in {len(images.paths)} images")
    return 0
