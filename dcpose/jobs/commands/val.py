"""Predict the val split and measure AP: dcpose val --cfg CFG --weights W [overrides]."""

from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import config_parser, reports_user_errors, require_weights
from dcpose.config.loading import load_config
from dcpose.engine.distributed import process_group
from dcpose.jobs.validate import validate
from dcpose.report.results import text
from dcpose.weights.hub import local_weights


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser("Predict the val split, then print the paper's row and its protocol.")
    parser.add_argument(
        "--run-dir", type=Path, help="folder to write to (default runs/<experiment>/<time>)"
    )
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    weights = str(local_weights(require_weights(args.weights)))
    with process_group(args.device) as device:
        measured = validate(cfg, device, weights, args.run_dir)
    if measured is not None:
        print(text(*measured))
    return 0
