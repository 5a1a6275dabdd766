"""The picture of the ablation table: where marks stand, what is left out."""

import re
import xml.etree.ElementTree as ET

import pytest

from dcpose.report.ablation_chart import Axis, to_svg
from dcpose.report.ablation_table import Row
from dcpose.report.published import GROUPS

SVG = "{http://www.w3.org/2000/svg}"


def row(name, totals):
    """A variant whose groups all have the same AP; `totals` by seed."""
    return Row(name, 1234, {seed: dict.fromkeys(GROUPS, total) for seed, total in totals.items()})


@pytest.fixture
def svg():
    """Root of the picture of four rows; the last has no result, the one before no deviation."""
    rows = [
        row("ablation_complete", {0: 80.0, 1: 82.0}),
        row("ablation_no_prf", {0: 79.0, 1: 79.0}),
        row("a < b", {0: 70.0}),
        row("ablation_no_next", {}),
    ]
    return ET.fromstring(to_svg(rows))  # noqa: S314 - our own text


def test_axis_has_round_ticks():
    axis = Axis.over([71.3, 82.2], left=100.0)
    assert axis.ticks == pytest.approx([70.0, 72.0, 74.0, 76.0, 78.0, 80.0, 82.0, 84.0])
    assert (axis.x(axis.low), axis.x(axis.high)) == (100.0, 400.0)
    assert axis.x(77.0) == 250.0
    assert Axis.over([3.0, 3.0], 0.0).low <= 3.0 < Axis.over([3.0, 3.0], 0.0).high


@pytest.mark.parametrize("values", [[0.0, 1e-3], [-9.7, 0.0], [12.0, 99.9], [-0.4, 0.7]])
def test_axis_holds_all_values_and_few_ticks(values):
    axis = Axis.over(values, 0.0)
    assert axis.low <= min(values)
    assert max(values) <= axis.high
    assert 3 <= len(axis.ticks) <= 8


def test_marks_stand_at_their_values(svg):
    texts = [text.text for text in svg.iter(f"{SVG}text")]
    rows = ["DCPose, complete, T = 1", "r/m PRF", "r/m next frame", "a < b"]
    assert [text for text in texts if text in rows] == rows
    assert "difference to DCPose, complete, T = 1" in texts
    # 3 means, 2 differences to the complete model (one at 70 - 80), and the legend's
    circles = [float(c.get("cx")) for c in svg.iter(f"{SVG}circle")]
    assert len(circles) == 3 + 2 + 1
    totals = Axis.over([70.0, 81.0 + 2**0.5], 230.0)
    expected = [totals.x(value) for value in (81.0, 79.0, 70.0)]
    assert [x for x in circles[1:] if x < 550] == pytest.approx(expected, abs=0.06)
    # published: two rows that are not the reference, and the legend's
    assert len(list(svg.iter(f"{SVG}polygon"))) == 3


def test_whiskers_are_one_deviation_long(svg):
    # a deviation each: complete's mean, no_prf's mean and difference; one seed gives none
    bars = [bar for bar in svg.iter(f"{SVG}line") if bar.get("stroke-width") == "2"]
    lengths = [float(bar.get("x2")) - float(bar.get("x1")) for bar in bars]
    totals = Axis.over([70.0, 81.0 + 2**0.5], 230.0)
    assert lengths[0] == pytest.approx(totals.x(2 * 2**0.5) - totals.x(0.0), abs=0.2)
    assert lengths[1] == 0
    assert len(lengths) == 3


def test_before_the_first_result_and_without_rows():
    text = to_svg([row("ablation_complete", {}), row("ablation_no_prf", {})])
    assert len(re.findall("<circle", text)) == 1
    with pytest.raises(ValueError, match="at least one row"):
        to_svg([])
