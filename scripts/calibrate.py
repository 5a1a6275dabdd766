"""Find out what joint scores are worth: from scores to probabilities, on labelled data.

python scripts/calibrate.py --annotations DIR --predictions DIR --out calibration.json [--card CARD]

Fits on every second video (with one video, on the first half of its frames), says the calibration
error (ECE) on the others before and after, and writes a fit to all of them. `dcpose infer
--calibration calibration.json` then gives joints a probability. --card puts it into the card that
scripts/convert_weights.py wrote, whose poses have probabilities without being asked.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.evaluation.calibration import (
    calibration_error,
    fit,
    reliability,
    scored_joints,
)
from dcpose.evaluation.joint_errors import joint_errors
from dcpose.files.writing import write_text
from dcpose.formats import fields
from dcpose.formats.posetrack.predictions import read_pairs
from dcpose.formats.posetrack.video_poses import VideoPoses
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import POSETRACK, Skeleton

Pairs = list[tuple[VideoPoses, VideoPoses]]


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="ground truth of val")
    parser.add_argument("--predictions", type=Path, required=True, help="predictions of val")
    parser.add_argument("--skeleton", type=Path, help="YAML of another joint set")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--card", type=Path, help="card of weights that gets the calibration, too")
    return parser.parse_args(argv)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    skeleton = POSETRACK if args.skeleton is None else read_skeleton(args.skeleton)
    videos = list(read_pairs(args.annotations, args.predictions, skeleton))
    halves = _halves(videos)
    scores, right, limit = _scored(halves[0], skeleton)
    half = fit(scores, right, limit)
    held_scores, held_right, _ = _scored(halves[1], skeleton)
    before = calibration_error(np.clip(held_scores, 0, 1), held_right)
    after = calibration_error(half(held_scores), held_right)
    print(f"fitted to {len(scores)} joints, held out {len(held_scores)}; right is within {limit}")
    print(
        f"calibration error (ECE) on the held-out half: scores {before:.3f}, calibrated {after:.3f}"
    )
    print(_picture(half(held_scores), held_right))
    whole = fit(*_scored(videos, skeleton))
    content = {
        **whole.to_json_dict(),
        "held_out": {"joints": len(held_scores), "ece_before": before, "ece_after": after},
    }
    write_text(args.out, json.dumps(content, indent=2) + "\n")
    print(args.out)
    if args.card is not None:
        card = fields.read_json(args.card)
        if not isinstance(card, dict):
            raise ValueError(f"{args.card}: expected a card, a JSON object")
        write_text(args.card, json.dumps({**card, "calibration": content}, indent=2) + "\n")
        print(args.card)
    return 0


def _scored(videos: Pairs, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, str]:
    return scored_joints(joint_errors(videos, skeleton))


def _halves(videos: Pairs) -> tuple[Pairs, Pairs]:
    """Return every second video and the others; of one video, the first half of its frames."""
    if len(videos) > 1:
        return videos[::2], videos[1::2]
    halves: tuple[Pairs, Pairs] = ([], [])
    for annotated, predicted in videos:
        middle = annotated.num_frames // 2
        for half, late in zip(halves, (False, True), strict=True):
            sides = (
                poses.keep((poses.frame_of >= middle) == late) for poses in (annotated, predicted)
            )
            half.append((next(sides), next(sides)))
    return halves


def _picture(probabilities: np.ndarray, right: np.ndarray) -> str:
    """Return the reliability of the bins as text: a bar is the share that is right."""
    lines = ["probability  right  joints"]
    for mean, share, count in reliability(probabilities, right).tolist():
        if count:
            bar = "#" * round(40 * share)
            lines.append(f"{mean:11.2f} {share:6.2f} {int(count):7d}  {bar}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
