"""Find the poses in a video: dcpose infer VIDEO [--weights W] [--draw] [overrides].

Writes <name>.json (PoseTrack 2018 form), unless --json is given alone <name>.mp4 with the poses
drawn, with --format the poses in other forms, and with --html a page that plays the video with its
poses, scores and people.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from dcpose.cli import WEIGHTS_HELP, add_device, documented_parser, reports_user_errors
from dcpose.engine.faults.interruption import Interrupted
from dcpose.engine.run.progress import set_up_logging
from dcpose.estimator.boxes_file import read_boxes
from dcpose.estimator.estimator import PoseEstimator
from dcpose.estimator.frame_result import FrameResult
from dcpose.estimator.stopwatch import Stopwatch
from dcpose.evaluation.calibration import read_calibration
from dcpose.files.reading import named_path
from dcpose.formats.results.writing import RESULT_FORMS, check_form, write_results_as
from dcpose.jobs.draw_results import draw_results
from dcpose.jobs.infer import Outcome, infer
from dcpose.jobs.smooth_results import smooth_file
from dcpose.video.camera import Camera
from dcpose.video.keep_up import KeepUp
from dcpose.video.opening import DEFAULT_IMAGE_RATE, open_source
from dcpose.video.remote import RemoteVideo
from dcpose.video.source import FrameSource

BOXES = "boxes:"
SMOOTHING = ("online", "offline")
FRAMES_AT_ONCE = 8
"""Of files, frames whose people go through the network together; cameras go frame by frame."""
NO_WEIGHTS = (
    "--weights is missing: --cfg alone names no weights; give a checkpoint of a training "
    "(runs/.../checkpoints/best.pt), a released file, or a name of `dcpose convert --list`; "
    "without --cfg and --weights, the model that comes with the package is used"
)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument(
        "source",
        help="video file, folder of images, pattern such as 'frames/*.png', camera: 0, or address "
        "(rtsp://, http://)",
    )
    parser.add_argument("--weights", help=WEIGHTS_HELP)
    parser.add_argument("--cfg", help="config (default: what the weights tell)")
    add_device(parser)
    _add_people(parser.add_argument_group("people"))
    _add_output(parser.add_argument_group("output"))
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="config overrides")
    return parser.parse_intermixed_args(_with_smoothing(sys.argv[1:] if argv is None else argv))


def _add_people(people: argparse._ArgumentGroup) -> None:
    people.add_argument(
        "--detector",
        help="torchvision (Faster R-CNN v2; default where its weights are on the disk), packaged "
        "(a light network that comes along; default elsewhere), hog (OpenCV), rtdetr (RT-DETR, "
        "extra of that name), whole-frame, or boxes:FILE",
    )
    people.add_argument(
        "--detector-weights",
        type=Path,
        help="of torchvision's, or folder of RT-DETR's (default: a download)",
    )
    people.add_argument(
        "--min-score",
        type=float,
        help="boxes below are left out (default 0.5; of a boxes file, data.min_box_score)",
    )
    people.add_argument(
        "--detect-every", type=int, default=1, metavar="K", help="the tracker carries boxes between"
    )
    people.add_argument("--track", action="store_true", help="give people ids that last")
    people.add_argument(
        "--smooth",
        choices=SMOOTHING,
        help="steady the joints; gives ids, too: online frame by frame (--smooth alone), offline "
        "over the whole video, which also fills short gaps",
    )
    people.add_argument(
        "--drop-frames",
        action="store_true",
        help="of a camera or stream, take the newest frame and leave out those that came meanwhile",
    )


def _add_output(output: argparse._ArgumentGroup) -> None:
    output.add_argument("--out", type=Path, default=Path("runs/infer"), help="folder (%(default)s)")
    output.add_argument("--draw", action="store_true", help="write both files (as without --json)")
    output.add_argument("--json", action="store_true", help="write no video")
    output.add_argument(
        "--html", action="store_true", help="write a page to look at the video and its poses"
    )
    output.add_argument(
        "--format",
        type=_forms,
        action="extend",
        default=[],
        help=f"also write the poses as (a comma between): {', '.join(RESULT_FORMS)}",
    )
    output.add_argument(
        "--calibration",
        type=Path,
        metavar="JSON",
        help="of scripts/calibrate.py: joints get a probability, too (default: the card's)",
    )
    output.add_argument("--rate", default=DEFAULT_IMAGE_RATE, help="of images, fps")
    output.add_argument("--profile", action="store_true", help="say where the time goes")


def _with_smoothing(argv: Sequence[str]) -> list[str]:
    """Return the arguments with `--smooth` alone as online: what follows it is no value of it."""
    following = [*argv[1:], ""]
    return [
        "--smooth=online" if word == "--smooth" and after not in SMOOTHING else word
        for word, after in zip(argv, following, strict=True)
    ]


def _forms(text: str) -> list[str]:
    forms = text.split(",")
    for form in forms:
        try:
            check_form(form)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return forms


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = parse_arguments(argv)
    if args.weights is None and args.cfg is not None and not args.cfg.endswith(".json"):
        raise ValueError(NO_WEIGHTS)
    set_up_logging()
    offline = args.smooth == "offline"
    source = _open(args.source, args.rate, args.drop_frames, offline)
    age = source.age if isinstance(source, KeepUp) or _is_live(source) else None
    calibration = None if args.calibration is None else read_calibration(args.calibration)
    stopwatch = Stopwatch()
    estimator = PoseEstimator(
        args.cfg,
        args.weights,
        args.device,
        args.detector if _boxes_file(args) is None else "whole-frame",
        overrides=args.overrides,
        min_box_score=0.5 if args.min_score is None else args.min_score,
        detector_weights=args.detector_weights,
        stopwatch=stopwatch,
    )
    results = _results(args, estimator, source, one_by_one=age is not None or args.detect_every > 1)
    video = args.out / f"{source.name}.mp4" if args.draw or not args.json else None
    page = args.out / f"{source.name}.html" if args.html else None
    outcome = infer(
        source,
        results,
        args.out / f"{source.name}.json",
        estimator.skeleton,
        estimator.config.test.joint_score,
        stopwatch,
        video_file=None if offline else video,
        page_file=None if offline else page,
        later=[path for path in (video, page) if offline and path is not None],
        calibration=calibration or estimator.calibration,
        age=age,
    )
    for line in _lines(outcome, source, estimator.frames_ahead):
        print(line)
    if args.profile:
        print(stopwatch.report())
    files = list(outcome.files)
    if offline:
        files += _smoothed(files[0], source, estimator, outcome, video, page)
    for form in dict.fromkeys(args.format):
        if form != "json":
            files.append(write_results_as(files[0], form, source.path))
    for path in files:
        print(path)
    if isinstance(outcome.stopped_by, Interrupted):
        return outcome.stopped_by.exit_code
    if outcome.stopped_by is not None:
        raise outcome.stopped_by
    return 0


def _boxes_file(args: argparse.Namespace) -> Path | None:
    """Return the file of --detector boxes:FILE; None if there is a detector."""
    named = args.detector is not None and args.detector.startswith(BOXES)
    return named_path(args.detector.removeprefix(BOXES)) if named else None


def _results(
    args: argparse.Namespace, estimator: PoseEstimator, source: FrameSource, one_by_one: bool
) -> Iterator[FrameResult]:
    boxes, file = None, _boxes_file(args)
    if file is not None:
        least = estimator.config.data.min_box_score if args.min_score is None else args.min_score
        boxes = read_boxes(file, source, least)
    return estimator.video(
        source,
        boxes,
        track=args.track or args.smooth == "offline",
        smooth=args.smooth == "online",
        detect_every=args.detect_every,
        frames_at_once=1 if one_by_one else FRAMES_AT_ONCE,
    )


def _lines(outcome: Outcome, source: FrameSource, ahead: int) -> Iterator[str]:
    """Yield what is said about speed."""
    yield outcome.line(source.name)
    if outcome.delay_s is not None:
        yield outcome.delay_line(ahead)
    if isinstance(source, KeepUp):
        yield f"{source.name}: {source.num_dropped} frames dropped"


def _open(where: str, rate: str, drop_frames: bool, offline: bool) -> FrameSource:
    """Open what a user named, for a run with such options."""
    source = open_source(where, rate)
    if offline and isinstance(source, Camera | RemoteVideo):
        raise ValueError(
            "--smooth offline needs a video that can be read twice; for a camera or an address "
            "take online"
        )
    if not drop_frames:
        return source
    if not _is_live(source):
        raise ValueError(f"--drop-frames: {where} waits, expected a camera or a live stream")
    return KeepUp(source)


def _is_live(source: FrameSource) -> TypeGuard[Camera | RemoteVideo]:
    """Say whether frames come whether or not somebody takes them."""
    return isinstance(source, Camera) or (isinstance(source, RemoteVideo) and source.live)


def _smoothed(
    poses: Path,
    source: FrameSource,
    estimator: PoseEstimator,
    outcome: Outcome,
    video: Path | None,
    page: Path | None,
) -> list[Path]:
    """Smooth a file of poses in place; write the video and the page, if any, and return them."""
    done = smooth_file(poses)
    print(f"{source.name}: smoothed {done.num_people} people, {done.num_filled} in gaps")
    files = [path for path in (video, page) if path is not None]
    if not files or isinstance(outcome.stopped_by, Interrupted):
        return []
    joint_score = estimator.config.test.joint_score
    complete = outcome.stopped_by is None
    draw_results(poses, source, video, estimator.skeleton, joint_score, complete, page)
    return files
