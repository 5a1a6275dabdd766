"""Find out whether a model looks at neighbouring frames, and what they are worth to it.

python scripts/probe.py --cfg configs/posetrack18/dcpose_hrnet_w48.yaml --weights best.pt

Predicts the val split four times: with neighbours as they are, with the current frame in their
place, in reversed order, and with those of another video (test.neighbors). Prints a table and a
sentence; docs/probe.md says how to read them. The folder gets table.md and the run of each kind.
"""

from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import config_parser, reports_user_errors, require_weights
from dcpose.config.loading import load_config
from dcpose.engine.distributed import broadcast_object, process_group
from dcpose.engine.run.folder import new_run_dir
from dcpose.files.writing import write_text
from dcpose.jobs.validate import validate
from dcpose.report.probe import NEIGHBORS, Probe, probe_table, read_joints, sentence, share_moved
from dcpose.weights.hub import local_weights


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = config_parser("Measure a model with other frames in the place of its neighbours.")
    parser.add_argument(
        "--out", type=Path, help="folder to write to (default runs/<experiment>/<time>)"
    )
    args = parser.parse_intermixed_args(argv)
    weights = str(local_weights(require_weights(args.weights)))
    cfgs = {
        kind: load_config(args.cfg, [*args.overrides, f"test.neighbors={kind}"])
        for kind in NEIGHBORS
    }
    cfg = cfgs["as_is"]
    measured = {}
    with process_group(args.device) as device:
        out = args.out or broadcast_object(new_run_dir(Path("runs") / cfg.experiment))
        for kind, own in cfgs.items():
            measured[kind] = validate(own, device, weights, out / kind)
    joints = {kind: read_joints(out / kind / "predictions" / "val") for kind in NEIGHBORS}
    probes = {
        kind: Probe(done[0], share_moved(joints["as_is"], joints[kind]))
        for kind, done in measured.items()
        if done is not None
    }
    if not probes:  # not the main process
        return 0
    table, said = probe_table(probes), sentence(cfg.experiment, probes)
    protocol = next(done[1] for done in measured.values() if done is not None).line()
    write_text(out / "table.md", f"{table.markdown()}\n\n{said}\n\n{protocol}\n")
    print(f"{table.text()}\n{said}\n{protocol}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
