"""Charts are SVG with their text, and one colour per run."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from dcpose.report import charts


def texts_of(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314 - made here
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]


def test_bars_carry_values_and_leave_out_undefined_ones():
    svg = charts.bars(["Head", "Mean"], {"a": [12.34, 56.0], "b": [math.nan, 7.0]}, "AP")
    texts = texts_of(svg)
    assert {"Head", "Mean", "12.3", "56.0", "7.0", "a", "b"} <= set(texts)
    assert "nan" not in texts
    assert charts.colour(0).lower() in svg
    assert charts.colour(1).lower() in svg


def test_precision_has_a_panel_per_group_also_where_runs_differ():
    recall = np.linspace(0, 1, 101)
    curve = np.linspace(100, 0, 101)
    svg = charts.precision_recall({"a": {"Head": curve}, "b": {"Hip": curve}}, recall)
    assert {"Head", "Hip"} <= set(texts_of(svg))


def test_loss_and_ap_over_time():
    svg = charts.over_time({"a": ([1, 2], [0.1, 0.01]), "b": ([], [])}, {"a": ([2], [50.0])}, "AP")
    assert {"training loss", "AP on val", "step"} <= set(texts_of(svg))


def test_a_chart_scales_and_is_named():
    svg = charts.pckh({"a": np.linspace(0, 90, 51)}, np.linspace(0, 1, 51))
    root = ElementTree.fromstring(svg)  # noqa: S314 - made here
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith("PCKh")
    assert root.get("viewBox")
    assert root.get("width") is None


def test_the_same_data_give_the_same_chart():
    values = {"a": [1.0, 2.0]}
    assert charts.bars(["x", "y"], values, "AP") == charts.bars(["x", "y"], values, "AP")


@pytest.mark.parametrize("number", [0, 7, 30])
def test_there_is_a_colour_for_every_run(number):
    assert charts.colour(number) in charts.COLOURS
