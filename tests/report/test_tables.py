"""One table in three forms."""

import math

import pytest

from dcpose.report.tables import Spread, Table, row_of

TABLE = Table(["variant", "Head"], [["a < b", "80.1"], ["a longer one", "7.0"]])


def test_text_lines_up():
    assert TABLE.text().splitlines() == [
        "variant          Head",
        "a < b            80.1",
        "a longer one      7.0",
    ]
    assert row_of({"Head": 80.06, "A long title": math.nan}).text().splitlines() == [
        "    Head A long title",
        "    80.1          nan",
    ]


def test_markdown_and_back():
    text = TABLE.markdown()
    assert text == "| variant | Head |\n|---| ---: |\n| a < b | 80.1 |\n| a longer one | 7.0 |"
    assert Table.from_markdown(f"{text}\n\nnotes") == TABLE
    with pytest.raises(ValueError, match="holds no table"):
        Table.from_markdown("notes\n")


def test_html_is_escaped_and_says_what_names_a_row():
    text = TABLE.html('AP of "x"')
    assert '<tr><th scope="row">a &lt; b</th><td>80.1</td></tr>' in text
    assert 'aria-label="AP of &quot;x&quot;"' in text


def test_a_table_of_numbers_alone():
    assert row_of({"Head": 80.06}).markdown() == "| Head |\n| ---: |\n| 80.1 |"


def test_spread_with_a_sign():
    assert f"{Spread(0.26, math.nan):+}" == "+0.3"
    assert f"{Spread(-0.26, 0.1):+}" == "-0.3 ± 0.1"
    assert f"{Spread.of([]):+}" == "-"
    assert Spread.of_differences([(3.0, 1.0), (None, 1.0), (4.0, 4.0)]) == Spread.of([2.0, 0.0])
