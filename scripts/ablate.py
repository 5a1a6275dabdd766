"""Train and measure variants of a model over several seeds; one table in the paper's layout.

python scripts/ablate.py configs/ablations/*.yaml --seeds 0 1 2 --out runs/ablations
python scripts/ablate.py configs/ablations/*.yaml --on configs/synthetic/ablations.yaml \\
    model.backbone.weights=runs/single_frame/seed{seed}/checkpoints/last.pt --seeds 0 1 2

Overrides hold for all variants; {seed} in one stands for the seed, here a backbone for each.
Runs that are done are not repeated; an interrupted one continues from its last epoch.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from dcpose import jobs
from dcpose.build import count_trainable
from dcpose.cli import reports_user_errors
from dcpose.config import Config, config_to_dict, load_config
from dcpose.engine.checkpoint import config_differences
from dcpose.engine.distributed import process_group
from dcpose.evaluation.ablation_table import Row, to_json_dict, to_markdown
from dcpose.files import write_text


@dataclass(frozen=True)
class Trial:
    """One variant with one seed, and the folder of its run."""

    cfg: Config
    run_dir: Path

    @property
    def results(self) -> Path:
        """Written last: where it is, the trial is done."""
        return self.run_dir / "results.json"


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "configs", nargs="+", metavar="CONFIG|KEY=VALUE", help="variants; overrides"
    )
    parser.add_argument("--on", metavar="CONFIG", help="apply the variants to this config instead")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablations"), help="default: %(default)s"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda if there is one")
    parser.add_argument(
        "--share-backbone",
        action="store_true",
        help="train the variants of a seed together: the frozen backbone's pass over a frame feeds "
        "the heads of all that see it; each ends with the weights it would have alone",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the runs and stop")
    args = parser.parse_intermixed_args(argv)
    paths = [text for text in args.configs if "=" not in text]
    overrides = [text for text in args.configs if "=" in text]
    trials = plan(paths, args.on, overrides, args.seeds, args.out)
    if args.dry_run:
        print(listing(trials))
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    with process_group(args.device or jobs.default_device()) as device:
        to_do = [trial for trial in trials if not trial.results.exists()]
        for group in groups_that_share(to_do) if args.share_backbone else [[t] for t in to_do]:
            train(group, device, args.out)
            for trial in group:
                measure(trial, device)
                write_table(trials, args.out)
    print(write_table(trials, args.out))
    return 0


def plan(
    paths: Sequence[str], on: str | None, overrides: Sequence[str], seeds: Sequence[int], out: Path
) -> list[Trial]:
    """Return a trial per variant and seed.

    Args:
        paths: configs, one per variant.
        on: see `load_config`.
        overrides: of all configs; `{seed}` in them stands for the seed.
        seeds: of all variants.
        out: a trial's folder in it is `<experiment>/seed<seed>`.

    Raises:
        ValueError: if there is no config, two share the name of their experiment, or a folder
            holds the run of another config.
    """
    if not paths:
        raise ValueError("no config to train; name at least one, such as configs/ablations/*.yaml")
    trials, path_of = [], dict[str, str]()
    for path in paths:
        for seed in dict.fromkeys(seeds):
            own = [text.replace("{seed}", str(seed)) for text in overrides]
            cfg = load_config(path, [*own, f"seed={seed}"], on=on)
            trials.append(Trial(cfg, out / cfg.experiment / f"seed{seed}"))
            other = path_of.setdefault(cfg.experiment, path)
            if other != path:
                raise ValueError(
                    f"{path}: experiment {cfg.experiment!r} is that of {other} too; give every "
                    f"variant a name of its own"
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
            raise ValueError(
                f"{path}: holds a run with {'; '.join(differences)}; choose another --out, or "
                f"remove that folder"
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
        common = jobs.shared_part(trial.cfg)
        fitting = [group for other, group in groups if common is not None and other == common]
        if fitting:
            fitting[0].append(trial)
        else:
            groups.append((common, [trial]))
    return [group for _, group in groups]


def train(group: Sequence[Trial], device: torch.device, out: Path) -> None:
    """Train a group of trials from where they stopped, together if there are several."""
    if len(group) == 1:
        jobs.train(group[0].cfg, device, group[0].run_dir, resume=True)
        return
    log_file = out / f"together_{group[0].cfg.experiment}_seed{group[0].cfg.seed}.log"
    jobs.train_together([(trial.cfg, trial.run_dir) for trial in group], device, log_file)


def measure(trial: Trial, device: torch.device) -> None:
    """Validate the weights of the last epoch; the best ones were chosen by the val AP itself."""
    weights = trial.run_dir / "checkpoints" / "last.pt"
    jobs.validate(trial.cfg, device, str(weights), trial.run_dir)


def write_table(trials: Sequence[Trial], out: Path) -> str:
    """Write `table.md` and `table.json` of the trials that are done; return the former's text."""
    groups: dict[str, dict[int, dict[str, float | None]]] = {}
    sizes: dict[str, int] = {}
    for trial in trials:
        seeds = groups.setdefault(trial.cfg.experiment, {})
        if trial.results.exists():
            content = json.loads(trial.results.read_text(encoding="utf-8"))
            seeds[trial.cfg.seed] = content["groups"]
        if trial.cfg.experiment not in sizes:
            sizes[trial.cfg.experiment] = count_trainable(trial.cfg)
    rows = [Row(name, sizes[name], seeds) for name, seeds in groups.items()]
    text = to_markdown(rows)
    write_text(out / "table.md", text)
    content = json.dumps(to_json_dict(rows), indent=1, allow_nan=False)
    write_text(out / "table.json", content + "\n")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
