"""The report of a backtest: one HTML file with its charts in it, which asks nobody for anything."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from streams import topics
from streams.backtest import charts, summary
from streams.backtest.compare import HARMS, Difference, Figures, agreed
from streams.backtest.episodes import EpisodeRow
from streams.backtest.fold import Result
from streams.backtest.history import measurements
from streams.domain.time import DAY, WEEK, format_duration

_STEPS = (0, DAY, 3 * DAY, WEEK, 2 * WEEK, 4 * WEEK, 8 * WEEK, 13 * WEEK, 26 * WEEK, 52 * WEEK)
_STEP_NAMES = ("< 1 d", "1-3 d", "3-7 d", "1-2 w", "2-4 w", "4-8 w", "8-13 w", "13-26 w", "26-52 w", "> 52 w")
_MOST_BINS = 62
_MULTIPLES = 12
_LISTED = 200
_LISTED_SPANS = 40


def write_report(
    path: Path,
    result: Result,
    made: Sequence[Figures],
    found: Sequence[Sequence[Difference]],
    window: int,
    tolerance: int,
    usage: Path | None,
) -> None:
    """Writes the report; `found` compares each further policy with the first. Raises OSError."""
    parts = [
        _head(result, made),
        charts_of_figures(result, made, window),
        _panel("All figures", charts.table(("", "", *(one.name for one in made)), _figure_lines(made, window))),
        *(_differences(made[0], other, differ, tolerance) for other, differ in zip(made[1:], found, strict=True)),
        _multiples(made, found, usage),
    ]
    page = (files("streams.backtest") / "report.html").read_text(encoding="utf-8")
    path.write_text(Template(page).substitute(body="\n".join(parts)), encoding="utf-8")


def charts_of_figures(result: Result, made: Sequence[Figures], window: int) -> str:
    """When, what kind, how they ended, how long it took, and how early they were."""
    starts, labels, unit = _bins(min((first for first, _ in result.spans.values()), default=result.end), result.end)
    opened = [
        charts.Series(one.name, _histogram([row.opened_at for row in one.result.episodes], starts)) for one in made
    ]
    drawn = [
        charts.bars("Episodes over time", labels, opened, f"Opened in each {unit}."),
        _counted("Episodes by kind, per account-year", made, [one.by_kind for one in made], per_year=True),
        _counted("How they ended", made, [one.by_end for one in made]),
        charts.bars(
            "Time to recovery",
            _STEP_NAMES,
            [charts.Series(one.name, _histogram(one.recovery, _STEPS)) for one in made],
            "From the onset to the first moment of the recovery, of episodes that recovered.",
        ),
    ]
    for group in made[0].leads:
        what = "a loss or a complaint" if group == "any" else f"a {group}"
        drawn.append(
            charts.bars(
                f"Lead time before {what}",
                _STEP_NAMES,
                [charts.Series(one.name, _histogram(one.leads[group].leads, _STEPS)) for one in made],
                f"From the opening to the next one of the account, where it came within {format_duration(window)}.",
            )
        )
    outcomes = [one.result.outcomes for one in made]
    drawn.append(_counted("Outcomes of interventions", made, outcomes))
    drawn.append(_counted("Suppressed, by reason", made, [one.result.suppressed for one in made]))
    return f'<div class="columns">{"".join(drawn)}</div>'


def _head(result: Result, made: Sequence[Figures]) -> str:
    names = ", ".join(one.title for one in made)
    first = min((at for at, _ in result.spans.values()), default=result.end)
    text = f"{len(result.spans):,} accounts from {charts.day(first)} to {charts.day(result.end)}: "
    text += f"{made[0].years:,.1f} account-years."
    counts = Counter(harm.kind for harm in result.harms)
    if counts:
        text += " The history holds " + ", ".join(f"{n:,} x {HARMS[kind]}" for kind, n in counts.most_common()) + "."
    return (
        f"<h1>Backtest of {'policy' if len(made) == 1 else 'policies'} {escape(names)}</h1><p>{escape(text)}</p>"
        '<p class="note">What a policy would have found on this history. What its interventions would have changed, '
        "history cannot tell: that needs accounts that are held out. An episode that nothing followed is "
        "unconfirmed, not necessarily false.</p>"
    )


def _figure_lines(made: Sequence[Figures], window: int) -> list[list[str]]:
    return [[part, what, *cells] for part, what, cells in summary.rows(made, window)]


def _differences(first: Figures, other: Figures, found: Sequence[Difference], tolerance: int) -> str:
    title = f"Where {first.name} and {other.name} differ"
    near = format_duration(tolerance)
    both = agreed(first.result.episodes, found)
    note = f"{both:,} episodes are in both: on the same metric, onsets at most {near} apart."
    if not found:
        return _panel(title, f'<p class="note">{escape(note)} None is in one only.</p>')
    lines = [
        (
            one.account_id,
            str(one.both),
            "; ".join(_text(row) for row in one.first_only[:_LISTED_SPANS]),
            "; ".join(_text(row) for row in one.other_only[:_LISTED_SPANS]),
        )
        for one in found[:_LISTED]
    ]
    if len(found) > _LISTED:
        note += f" The {_LISTED} accounts that differ most of {len(found):,}."
    numbers = charts.table(("account", "both", f"only {first.name}", f"only {other.name}"), lines)
    return _panel(title, f'<p class="note">{escape(note)}</p><details><summary>By account</summary>{numbers}</details>')


def _multiples(made: Sequence[Figures], found: Sequence[Sequence[Difference]], usage: Path | None) -> str:
    """The accounts that differ most, or with one policy those with most episodes."""
    if usage is None:
        return ""
    sizes: Counter[str] = Counter()
    if len(made) > 1:
        for differ in found:
            sizes.update({one.account_id: one.size for one in differ})
        title = "Accounts that differ most"
    else:
        sizes.update(row.account_id for row in made[0].result.episodes)
        title = "Accounts with most episodes"
    names = [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_MULTIPLES]]
    series = measurements(usage, topics.USAGE, frozenset(names))
    drawn = [_course(name, made, series[name]) for name in names if series.get(name)]
    if not drawn:
        return ""
    legend = "".join(f'<li><i class="p{number}"></i>{escape(one.name)}</li>' for number, one in enumerate(made))
    note = (
        "The line is the metric as it was sent. Below it each policy has a row: an episode from its onset to its end, "
    )
    note += "and where it was opened."
    return (
        f'<h2>{escape(title)}</h2><p class="note">{escape(note)}</p><ul class="legend">{legend}</ul>'
        f'<div class="small">{"".join(drawn)}</div>'
    )


def _course(account: str, made: Sequence[Figures], series: dict[str, list[tuple[int, float]]]) -> str:
    """One metric of an account: the one with most episodes, else the one that is sent most."""
    rows = [[row for row in one.result.episodes if row.account_id == account] for one in made]
    counts = Counter(row.metric for mine in rows for row in mine if row.metric in series)
    metric = max(series, key=lambda name: (counts[name], len(series[name]), name))
    lanes = [
        charts.Lane(
            one.name,
            [
                charts.Span(row.onset_at, row.opened_at, _end(row), _text(row))
                for row in mine
                if row.metric == metric or row.metric not in series
            ],
        )
        for one, mine in zip(made, rows, strict=True)
    ]
    return charts.course(account, metric, series[metric], lanes)


def _end(row: EpisodeRow) -> int | None:
    """Where it is drawn to: the first good sample, or when a new normal was judged; None while it is open."""
    return row.ended_at if row.recovered_at is None else row.recovered_at


def _text(row: EpisodeRow) -> str:
    what = f"{row.kind} on {row.metric}" if row.metric else row.kind
    end = (
        f"recovered {charts.day(row.recovered_at)}" if row.recovered_at is not None else row.ended_as.replace("_", " ")
    )
    return f"{what} since {charts.day(row.onset_at)}, opened {charts.day(row.opened_at)}, {end}"


def _counted(title: str, made: Sequence[Figures], counters: Sequence[Counter[str]], *, per_year: bool = False) -> str:
    keys = [key for key, _ in sum(counters, Counter[str]()).most_common()]
    series = [
        charts.Series(one.name, [(one.rate(counter[key]) or 0.0) if per_year else counter[key] for key in keys])
        for one, counter in zip(made, counters, strict=True)
    ]
    return charts.bars(title, [key.replace("_", " ") for key in keys], series)


def _histogram(values: Sequence[int], starts: Sequence[int]) -> list[float]:
    """How many values lie at or after each start and before the next."""
    counts = [0.0] * len(starts)
    for value in values:
        counts[max(0, bisect_right(starts, value) - 1)] += 1
    return counts


def _bins(first: int, last: int) -> tuple[list[int], list[str], str]:
    """Starts and names of the stretches of a chart over time, and what one is called: a day, a week or months."""
    for size, unit in ((DAY, "day"), (WEEK, "week")):
        if (last - first) // size < _MOST_BINS:
            start = first - (first - 4 * DAY) % size
            starts = list(range(start, last + 1, size)) or [start]
            return starts, [charts.day(at)[2:] for at in starts], unit
    for months, unit in ((1, "month"), (3, "quarter")):
        starts = _months(first, last, months)
        if len(starts) <= _MOST_BINS:
            return starts, [charts.day(at)[:7] for at in starts], unit
    starts = _months(first, last, 12)
    return starts, [charts.day(at)[:4] for at in starts], "year"


def _months(first: int, last: int, months: int) -> list[int]:
    begin = datetime.fromtimestamp(first / 1000, UTC)
    number = (begin.year * 12 + begin.month - 1) // months * months
    starts: list[int] = []
    while not starts or starts[-1] <= last:
        starts.append(int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000)
        number += months
    return starts[:-1]


def _panel(title: str, body: str) -> str:
    return f'<section class="panel"><h2>{escape(title)}</h2>{body}</section>'
