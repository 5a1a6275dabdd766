"""Train a model: dcpose train --cfg CFG [--run-dir DIR] [--resume] [overrides]."""

from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import config_parser, reports_user_errors
from dcpose.config.loading import load_config
from dcpose.engine.distributed import process_group
from dcpose.jobs.train import train


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser(
        "Train a model; writes checkpoints, logs and TensorBoard files. SIGTERM (exit code 143) "
        "and Ctrl-C (130) finish the step and save before it ends; a second Ctrl-C ends it at once."
    )
    parser.add_argument(
        "--run-dir", type=Path, help="folder to write to (default runs/<experiment>/<time>)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --run-dir, or the latest run of the experiment",
    )
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    with process_group(args.device, cfg.train.timeout_s) as device:
        train(cfg, device, args.run_dir, resume=args.resume, weights=args.weights)
    return 0
