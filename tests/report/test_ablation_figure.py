"""The picture of the ablation table: where marks stand, what is left out."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from dcpose.report.ablation_table import Row
from dcpose.report.charts import ablation, ablation_figure
from dcpose.report.published import GROUPS


def row(name, totals):
    """A variant whose groups all have the same AP; `totals` by seed."""
    return Row(name, 1234, {seed: dict.fromkeys(GROUPS, total) for seed, total in totals.items()})


ROWS = [
    row("ablation_complete", {0: 80.0, 1: 82.0}),
    row("ablation_no_prf", {0: 79.0, 1: 79.0}),
    row("a < b", {0: 70.0}),
    row("ablation_no_next", {}),
]
"""The last has no result; the second no deviation."""


def marks(axes):
    """By colour of the marks: x by row, NaN where there is none."""
    lines = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    return {line.get_marker(): np.asarray(line.get_xdata(), float) for line in lines}


def whiskers(axes):
    """Length of the bar of each row; NaN where there is none."""
    (bars,) = axes.collections
    ends = [segment[:, 0] if len(segment) else [math.nan] for segment in bars.get_segments()]
    return np.array([x[-1] - x[0] for x in ends])


@pytest.fixture
def figure() -> Figure:
    drawn = ablation_figure(ROWS)
    drawn.draw_without_rendering()
    return drawn


def test_marks_stand_at_their_values(figure):
    left, right = figure.axes
    # in the order of the paper: complete, no_prf, no_next, then the others
    titles = [text.get_text() for text in left.get_yticklabels()]
    assert titles == ["DCPose, complete, T = 1", "r/m PRF", "r/m next frame", "a < b"]
    assert right.get_xlabel() == "difference to DCPose, complete, T = 1"
    np.testing.assert_allclose(marks(left)["o"], [81, 79, math.nan, 70])
    np.testing.assert_allclose(marks(right)["o"], [math.nan, -2, math.nan, -10])
    # published: two rows that are not the reference
    expected = [math.nan, 82.1 - 82.8, 82.3 - 82.8, math.nan]
    np.testing.assert_allclose(marks(right)["D"], expected)


def test_whiskers_are_one_deviation_long(figure):
    left, right = figure.axes
    # seeds 80 and 82 deviate by root 2, so the bar has twice that; 79 and 79 by 0; one seed by none
    np.testing.assert_allclose(whiskers(left), [2 * 2**0.5, 0, math.nan, math.nan])
    # 79 - 80 and 79 - 82 deviate by root 2 as well
    np.testing.assert_allclose(whiskers(right), [math.nan, 2 * 2**0.5, math.nan, math.nan])


def test_axes_hold_all_values_and_few_ticks(figure):
    for axes, low, high in ((figure.axes[0], 70, 81 + 2**0.5), (figure.axes[1], -10, 0)):
        left, right = axes.get_xlim()
        assert left <= low
        assert high <= right
        assert 3 <= len([tick for tick in axes.get_xticks() if left <= tick <= right]) <= 9


def test_the_first_row_is_on_top(figure):
    bottom, top = figure.axes[0].get_ylim()
    assert (bottom, top) == (3.5, -0.5)


def test_the_picture_escapes_names_and_is_text():
    root = ET.fromstring(ablation(ROWS))  # noqa: S314 - our own text
    texts = ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]
    assert {"a < b", "r/m PRF", "published, PoseTrack2017 val", "mean AP"} <= set(texts)


def test_before_the_first_result_and_without_rows():
    empty = ablation_figure([row("ablation_complete", {}), row("ablation_no_prf", {})])
    assert np.isnan(marks(empty.axes[0])["o"]).all()
    with pytest.raises(ValueError, match="at least one row"):
        ablation_figure([])
