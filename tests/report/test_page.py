"""The page as HTML."""

from dcpose.report.page import Card, Chart, Gallery, Page, Sweep, Table, render


def page(**more) -> Page:
    return Page(
        "A run", "Made today.", Table(["run", "Mean"], [["a", "1.0"]]), {"a": "flip: off"}, **more
    )


def test_text_is_escaped_and_charts_are_not():
    hostile = "<script>alert(1)</script>"
    html = render(
        Page(
            title=hostile,
            made="",
            results=Table(["run", hostile], [[hostile, "1"]]),
            protocols={hostile: hostile},
            charts=[Chart(hostile, "<svg></svg>", hostile)],
            galleries=[Gallery(hostile, [Card(hostile, hostile, {hostile: "data:,"})], hostile)],
            sweeps=[Sweep(hostile, Table([hostile], [[hostile]]))],
            environments={hostile: {hostile: hostile}},
            notes=[hostile],
        )
    )
    assert "<script" not in html
    assert "<svg></svg>" in html


def test_sections_without_content_are_left_out():
    html = render(page())
    for anchor in ("worst", "sweeps", "chart-1"):
        assert f'id="{anchor}"' not in html
        assert f'href="#{anchor}"' not in html
    assert 'id="results"' in html


def test_nothing_comes_from_elsewhere():
    html = render(
        page(sweeps=[Sweep("s", Table(["a"], [["b"]]), "data:image/svg+xml;base64,AA==")])
    )
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html
