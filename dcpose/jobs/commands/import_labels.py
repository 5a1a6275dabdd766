"""Turn labels of other tools into a data set that trains.

dcpose import SRC --out DIR [--from deeplabcut|sleap|coco|yolo|label-studio|cvat]

SRC is a DeepLabCut project or table, a SLEAP file, a COCO keypoints file, a folder of YOLO pose, a
JSON of Label Studio, or an XML of CVAT. Writes images/, annotations/, skeleton.yaml, config.yaml,
dcpose.yaml and import.md, which says what was guessed and what was left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.formats.labels.reading import FORMS
from dcpose.jobs.import_labels import import_labels


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("source", type=Path, help="file or folder of labels")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--from", dest="form", choices=FORMS, help="default: told by the content")
    parser.add_argument(
        "--val-share", type=float, default=0.2, help="of the labelled frames (%(default)s)"
    )
    parser.add_argument(
        "--neighbors",
        type=int,
        default=2,
        metavar="N",
        help="frames brought along on each side of a labelled one (%(default)s)",
    )
    return parser.parse_args(argv)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    done = import_labels(args.source, args.out, args.form, args.val_share, args.neighbors)
    for line in done.lines:
        print(line)
    first, second = done.configs
    print(f"\npython tools/train.py --cfg {first}")
    print(
        f"python tools/train.py --cfg {second} "
        "model.backbone.weights=runs/.../checkpoints/best.pt  # of the first"
    )
    return 0
