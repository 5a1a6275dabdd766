"""Give the neighbours of labelled frames labels, with a model that was trained on the labels.

python scripts/propagate_labels.py --cfg mydata/dcpose.yaml --weights best.pt [--reach 2]

A PoseWarper carries the labels over; other models find the poses anew, in boxes that lie between
those of the labels. Joints are taken from the score on that is right often enough (--precision) on
labels of val that are held out. Files go to annotations/propagated in the data set, each person
with its scores and its source; the last line is how to train on both.
"""

from collections.abc import Sequence
from pathlib import Path

from dcpose.build.data import data_root
from dcpose.build.runtime import build_network
from dcpose.cli import config_parser, reports_user_errors, require_weights
from dcpose.config.loading import load_config
from dcpose.engine.devices import choose_device
from dcpose.jobs.propagate import lines, propagate


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser("Give the neighbours of labelled frames labels.")
    parser.add_argument(
        "--out",
        default="annotations/propagated",
        help="folder for the files, below data.root (%(default)s)",
    )
    parser.add_argument(
        "--reach", type=int, default=2, metavar="N", help="frames from a label (%(default)s)"
    )
    parser.add_argument(
        "--precision", type=float, default=0.9, help="share of right joints (%(default)s)"
    )
    parser.add_argument("--min-score", type=float, help="take joints from this score on")
    args = parser.parse_intermixed_args(argv)
    cfg = load_config(args.cfg, args.overrides)
    device = choose_device(args.device)
    network = build_network(cfg, require_weights(args.weights), device)
    root = data_root(cfg)
    done = propagate(
        cfg, network, device, root / args.out, args.reach, args.precision, args.min_score
    )
    for line in lines(done):
        print(line)
    print(Path(root / args.out))
    skeleton = "" if cfg.data.skeleton is None else f", skeleton: {cfg.data.skeleton}"
    sets = (
        f"[{{root: {root}, annotations: {cfg.data.train_annotations}{skeleton}}}, "
        f"{{root: {root}, annotations: {args.out}, weight: 0.5{skeleton}}}]"
    )
    print(f'train on both: data.group_frames=0 "data.sets={sets}"')
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
