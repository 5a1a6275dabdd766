"""Write leaderboard files: dcpose test --cfg CFG --weights W --out DIR [overrides]."""

from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import config_parser, reports_user_errors, require_weights
from dcpose.config.loading import load_config
from dcpose.engine.distributed import process_group
from dcpose.jobs.test import make_submission
from dcpose.weights.hub import local_weights


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser(
        "Predict the test split and write DIR/<video>.json and DIR/submission.zip, checked; "
        "needs no ground-truth people."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--format",
        choices=("posetrack18", "posetrack17"),
        help="form of the leaderboard files (default: that of the data set)",
    )
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    weights = str(local_weights(require_weights(args.weights)))
    with process_group(args.device) as device:
        zip_path = make_submission(cfg, device, weights, args.out, args.format)
    if zip_path is not None:
        print(zip_path)
    return 0
