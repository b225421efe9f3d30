"""Charts as SVG: true to their figures, safe with any name, readable without seeing them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.charts import Lane, Series, Span, bars, course, table
from streams.domain.time import DAY

T = 1_700_000_000_000


def parsed(text: str) -> ET.Element:
    """The markup as XML: nothing is left open, nothing is unescaped."""
    return ET.fromstring(text)  # noqa: S314  made here


def test_every_value_is_a_bar_and_a_cell() -> None:
    chart = parsed(bars("Ends", ["open", "over"], [Series("a", [1, 2]), Series("b", [0, 4])]))
    heights = [float(bar.attrib["height"]) for bar in chart.iter("rect")]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 2, 4], rel=0.02)
    assert [cell.text for cell in chart.iter("td")] == ["1", "0", "2", "4"]


def test_chart_of_nothing_says_so() -> None:
    for chart in (bars("x", [], []), bars("x", ["a"], [Series("p", [0])])):
        assert "None." in chart
        assert "<svg" not in chart


@given(st.floats(1e-6, 1e9))
def test_bars_stay_within_the_chart_and_the_axis_is_round(largest: float) -> None:
    """From tiny rates to large counts."""
    chart = bars("x", ["a"], [Series("p", [largest])])
    top = max(float(bar.attrib["height"]) for bar in parsed(chart).iter("rect"))
    assert 0 < top <= 220
    assert 2 <= len(re.findall('class="grid"', chart)) <= 7


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_name_is_shown_as_text(name: str) -> None:
    chart = parsed(bars(name, [name], [Series(name, [1]), Series("b", [2])]))
    assert chart.find("h2") is not None
    assert "".join(chart.find("h2").itertext()) == name  # type: ignore[union-attr]
    assert not list(chart.iter("script"))


def test_course_shows_the_measurements_and_a_row_for_each_policy() -> None:
    points = [(T + day * DAY, float(day % 7)) for day in range(1000)]
    lanes = [Lane("a", [Span(T, T + DAY, T + 9 * DAY, "one")]), Lane("b", [Span(T, T + DAY, None, "two")])]
    chart = parsed(course("acme", "logins", points, lanes))
    line = next(chart.iter("polyline")).attrib["points"].split()
    assert 100 < len(line) <= 300
    widths = [float(bar.attrib["width"]) for bar in chart.iter("rect") if "span" in bar.attrib["class"].split()]
    assert len(widths) == 2
    assert widths[1] > 300, "one that has not ended reaches the end"
    assert [cell.text for cell in chart.iter("td")] == ["one", "two"]


def test_course_of_a_single_measurement_is_drawn() -> None:
    parsed(course("a", "m", [(T, 0.0)], [Lane("p", [])]))


def test_table_marks_what_a_line_is_about() -> None:
    assert '<th scope="row">a &amp; b</th><td>1</td>' in table(("", "x"), [("a & b", "1")])
