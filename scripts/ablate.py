r"""Train and measure variants of a model over several seeds; one table in the paper's layout.

python scripts/ablate.py configs/ablations/*.yaml --seeds 0 1 2 --out runs/ablations
python scripts/ablate.py configs/ablations/*.yaml --on configs/synthetic/ablations.yaml \
    model.backbone.weights=runs/small/synthetic_single_frame/seed{seed}/checkpoints/last.pt \
    --baselines configs/synthetic/single_frame.yaml configs/synthetic/simple_baseline.yaml \
    --seeds 0 1 2 --share-backbone --out runs/small

Overrides hold for all variants; {seed} in one stands for the seed, here a backbone for each.
Baselines are rows of the same table, but --on and the variants' overrides do not touch them; they
are trained first, so a variant may stand on the weights of one, as above. An override after a
baseline is its own, one ahead of the first baseline is for all of them.
Runs that are done are not repeated; an interrupted one continues from its last epoch. The table is
written as table.md, table.json and table.svg. --print-runs prints a command for each run that is
left, for the jobs of a cluster (docs/cluster.md); --table then makes the table of their results.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from dcpose.build.model import count_trainable
from dcpose.cli import add_device, documented_parser, reports_user_errors
from dcpose.config.loading import config_to_dict, load_config
from dcpose.config.schema import Config
from dcpose.engine.distributed import process_group
from dcpose.engine.run.resume_rules import config_differences
from dcpose.files.packages import MissingPackageError, require
from dcpose.files.writing import write_text
from dcpose.jobs.together import shared_part, train_together
from dcpose.jobs.train import train
from dcpose.jobs.validate import validate
from dcpose.report.ablation_table import Row, to_json_dict, to_markdown


@dataclass(frozen=True)
class Variant:
    """A row of the table: a config file, overrides, and `on` of `load_config`."""

    path: str
    overrides: tuple[str, ...] = ()
    on: str | None = None


@dataclass(frozen=True)
class Trial:
    """One variant with one seed, and the folder of its run."""

    cfg: Config
    run_dir: Path

    @property
    def name(self) -> str:
        """Of the run: `<experiment>/seed<seed>`, its folder in that of the sweep."""
        return f"{self.cfg.experiment}/seed{self.cfg.seed}"

    @property
    def results(self) -> Path:
        """Written last: where it is, the trial is done."""
        return self.run_dir / "results.json"


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument(
        "configs", nargs="+", metavar="CONFIG|KEY=VALUE", help="variants; overrides"
    )
    parser.add_argument("--on", metavar="CONFIG", help="apply the variants to this config instead")
    parser.add_argument(
        "--baselines",
        nargs="+",
        default=[],
        metavar="CONFIG|KEY=VALUE",
        help="other models for the same table, as their configs say; overrides of theirs",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablations"), help="default: %(default)s"
    )
    add_device(parser)
    parser.add_argument(
        "--share-backbone",
        action="store_true",
        help="train the variants of a seed together: the frozen backbone's pass over a frame feeds "
        "the heads of all that see it; each ends with the weights it would have alone",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="list the runs and stop")
    instead.add_argument(
        "--print-runs", action="store_true", help="print a command for each run that is left"
    )
    instead.add_argument(
        "--only", metavar="RUN", help="do this run, EXPERIMENT/seedN, and no table"
    )
    instead.add_argument("--table", action="store_true", help="write the table of what is done")
    words = sys.argv[1:] if argv is None else list(argv)
    args = parser.parse_intermixed_args(words)
    variants = [*baselines(args.baselines), *ablations(args.configs, args.on)]
    trials = plan(variants, args.seeds, args.out)
    if args.dry_run:
        print(listing(trials))
        return 0
    to_do = [trial for trial in trials if not trial.results.exists()]
    if args.print_runs:
        same = [word for word in words if word != "--print-runs"]
        for trial in to_do:
            print(shlex.join(["python", "scripts/ablate.py", *same, "--only", trial.name]))
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    if args.only is not None:
        to_do = [trial for trial in named(trials, args.only) if trial in to_do]
    groups = groups_that_share(to_do) if args.share_backbone else [[trial] for trial in to_do]
    with process_group(args.device) as device:
        for group in [] if args.table else groups:
            train_group(group, device, args.out)
            for trial in group:
                measure(trial, device)
                if args.only is None:
                    write_table(trials, args.out)
    if args.only is None:
        print(write_table(trials, args.out))
    return 0


def named(trials: Sequence[Trial], name: str) -> list[Trial]:
    """Return the trial of a name.

    Raises:
        ValueError: if there is none.
    """
    found = [trial for trial in trials if trial.name == name]
    if not found:
        names = ", ".join(trial.name for trial in trials)
        raise ValueError(f"--only: found {name}, expected one of {names}")
    return found


def ablations(tokens: Sequence[str], on: str | None) -> list[Variant]:
    """Return the configs among the words of the command line; overrides hold for all.

    Raises:
        ValueError: if there is no config.
    """
    overrides = tuple(text for text in tokens if "=" in text)
    paths = [text for text in tokens if "=" not in text]
    if not paths:
        raise ValueError("no config to train; name at least one, such as configs/ablations/*.yaml")
    return [Variant(path, overrides, on) for path in paths]


def baselines(tokens: Sequence[str]) -> list[Variant]:
    """Return configs, each with the overrides that follow it; those ahead hold for all.

    Raises:
        ValueError: if there are overrides and no config.
    """
    paths: list[str] = []
    own: list[list[str]] = [[]]
    for text in tokens:
        if "=" in text:
            own[-1].append(text)
        else:
            paths.append(text)
            own.append([])
    for_all, *of_each = own
    if for_all and not paths:
        raise ValueError(f"--baselines: {for_all[0]} is an override of no config; name one")
    return [Variant(path, (*for_all, *after)) for path, after in zip(paths, of_each, strict=True)]


def plan(variants: Sequence[Variant], seeds: Sequence[int], out: Path) -> list[Trial]:
    """Return a trial per variant and seed.

    Args:
        variants: rows of the table; `{seed}` in their overrides stands for the seed.
        seeds: of all variants.
        out: a trial's folder in it is `<experiment>/seed<seed>`.

    Raises:
        ValueError: if two variants share the name of their experiment, or a folder holds the run
            of another config.
    """
    trials, path_of = [], dict[str, str]()
    for variant in variants:
        for seed in dict.fromkeys(seeds):
            # exporting each trial's weights takes longer than it saves on one val set
            overrides = ["test.runtime=torch", *variant.overrides]
            overrides = [text.replace("{seed}", str(seed)) for text in overrides]
            cfg = load_config(variant.path, [*overrides, f"seed={seed}"], on=variant.on)
            trials.append(Trial(cfg, out / cfg.experiment / f"seed{seed}"))
            other = path_of.setdefault(cfg.experiment, variant.path)
            if other != variant.path:
                raise ValueError(
                    f"{variant.path}: experiment {cfg.experiment!r} is that of {other} too; give "
                    f"every variant a name of its own"
                )
    for trial in trials:
        _check_folder(trial)
    return trials


def _check_folder(trial: Trial) -> None:
    path = trial.run_dir / "config.yaml"
    if path.exists():
        saved = yaml.safe_load(path.read_text(encoding="utf-8"))
        differences = config_differences(saved, config_to_dict(trial.cfg))
        if differences:
            found = "; ".join(differences.values())
            raise ValueError(
                f"{path}: holds a run with {found}; choose another --out, or remove that folder"
            )


def listing(trials: Sequence[Trial]) -> str:
    """Return one line per trial: number of trainable parameters, state and folder."""
    lines = [f"{'parameters':>12}  {'state':<8}  run"]
    for trial in trials:
        state = "done" if trial.results.exists() else "to do"
        if state == "to do" and (trial.run_dir / "checkpoints" / "last.pt").exists():
            state = "begun"
        lines.append(f"{count_trainable(trial.cfg):>12,}  {state:<8}  {trial.run_dir}")
    return "\n".join([*lines, f"{len(trials)} runs"])


def groups_that_share(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return groups of trials that can train on one backbone pass; of one where none can."""
    groups: list[tuple[dict[str, Any] | None, list[Trial]]] = []
    for trial in trials:
        common = shared_part(trial.cfg)
        fitting = [group for other, group in groups if common is not None and other == common]
        if fitting:
            fitting[0].append(trial)
        else:
            groups.append((common, [trial]))
    return [group for _, group in groups]


