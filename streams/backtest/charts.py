"""Charts as inline SVG: no script, no request, colours from the page's style sheet, and a table beside each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

_WIDTH, _HEIGHT = 620, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 6, 10, 24
_TICKS = 5
_CHARACTER = 7.0
_MOST_POINTS = 260


class Series(NamedTuple):
    """What one policy adds to a chart: a value for each category."""

    name: str
    values: Sequence[float]


class Span(NamedTuple):
    """An episode under a series of measurements; times in ms, `end` is None while it lasts."""

    start: int
    opened: int
    end: int | None
    text: str


class Lane(NamedTuple):
    """The episodes of one policy."""

    name: str
    spans: Sequence[Span]


def bars(title: str, categories: Sequence[str], series: Sequence[Series], note: str = "") -> str:
    """A group of bars for each category, one for each series, and the same as a table. Nothing to show says so."""
    if not categories or not any(any(one.values) for one in series):
        return _figure(title, note, '<p class="empty">None.</p>', "")
    scale = _Scale(max(max(one.values) for one in series))
    width = (_WIDTH - _LEFT - _RIGHT) / len(categories)
    bar = min(34.0, width * 0.8 / len(series))
    every = -(-(max(map(len, categories)) + 1) * _CHARACTER // width)
    parts = [scale.grid()]
    for place, category in enumerate(categories):
        middle = _LEFT + width * (place + 0.5)
        for number, one in enumerate(series):
            value = one.values[place]
            if not value:
                continue
            x, y = middle + (number - len(series) / 2) * bar, scale.y(value)
            text = escape(f"{category}, {one.name}: {_number(value)}")
            parts.append(
                f'<rect class="p{number}" x="{x:.1f}" y="{y:.1f}" width="{max(1.0, bar - 1):.1f}" '
                f'height="{_HEIGHT - _BOTTOM - y:.1f}"><title>{text}</title></rect>'
            )
        if place % max(1, int(every)) == 0:
            parts.append(f'<text class="axis" x="{middle:.1f}" y="{_HEIGHT - 7}" {_MIDDLE}>{escape(category)}</text>')
    drawn = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}; the figures are in the table">'
    )
    body = f'{_legend([one.name for one in series])}<div class="chart">{drawn}{"".join(parts)}</svg></div>'
    lines = [(category, *(_number(one.values[i]) for one in series)) for i, category in enumerate(categories)]
    return _figure(title, note, body, table(("", *(one.name for one in series)), lines))


def course(title: str, note: str, points: Sequence[tuple[int, float]], lanes: Sequence[Lane]) -> str:
    """A series of measurements with the episodes of each policy below it; small."""
    width, height, lane_height = 360, 96, 9
    first = min([at for at, _ in points] + [span.start for lane in lanes for span in lane.spans])
    last = max([at for at, _ in points] + [span.end or span.opened for lane in lanes for span in lane.spans])
    length = max(1, last - first)

    def x(at: int) -> float:
        return 2 + (width - 4) * (at - first) / length

    shown = _thinned(points)
    low = min([0.0, *(value for _, value in shown)])
    high = max([value for _, value in shown], default=1.0)
    rise = (height - 6) / (high - low or 1.0)
    line = " ".join(f"{x(at):.1f},{height - 2 - (value - low) * rise:.1f}" for at, value in shown)
    parts = [f'<polyline class="line" points="{line}"/>']
    for number, lane in enumerate(lanes):
        y = height + 3 + number * (lane_height + 3)
        parts.append(f'<rect class="track" x="0" y="{y}" width="{width}" height="{lane_height}"/>')
        for span in lane.spans:
            left, right = x(span.start), x(last if span.end is None else span.end)
            parts.append(
                f'<rect class="p{number} span" x="{left:.1f}" y="{y}" width="{max(2.0, right - left):.1f}" '
                f'height="{lane_height}"><title>{escape(f"{lane.name}: {span.text}")}</title></rect>'
                f'<rect class="p{number}" x="{x(span.opened) - 1:.1f}" y="{y}" width="2" height="{lane_height}"/>'
            )
    total = height + 4 + len(lanes) * (lane_height + 3)
    says = escape(f"{title}: {len(points)} measurements; the episodes are in the table")
    svg = f'<svg viewBox="0 0 {width} {total}" role="img" aria-label="{says}">{"".join(parts)}</svg>'
    ends = f'<p class="ends"><span>{day(first)}</span><span>{day(last)}</span></p>'
    lines = [(lane.name, span.text) for lane in lanes for span in lane.spans]
    return _figure(title, note, svg + ends, table(("policy", "episode"), lines), level=3)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; the first column says what the line is."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in lines
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def day(at: int) -> str:
    """The date of a time in ms, UTC."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


_MIDDLE = 'text-anchor="middle"'


class _Scale:
    """The vertical axis, from zero to a round number at or above the largest value."""

    def __init__(self, largest: float) -> None:
        power = 10.0 ** floor(log10(largest / _TICKS))
        self._step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if power * factor * _TICKS >= largest)
        self._ticks = ceil(largest / self._step)

    def y(self, value: float) -> float:
        """Where a value lies."""
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / (self._step * self._ticks)

    def grid(self) -> str:
        """Lines and numbers."""
        parts = []
        for tick in range(self._ticks + 1):
            y = self.y(tick * self._step)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            text = _number(tick * self._step)
            parts.append(f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        return "".join(parts)


def _figure(title: str, note: str, body: str, numbers: str, level: int = 2) -> str:
    remark = f'<p class="note">{escape(note)}</p>' if note else ""
    more = f"<details><summary>As a table</summary>{numbers}</details>" if numbers else ""
    return f'<section class="panel"><h{level}>{escape(title)}</h{level}>{remark}{body}{more}</section>'


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:  # noqa: PLR2004  one series needs no legend
        return ""
    items = "".join(f'<li><i class="p{number}"></i>{escape(name)}</li>' for number, name in enumerate(names))
    return f'<ul class="legend">{items}</ul>'


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Few enough points to draw: the least and the largest of each stretch, in time order."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    stretch = -(-len(points) * 2 // _MOST_POINTS)
    kept = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept += sorted({min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])})
    return kept


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"
