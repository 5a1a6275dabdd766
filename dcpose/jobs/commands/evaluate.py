"""Measure PoseTrack AP of predictions files against annotation files (no torch needed).

dcpose evaluate --annotations GT_DIR --predictions PRED_DIR [--json OUT] [--mota]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcpose.cli import reports_user_errors
from dcpose.evaluation.evaluator import APResult, evaluate_folders
from dcpose.evaluation.mota import evaluate_tracks
from dcpose.files.writing import write_text
from dcpose.report.results import subset_table, tracks_text
from dcpose.report.tables import row_of
from dcpose.skeleton import POSETRACK, Skeleton

TOLERANCE = 1e-9  # percent; differences up to here are rounding


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="PoseTrack AP, in percent, as poseval computes it")
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        help="folder with one ground-truth JSON per video",
    )
    parser.add_argument(
        "--predictions", type=Path, required=True, help="folder with one file of the same name each"
    )
    parser.add_argument(
        "--skeleton", type=Path, help="YAML of another joint set, see configs/skeletons/"
    )
    parser.add_argument(
        "--subsets",
        action="store_true",
        help="also measure the subsets that annotated people are labelled with (`conditions`)",
    )
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument(
        "--mota",
        action="store_true",
        help="also measure the tracks: PoseTrack MOTA, IDF1, HOTA (needs the package motmetrics)",
    )
    parser.add_argument(
        "--with-poseval",
        action="store_true",
        help="also run the official poseval package, where installed, and report any difference",
    )
    return parser.parse_args(argv)


def load_skeleton(path: Path) -> Skeleton:
    """Read a skeleton file; without one the script works where PyYAML is not installed."""
    from dcpose.formats.skeleton_yaml import read_skeleton

    return read_skeleton(path)


def run_poseval(annotations: Path, predictions: Path) -> np.ndarray:
    """Return the (3, 15) AP, precision and recall of the official package.

    Raises:
        ValueError: if the package is not installed or stops.
    """
    try:
        from poseval import eval_helpers
        from poseval.evaluateAP import evaluateAP
    except ImportError as error:
        raise ValueError(
            f"--with-poseval: the package poseval cannot be imported ({error}); install it with "
            "pip install git+https://github.com/svenkreiss/poseval.git, or leave the option out"
        ) from None
    # poseval joins folder and file name as strings, and prints its progress
    folders = ["", f"{annotations}/", f"{predictions}/"]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            frames = eval_helpers.load_data_dir(folders)
            results = evaluateAP(*frames, None, False, False)
    except Exception as error:  # it raises bare Exception, AssertionError, KeyError, ...
        text = " ".join(str(error).split())
        raise ValueError(f"poseval stopped: {type(error).__name__}: {text}") from None
    num_joints = len(POSETRACK.evaluation_joints)
    return np.array([np.ravel(result)[:num_joints] for result in results], dtype=float)


def compare_with_poseval(ours: APResult, official: np.ndarray) -> str:
    """Return one line per number that differs by more than rounding, or a line that none does."""
    lines = []
    for name, our_row, official_row in zip(
        ("ap", "precision", "recall"), (ours.ap, ours.precision, ours.recall), official, strict=True
    ):
        same = np.isclose(our_row, official_row, rtol=0, atol=TOLERANCE, equal_nan=True)
        lines += [
            f"poseval differs: {name} of {POSETRACK.evaluation_names[j]}: ours {our_row[j]:.6f}, "
            f"poseval {official_row[j]:.6f}"
            for j in np.flatnonzero(~same)
        ]
    if not lines:
        return "poseval agrees: AP, precision and recall of all joints"
    return "\n".join(
        [*lines, "equal scores are a known cause: poseval ranks them in no fixed order"]
    )


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0, or 2 after one line on stderr that says what is wrong."""
    arguments = parse_arguments(argv)
    logging.basicConfig(format="warning: %(message)s", level=logging.WARNING)
    skeleton = POSETRACK if arguments.skeleton is None else load_skeleton(arguments.skeleton)
    if arguments.with_poseval and skeleton.evaluation_names != POSETRACK.evaluation_names:
        raise ValueError("--with-poseval: poseval knows PoseTrack's joints only; leave it out")
    folders = arguments.annotations, arguments.predictions
    result = evaluate_folders(*folders, skeleton, by_condition=arguments.subsets)
    print(row_of(result.columns).text())
    print(f"{result.num_videos} videos, {result.num_frames} frames with annotated people")
    if arguments.subsets:
        nothing = "nobody is labelled: no subsets"
        print(subset_table(result.subsets).text() if result.subsets else nothing)
    numbers = result.to_json_dict()
    if arguments.mota:
        tracks = evaluate_tracks(*folders, skeleton)
        print(f"MOTA\n{tracks_text(tracks)}")
        numbers["tracks"] = tracks.to_json_dict()
    if arguments.json:
        text = json.dumps(numbers, indent=1, allow_nan=False)
        write_text(arguments.json, text + "\n")
    if arguments.with_poseval:
        official = run_poseval(arguments.annotations, arguments.predictions)
        print(compare_with_poseval(result, official))
    return 0
