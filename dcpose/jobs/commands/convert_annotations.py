r"""Convert annotations, predictions and detections between the forms of PoseTrack and COCO.

dcpose convert-annotations --to posetrack17 ANNOTATIONS_DIR OUT_DIR
dcpose convert-annotations --what predictions --to posetrack18 PREDICTIONS_DIR OUT_DIR
dcpose convert-annotations --what predictions --to coco PREDICTIONS_DIR OUT.json
dcpose convert-annotations --what detections --to coco|image_names --annotations DIR \
    DETECTIONS.json OUT.json

Says what the other form has no place for, and how often it was there.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.formats.coco_results import coco_results
from dcpose.formats.detections import DetectionKey, rekey_detections
from dcpose.formats.fields import read_object
from dcpose.formats.posetrack.convert import convert_folder, describe_omissions
from dcpose.formats.posetrack.folders import json_files
from dcpose.formats.posetrack.predictions import parse_poses, write_json
from dcpose.formats.posetrack.records import read_annotations

TARGETS = {
    "annotations": ("posetrack17", "posetrack18"),
    "predictions": ("posetrack17", "posetrack18", "coco"),
    "detections": ("coco", "image_names"),
}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; combinations that make no sense end here."""
    parser = documented_parser(__doc__)
    parser.add_argument("--what", choices=tuple(TARGETS), default="annotations")
    parser.add_argument(
        "--to",
        choices=("posetrack17", "posetrack18", "coco", "image_names"),
        required=True,
        help="coco: results, keyed by image_id; image_names: the released DCPose boxes' layout",
    )
    parser.add_argument("--annotations", type=Path, help="for detections: what knows the images")
    parser.add_argument(
        "--joint-score",
        choices=("heatmap_times_box", "heatmap"),
        default="heatmap_times_box",
        help="what joint scores of predictions are, for coco (test.joint_score of the run)",
    )
    parser.add_argument("source", type=Path, help="folder of per-video JSON, or detections file")
    parser.add_argument("out", type=Path, help="folder or file to write")
    args = parser.parse_args(argv)
    if args.to not in TARGETS[args.what]:
        parser.error(f"--what {args.what} goes with --to {' or '.join(TARGETS[args.what])}")
    if (args.what == "detections") != (args.annotations is not None):
        parser.error("--annotations DIR is needed with --what detections, and only there")
    return args


def predictions_to_coco(args: argparse.Namespace) -> Counter[str]:
    """Write one COCO results file from a folder of predictions."""
    results, omissions = [], Counter[str]()
    for source in json_files(args.source):
        content = read_object(source)
        parse_poses(content, source, "predictions")
        people, left_out = coco_results(content, source, args.joint_score)
        results += people
        omissions += left_out
    write_json(args.out, results)
    return omissions


def detections_by_other_key(args: argparse.Namespace) -> Counter[str]:
    """Write detections keyed by image id or by image name."""
    videos = read_annotations(args.annotations, Path())
    key: DetectionKey = "image_id" if args.to == "coco" else "image_name"
    entries, skipped = rekey_detections(args.source, videos, key)
    write_json(args.out, entries)
    return skipped


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if args.what == "detections":
        omissions = detections_by_other_key(args)
    elif args.to == "coco":
        omissions = predictions_to_coco(args)
    else:
        omissions = convert_folder(args.source, args.out, args.to, args.what)
    print(f"{args.out}: {describe_omissions(omissions)}")
    return 0
