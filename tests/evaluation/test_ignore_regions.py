"""Points strictly inside polygons."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose.evaluation.ignore_regions import inside_any_ring
from dcpose.formats.posetrack.parse import read_ring
from dcpose.formats.posetrack.video_poses import Complaint

SQUARE = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], dtype=float)
C_SHAPE = np.array([[0, 0], [6, 0], [6, 2], [2, 2], [2, 4], [6, 4], [6, 6], [0, 6]], dtype=float)
# a five-pointed star drawn in one stroke: the middle is wound twice
STAR = np.array([[np.sin(k * 0.8 * np.pi), np.cos(k * 0.8 * np.pi)] for k in range(5)])


def inside(point, *rings):
    return bool(inside_any_ring(np.array(point, dtype=float), list(rings)))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((2, 2), True), ((5, 2), False), ((2, -1), False),
        ((0, 2), False), ((2, 4), False), ((4, 2), False), ((2, 0), False),  # border
        ((0, 0), False), ((4, 4), False), ((4, 0), False), ((0, 4), False),  # vertices
        ((-1, 0), False), ((5, 4), False),  # on the line of an edge
        ((np.nan, 2), False), ((2, np.inf), False),
    ],
)  # fmt: skip
def test_square(point, expected):
    assert inside(point, SQUARE) is expected
    assert inside(point, SQUARE[::-1]) is expected
    assert inside(point, np.concatenate([SQUARE, SQUARE[:1]])) is expected  # closed ring


@pytest.mark.parametrize(
    ("point", "expected"), [((1, 3), True), ((4, 3), False), ((4, 1), True), ((2, 3), False)]
)
def test_concave(point, expected):
    assert inside(point, C_SHAPE) is expected


def test_crossing_rings_follow_the_even_odd_rule():
    assert not inside((0, 0), STAR)
    assert inside((0, 0.7), STAR)
    assert not inside((2, 2), np.concatenate([SQUARE, SQUARE]))  # run through twice


def test_rings_without_area_contain_nothing():
    assert not inside((1, 1), np.array([[0, 0], [2, 2], [1, 1]], dtype=float))
    assert not inside((1, 1), np.zeros((0, 2)))
    assert not inside((1, 1))


def test_one_of_several_rings_is_enough():
    assert inside((12, 2), SQUARE, SQUARE + np.array([10, 0]))


def test_keeps_the_shape_of_the_points():
    points = np.array([[[2, 2], [9, 9], [1, 1]], [[4, 4], [0, 1], [3, 3]]], dtype=float)
    expected = [[True, False, True], [False, False, True]]
    assert inside_any_ring(points, [SQUARE]).tolist() == expected
    assert inside_any_ring(np.zeros((0, 15, 2)), [SQUARE]).shape == (0, 15)


@given(st.integers(1, 10**6), st.integers(-3, 3))
def test_sides_are_exact_next_to_an_edge(step, ulps):
    # the edge from (0, 0) to (3, 1) scaled: a few units in the last place decide
    triangle = np.array([[0, 0], [3e6, 1e6], [0, 1e6]], dtype=float)
    x = 3e6 * step / (10**6 + 1)
    y = x / 3
    for _ in range(abs(ulps)):
        y = np.nextafter(y, np.inf * ulps)
    above = Fraction(float(y)) * 3 > Fraction(float(x))  # above the edge is inside
    assert inside((x, y), triangle) is above


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=8))
def test_agrees_with_counting_crossings_exactly(corners):
    # points off the integer grid by unequal fractions: the ray meets no vertex
    ring = np.array(corners, dtype=float)
    points = np.array([[x + 0.5, y + 0.25] for x in range(-1, 7) for y in range(-1, 7)])
    found = inside_any_ring(points, [ring])
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    for (x, y), is_inside in zip(points, found, strict=True):
        crossings, on_border = 0, False
        px, py = Fraction(float(x)), Fraction(float(y))
        for (ax, ay), (bx, by) in edges:
            if (ay > py) != (by > py):
                at = ax + (py - ay) * Fraction(bx - ax, by - ay)
                crossings += at > px
                on_border |= at == px
        assert is_inside == (crossings % 2 == 1 and not on_border)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[1, 1]], "1 points"), ([[1, 1], [2, 2]], "2 points"),
        ([[1, 1], [2, None], [3, 3]], "finite"),
        ([[1, 1], [2, "a"], [3, 3]], "'a'"),
    ],
)  # fmt: skip
def test_bad_polygons_are_refused(points, words):
    with pytest.raises(ValueError, match=words) as raised:
        read_ring(points, "frame 7", Complaint(Path("gt/a.json")))
    assert "gt/a.json: frame 7" in str(raised.value)
