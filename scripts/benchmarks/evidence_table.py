"""Tables of docs/benchmarks/evidence_cpu.md from the results of scripts/evidence.py."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.evidence_rows import HRNET, ROWS, TABLE_5, VIT, EvidenceRow
from dcpose.build.model import count_trainable
from dcpose.evaluation.subsets import in_order, subset_title
from dcpose.files.writing import write_text
from dcpose.report.ablation_table import Row, to_markdown
from dcpose.report.tables import Spread, Table

Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""By row and seed, what was measured with each kind of neighbours, by its name."""

REPLACEMENTS = {
    "current": "the current frame",
    "reversed": "in reversed order",
    "other_video": "of another video",
}


def write_tables(out: Path, target: Path) -> None:
    """Write `<target>_tables.md` and `<target>.json` of all rows that are done under `out`."""
    results = {name: found for name in ROWS if (found := _read(out / name))}
    costs_file = out / "costs.json"
    costs = json.loads(costs_file.read_text(encoding="utf-8")) if costs_file.exists() else {}
    parts = []
    for title, rows in (("On the frozen HRNet", HRNET), ("On the frozen tiny ViT", VIT)):
        done = {name: row for name, row in rows.items() if name in results}
        if done:
            parts += [f"### {title}", _methods(done, results, costs), _probes(done, results)]
    if any(name in results for name in TABLE_5):
        parts += ["### Table 5 with the tuned recipe", _table_5(results)]
    write_text(Path(f"{target}_tables.md"), "\n\n".join(parts) + "\n")
    content = {
        "costs": costs,
        "rows": {
            name: {"title": ROWS[name].title, "seeds": {str(s): v for s, v in seeds.items()}}
            for name, seeds in results.items()
        },
    }
    write_text(target.with_suffix(".json"), json.dumps(content, indent=1, allow_nan=False) + "\n")


def _read(folder: Path) -> dict[int, dict[str, Any]]:
    seeds: dict[int, dict[str, Any]] = {}
    for path in sorted(folder.glob("seed*/*.json")):
        if path.stem in ("as_is", *REPLACEMENTS):
            seed = int(path.parent.name.removeprefix("seed"))
            seeds.setdefault(seed, {})[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return {seed: kinds for seed, kinds in sorted(seeds.items()) if "as_is" in kinds}


def _total(result: Mapping[str, Any]) -> float | None:
    return result["groups"]["Total"]


def _subset(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda result: result["subsets"][name]["AP"]


def _methods(
    rows: Mapping[str, EvidenceRow], results: Results, costs: Mapping[str, Mapping[str, float]]
) -> str:
    """Return AP, its gain over the single frame in all and in each subset, and what it costs.

    The row of the single frame has its AP in place of gains.
    """
    alone = next(iter(rows))
    first = next(iter(results[alone].values()))["as_is"]
    subsets = in_order(first["subsets"])
    sizes = [f"{subset_title(name)} ({first['subsets'][name]['people']})" for name in subsets]
    cells = []
    for name, row in rows.items():
        cost = costs.get(name, {})
        trained = 0 if row.averaged is not None else count_trainable(row.load(0))
        ap = Spread.of([_total(kinds["as_is"]) for kinds in results[name].values()])
        measures = [_total, *map(_subset, subsets)]
        if name == alone:
            gains = [str(Spread.of([measure(first)])) for measure in measures]
        else:
            gains = [_gain(results[name], results[alone], measure) for measure in measures]
        figures = [f"{cost[key]:.{digits}f}" if cost else "" for key, digits in COST_DIGITS]
        cells.append([row.title, f"{trained:,}", *figures, str(ap), *gains])
    titles = ["row", "trained parameters", "MMAC", "ms a person", "AP"]
    return Table([*titles, f"all ({first['people']})", *sizes], cells).markdown()


COST_DIGITS = (("mmac", 1), ("ms", 1))


def _gain(
    own: Mapping[int, Mapping[str, Any]],
    alone: Mapping[int, Mapping[str, Any]],
    measure: Callable[[Mapping[str, Any]], float | None],
) -> str:
    """Return a gain over the single frame, which is the same for every seed."""
    base = measure(next(iter(alone.values()))["as_is"])
    spread = Spread.of_differences([(measure(kinds["as_is"]), base) for kinds in own.values()])
    return f"{spread:+}"


def _probes(rows: Mapping[str, EvidenceRow], results: Results) -> str:
    """Return what other frames in the place of the neighbours change, and whether joints move."""
    cells = []
    for name, row in rows.items():
        line = [row.title]
        for kind in REPLACEMENTS:
            both = [kinds for kinds in results[name].values() if kind in kinds]
            change = Spread.of_differences([(_total(k[kind]), _total(k["as_is"])) for k in both])
            moved = Spread.of([100 * kinds[kind]["moved"] for kinds in both])
            line += [f"{change:+}", f"{moved}"]
        cells.append(line)
    titles = [
        title
        for kind in REPLACEMENTS.values()
        for title in (f"neighbours {kind}", "joints moved %")
    ]
    return Table(["row", *titles], cells).markdown()


def _table_5(results: Results) -> str:
    names = [name for name in TABLE_5 if name in results]
    alone = next(iter(HRNET))
    seeds = sorted({seed for name in names for seed in results[name]})
    rows = [_row(name, results[name], count_trainable(ROWS[name].load(0))) for name in names]
    single = next(iter(results[alone].values()))
    rows.append(_row("single frame", dict.fromkeys(seeds, single), 0))
    return to_markdown(rows)


def _row(name: str, seeds: Mapping[int, Mapping[str, Any]], trained: int) -> Row:
    groups = {seed: kinds["as_is"]["groups"] for seed, kinds in seeds.items()}
    subsets = {
        seed: {label: part["AP"] for label, part in kinds["as_is"]["subsets"].items()}
        for seed, kinds in seeds.items()
    }
    return Row(name, trained, groups, subsets)
