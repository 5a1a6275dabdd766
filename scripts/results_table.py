"""Print the results of several models as one table, with the difference to the first.

python scripts/results_table.py NAME=RUN_DIR [NAME=RUN_DIR ...]

Several seeds of a model, NAME=RUN_DIR,RUN_DIR,..., give means with their sample standard
deviation; differences are taken seed by seed, in the order given. Where results have subsets of
the people, a second table holds the mean AP of each.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.report.comparison import Model, group_table, subset_comparison


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="NAME=RUN_DIR[,RUN_DIR...]", help="folders of tools/val.py"
    )
    print(tables(parser.parse_args(argv).runs))
    return 0


def tables(runs: Sequence[str]) -> str:
    """Return the tables in Markdown: groups of joints, and subsets of the people if there are any.

    Raises:
        ValueError: if a run is not given as NAME=RUN_DIR, has no results.json, or was evaluated
            on other groups of joints, or other subsets of people, than the first.
    """
    models = [_read(run) for run in runs]
    for run, model in zip(runs, models, strict=True):
        for results in model.seeds:
            _check_like(Model(model.name, [results]), models[0], run)
    parts = [group_table("model", models)]
    if subsets := subset_comparison("mean AP (people)", models, show_changes=True):
        parts.append(subsets)
    return "\n\n".join(part.markdown() for part in parts)


def _check_like(model: Model, first: Model, run: str) -> None:
    groups, expected = (list(either.seeds[0]["groups"]) for either in (model, first))
    if groups != expected:
        raise ValueError(f"{run}: groups {', '.join(groups)}, expected {', '.join(expected)}")
    if (found := model.people) != (wanted := first.people):
        raise ValueError(
            f"{run}: people of subsets {found}, expected {wanted} as in the first run; evaluate "
            "all runs on the same annotations with tools/val.py"
        )


def _read(run: str) -> Model:
    name, _, folders = run.partition("=")
    contents = []
    for folder in folders.split(","):
        path = Path(folder) / "results.json"
        if not folder or not path.is_file():
            raise ValueError(f"{run}: expected NAME=RUN_DIR with {path}; run tools/val.py first")
        contents.append(json.loads(path.read_text(encoding="utf-8")))
    return Model(name, contents)


if __name__ == "__main__":
    raise SystemExit(main())
