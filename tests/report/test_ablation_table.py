"""The ablation table: spread, differences, order, undefined values."""

import math

from dcpose.report.ablation_table import Row, difference, spread, to_json_dict, to_markdown
from dcpose.report.published import GROUPS
from dcpose.report.tables import Spread


def row(name, totals):
    """A variant whose groups all have the same AP; `totals` by seed."""
    return Row(name, 1234, {seed: dict.fromkeys(GROUPS, total) for seed, total in totals.items()})


def test_spread_by_hand():
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, over n - 1 = 2: 7
    assert Spread.of([1.0, 2.0, 6.0]) == Spread(3.0, math.sqrt(7))
    assert str(Spread.of([1.0, 2.0, 6.0])) == "3.0 ± 2.6"
    assert str(Spread.of([1.26])) == "1.3"
    assert str(Spread.of([])) == "-"


def test_undefined_seeds_do_not_count():
    assert spread(row("x", {0: 10.0, 1: None, 2: 20.0}).groups, "Hip") == Spread.of([10.0, 20.0])


def test_difference_is_taken_seed_by_seed():
    # seeds 0 and 2 in both: 11 - 10 and 23 - 20
    reference, other = row("a", {0: 10.0, 2: 20.0, 3: 99.0}), row("b", {0: 11.0, 1: 0.0, 2: 23.0})
    assert difference(other.groups, reference.groups, "Total") == Spread.of([1.0, 3.0])


def test_table_has_the_order_of_the_paper_and_its_column():
    rows = [
        row("single_frame", {0: 70.0}),
        row("ablation_interval_4", {}),
        row("ablation_no_prf", {0: 79.0, 1: 79.6}),
        row("ablation_complete", {0: 80.0, 1: 80.2}),
    ]
    lines = to_markdown(rows).splitlines()
    assert lines[0].startswith("| variant | Head | Shoulder | Elbow | Wrist | Hip | Knee | Ankle |")
    starts = [line.split(" | ")[0] for line in lines[2:6]]
    assert starts == ["| DCPose, complete, T = 1", "| r/m PRF", "| T = 4", "| single_frame"]
    assert lines[2].endswith("| 80.1 ± 0.1 |  | 82.8 |  | 1,234 | 0, 1 |")
    assert lines[3].endswith("| 79.3 ± 0.4 | -0.8 ± 0.3 | 82.1\\* | -0.7 | 1,234 | 0, 1 |")
    assert lines[4].endswith("| - | - | 81.7\\* | -1.1 | 1,234 | - |")
    assert lines[5].endswith("| 70.0 | -10.0 |  |  | 1,234 | 0 |")
    assert {line.count("|") for line in lines[:6]} == {lines[0].count("|")}
    assert lines[-1].endswith("printed joints, which is: r/m PRF 82.3; T = 4 80.5.")


def test_json_has_every_number():
    content = to_json_dict([row("b", {0: 11.5}), row("ablation_complete", {0: 10.0})])
    assert content["reference"] == "ablation_complete"
    complete, other = content["rows"]
    assert complete["published"]["Total"] == 82.8
    assert other["published"] is None
    assert other["difference_mean"] == 1.5
    assert other["difference_std"] is None
    assert other["seeds"]["0"]["Total"] == 11.5


def test_subsets_have_a_table_of_their_own():
    complete = row("ablation_complete", {0: 80.0, 1: 82.0})
    blurred = Row("small", 1, complete.groups, {0: {"clean": 90.0, "motion_blur": 60.0}})
    seeds = {0: {"clean": 91.0, "motion_blur": 65.0}, 1: {"clean": 93.0, "motion_blur": None}}
    complete = Row("ablation_complete", 1, complete.groups, seeds)
    text = to_markdown([blurred, complete])
    first, second = text.split("\n\n", 1)
    assert (
        first
        == to_markdown(
            [row("ablation_complete", {0: 80.0, 1: 82.0}), row("small", {0: 80.0, 1: 82.0})]
        )
        .replace("1,234", "1")
        .strip()
    )
    assert second.splitlines() == [
        "| variant | clean | rapid motion |",
        "|---| ---: | ---: |",
        "| DCPose, complete, T = 1 | 92.0 ± 1.4 | 65.0 |",
        "| small | 90.0 (-1.0) | 60.0 (-5.0) |",
    ]
    part = to_json_dict([complete, blurred])["rows"][1]["subsets"]["motion_blur"]
    assert part["seeds"] == {"0": 60.0}
    assert (part["mean"], part["std"], part["difference_mean"]) == (60.0, None, -5.0)


def test_measures_without_heads_are_compared_by_their_last():
    rows = [
        Row("a", 10, {0: {"mean px": 4.0, "AUC": 70.0}, 1: {"mean px": 5.0, "AUC": 60.0}}),
        Row("b", 10, {0: {"mean px": 3.0, "AUC": 75.0}}),
        Row("c", 10, {}),
    ]
    lines = to_markdown(rows).splitlines()
    assert lines[0].startswith("| variant | mean px | AUC | difference |")
    assert lines[2].startswith("| a | 4.5 ± 0.7 | 65.0 ± 7.1 |  |")
    assert lines[3].startswith("| b | 3.0 | 75.0 | +5.0 |")
    assert lines[4].startswith("| c | - | - | - |")
    assert to_json_dict(rows)["rows"][1]["mean"] == {"mean px": 3.0, "AUC": 75.0}