def train_group(group: Sequence[Trial], device: torch.device, out: Path) -> None:
    """Train a group of trials from where they stopped, together if there are several."""
    if len(group) == 1:
        train(group[0].cfg, device, group[0].run_dir, resume=True)
        return
    log_file = out / f"together_{group[0].cfg.experiment}_seed{group[0].cfg.seed}.log"
    train_together([(trial.cfg, trial.run_dir) for trial in group], device, log_file)


def measure(trial: Trial, device: torch.device) -> None:
    """Validate the weights of the last epoch; the best ones were chosen by the val AP itself."""
    weights = trial.run_dir / "checkpoints" / "last.pt"
    validate(trial.cfg, device, str(weights), trial.run_dir)


def write_table(trials: Sequence[Trial], out: Path) -> str:
    """Write table.md, .json and .svg of the trials that are done; return the first one's text."""
    rows = rows_of(trials)
    text = to_markdown(rows)
    content = json.dumps(to_json_dict(rows), indent=1, allow_nan=False)
    write_text(out / "table.md", text)
    write_text(out / "table.json", content + "\n")
    _write_chart(rows, out / "table.svg")
    return text


def _write_chart(rows: Sequence[Row], path: Path) -> None:
    try:
        require("matplotlib", f"{path}: not drawn; a chart")
    except MissingPackageError as error:
        print(error, file=sys.stderr)
    else:
        from dcpose.report.charts import ablation

        write_text(path, ablation(rows))


def rows_of(trials: Sequence[Trial]) -> list[Row]:
    """Return a row per variant, with the seeds that are done."""
    cfgs = {trial.cfg.experiment: trial.cfg for trial in trials}
    groups: dict[str, dict[int, dict[str, float | None]]] = {name: {} for name in cfgs}
    subsets: dict[str, dict[int, dict[str, float | None]]] = {name: {} for name in cfgs}
    for trial in trials:
        if trial.results.exists():
            name, seed = trial.cfg.experiment, trial.cfg.seed
            content = json.loads(trial.results.read_text(encoding="utf-8"))
            groups[name][seed] = content["groups"]
            if parts := content.get("subsets"):
                subsets[name][seed] = {label: part["total"] for label, part in parts.items()}
    return [
        Row(name, count_trainable(cfg), groups[name], subsets[name]) for name, cfg in cfgs.items()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
