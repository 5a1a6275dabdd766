"""What smoothing does to the poses of labelled videos: jitter, pixel error and AP.

python scripts/smoothing_table.py --annotations GT_DIR --predictions PRED_DIR --out DIR

PRED_DIR holds people of every frame with ids that last (tools/test.py test.track=true writes them
to OUT/predictions; tools/val.py with boxes of every frame). DIR gets them as they are, smoothed
online (One-Euro) and offline, and the table. Jitter is the mean of |x(t-1) - 2 x(t) + x(t+1)| of a
joint, in percent of the person's size, the root of its box's area.
"""

import argparse
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.evaluation.evaluator import evaluate_folders
from dcpose.evaluation.pixel_result import evaluate_pixels
from dcpose.files.listing import list_folder
from dcpose.files.writing import write_text
from dcpose.formats import fields
from dcpose.formats.posetrack.predictions import write_json
from dcpose.formats.results.video_results import read_results, results_of
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.jobs.smooth_results import DEFAULT_RATE, smooth_file
from dcpose.report.tables import Table
from dcpose.skeleton import POSETRACK
from dcpose.tracking.smoothing import PoseSmoother

MIN_SCORE = 0.2
"""Joints below have no jitter: where they are is a guess."""


def smooth_online(path: Path) -> None:
    """Smooth a file of poses frame by frame, as infer --smooth does."""
    content = fields.read_json(path)
    results = results_of(content, path)
    smoother = PoseSmoother()
    for frame, number in enumerate(results.frame_numbers.tolist()):
        people = results.people_of_frame(frame)
        rows = slice(people.start, people.stop)
        joints = smoother.update(
            number / DEFAULT_RATE,
            results.track_ids[rows],
            results.boxes_xywh[rows],
            results.joints[rows],
        )
        for person, places in zip(people, joints, strict=True):
            entry = content["annotations"][results.rows[person]]
            thirds = np.reshape(entry["keypoints"], (-1, 3))[:, 2:]
            entry["keypoints"] = np.hstack([places, thirds]).ravel().tolist()
    write_json(path, content)


SMOOTHING: dict[str, Callable[[Path], object]] = {
    "none": lambda path: None,
    "online": smooth_online,
    "offline": smooth_file,
}


def jitter(paths: Sequence[Path]) -> float:
    """Return the jitter of the poses of some files, in percent; NaN where nobody stays."""
    found: list[np.ndarray] = [np.zeros(0)]
    for path in paths:
        results = read_results(path)
        frames = results.frame_numbers[results.frame_of]
        for track_id in np.unique(results.track_ids):
            rows = np.flatnonzero(results.track_ids == track_id)
            joints = results.joints[rows]
            size = np.sqrt(results.boxes_xywh[rows, 2] * results.boxes_xywh[rows, 3])
            bend = np.linalg.norm(joints[:-2] - 2 * joints[1:-1] + joints[2:], axis=-1)
            steps = frames[rows]
            in_a_row = (steps[2:] - steps[:-2] == 2)[:, None]
            sure = results.joint_scores[rows] >= MIN_SCORE
            counted = in_a_row & sure[:-2] & sure[1:-1] & sure[2:]
            found.append((100 * bend / size[1:-1, None])[counted])
    values = np.concatenate(found)
    return float(values.mean()) if len(values) else math.nan


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="ground truth")
    parser.add_argument("--predictions", type=Path, required=True, help="poses of every frame")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--skeleton", type=Path, help="YAML of another joint set")
    return parser.parse_args(argv)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    skeleton = POSETRACK if args.skeleton is None else read_skeleton(args.skeleton)
    if args.out.exists():
        raise ValueError(f"{args.out}: is there already; choose a new folder")
    if not (files := list_folder(args.predictions, ".json")):
        raise ValueError(f"{args.predictions}: no .json files, expected poses by video")
    rows = []
    for name, smooth in SMOOTHING.items():
        folder = args.out / name
        folder.mkdir(parents=True)
        copies = [Path(shutil.copy(file, folder)) for file in files]
        for copy in copies:
            smooth(copy)
        pixels = evaluate_pixels(args.annotations, folder, skeleton)
        ap = evaluate_folders(args.annotations, folder, skeleton).total
        values = [jitter(copies), pixels.mean_error, pixels.columns["PCK@0.05"], ap]
        rows.append([name, *(f"{value:.2f}" for value in values)])
    table = Table(("smoothing", "jitter %", "mean px", "PCK@0.05", "AP"), rows)
    write_text(args.out / "table.md", f"{table.markdown()}\n")
    print(table.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
