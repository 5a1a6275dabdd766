"""Find the poses in a video: python tools/infer.py VIDEO [--weights W] [--draw] [overrides].

Writes <name>.json (PoseTrack 2018 form) and, unless --json is given alone, <name>.mp4 with the
poses drawn.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import reports_user_errors
from dcpose.engine.faults.interruption import Interrupted
from dcpose.engine.run.progress import set_up_logging
from dcpose.estimator.boxes_file import read_boxes
from dcpose.estimator.estimator import PoseEstimator
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.files.reading import named_path
from dcpose.jobs.infer import draw_result, infer
from dcpose.video.camera import Camera
from dcpose.video.opening import DEFAULT_IMAGE_RATE, open_source

BOXES = "boxes:"
FRAMES_AT_ONCE = 8
"""Of files, frames whose people go through the network together; cameras go frame by frame."""
NO_WEIGHTS = (
    "--weights is missing: --cfg alone names no weights; give a checkpoint of a training "
    "(runs/.../checkpoints/best.pt), or released weights; without --cfg and --weights, the model "
    "that comes with the package is used"
)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "source", help="video file, folder of images, pattern such as 'frames/*.png', or camera: 0"
    )
    parser.add_argument(
        "--weights",
        help="our own checkpoint, or released weights (default: the packaged model)",
    )
    parser.add_argument("--cfg", help="config (default: what the weights tell)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda if there is one")
    people = parser.add_argument_group("people")
    people.add_argument(
        "--detector",
        help="torchvision (Faster R-CNN v2; default where its weights are on the disk), hog "
        "(default elsewhere), whole-frame, or boxes:FILE",
    )
    people.add_argument("--detector-weights", type=Path, help="default: torchvision's download")
    people.add_argument(
        "--min-score",
        type=float,
        help="boxes below are left out (default 0.5; of a boxes file, data.min_box_score)",
    )
    people.add_argument(
        "--detect-every", type=int, default=1, metavar="K", help="the tracker carries boxes between"
    )
    people.add_argument("--track", action="store_true", help="give people ids that last")
    people.add_argument("--smooth", action="store_true", help="steady the joints; gives ids, too")
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, default=Path("runs/infer"), help="folder (%(default)s)")
    output.add_argument("--draw", action="store_true", help="write both files (as without --json)")
    output.add_argument("--json", action="store_true", help="write no video")
    output.add_argument("--rate", default=DEFAULT_IMAGE_RATE, help="of images, fps")
    output.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    return parser.parse_intermixed_args(argv)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    if args.weights is None and args.cfg is not None and not args.cfg.endswith(".json"):
        raise ValueError(NO_WEIGHTS)
    set_up_logging()
    source = open_source(args.source, args.rate)
    from_file = args.detector is not None and args.detector.startswith(BOXES)
    stopwatch = Stopwatch()
    estimator = PoseEstimator(
        args.cfg,
        args.weights,
        args.device or "auto",
        "whole-frame" if from_file else args.detector,
        overrides=args.overrides,
        min_box_score=0.5 if args.min_score is None else args.min_score,
        detector_weights=args.detector_weights,
        stopwatch=stopwatch,
    )
    data, test = estimator.config.data, estimator.config.test
    boxes = None
    if from_file:
        min_score = data.min_box_score if args.min_score is None else args.min_score
        boxes = read_boxes(named_path(args.detector.removeprefix(BOXES)), source, min_score)
    one_by_one = isinstance(source, Camera) or args.detect_every > 1
    results = estimator.video(
        source,
        boxes,
        track=args.track,
        smooth=args.smooth,
        detect_every=args.detect_every,
        frames_at_once=1 if one_by_one else FRAMES_AT_ONCE,
    )
    outcome = infer(
        source,
        results,
        args.out,
        estimator.skeleton,
        test.joint_score,
        draw=None if args.json and not args.draw else draw_result,
        stopwatch=stopwatch,
    )
    print(outcome.line(source.name))
    if args.profile:
        print(stopwatch.report())
    for path in outcome.files:
        print(path)
    if isinstance(outcome.stopped_by, Interrupted):
        return outcome.stopped_by.exit_code
    if outcome.stopped_by is not None:
        raise outcome.stopped_by
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
