"""The live picture of `backontrack watch`, and its plain lines."""

from __future__ import annotations

from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams import topics
from streams.domain.time import SECOND, format_duration
from streams.views.summary import Summary, by_urgency, summarise
from streams.views.view import Recent, View
from streams.views.words import GRADES, STATES, SUPPRESSED, moment, percent, plain, printable, say, severity, usd

_ROWS = 12
_LAST = 6
_STYLES = {"open": "dark_orange", "recovered": "green", "ended": "bright_black", "held_out": "cyan"}


def line(recent: Recent) -> str | None:
    """A record as one line; None for what is not worth one (a health row without a story)."""
    topic, record = recent
    if topic == topics.INTERVENTIONS:
        what = f"{say(STATES, record['state'])}: {record['cause']['text']}"
        if record["playbook"] and record["state"] == "opened":
            what += f" -> {plain(record['playbook']['action'])} by {plain(record['playbook']['channel'])}"
    elif topic == topics.OUTCOMES:
        what = f"outcome {say(STATES, record['outcome'])}, grade {record['grade']} {GRADES.get(record['grade'], '')}"
        if record["time_to_recovery_s"] is not None:
            what += f", well again after {format_duration(record['time_to_recovery_s'] * SECOND)}"
    elif topic == topics.SUPPRESSED:
        what = f"held back: {say(SUPPRESSED, record['reason'])} ({record['cause']['text']})"
    else:
        return None
    return printable(f"{moment(record['at'])}  {record['account_id']}  {what}")


def totals(summary: Summary) -> str:
    """The figures in one line."""
    recovery = summary.median_time_to_recovery_s
    parts = [
        f"{summary.accounts} accounts",
        f"{summary.open} open",
        f"{summary.back_on_track} of {summary.settled} back on track",
        "no recovery yet" if recovery is None else f"median {format_duration(recovery * SECOND)} to recovery",
        f"{sum(summary.suppressed.values())} held back",
    ]
    return ", ".join(parts)


def picture(view: View, wall: int, rows: int = _ROWS, trouble: str | None = None) -> RenderableType:
    """Open episodes by urgency, the newest drops, recoveries and totals. `wall` is the wall clock in ms."""
    summary = summarise(view)
    parts: list[RenderableType] = [_figures(summary), _open(view, rows), _newest(view)]
    if trouble:
        parts.append(Text(f"not up to date: {printable(trouble)}", style="bold red"))
    stream = moment(view.stream_time) if view.stream_time else "no records yet"
    return Panel(
        Group(*parts), title="Back on Track", subtitle=f"newest event {stream}, now {moment(wall)}, Ctrl-C ends"
    )


def _figures(summary: Summary) -> RenderableType:
    recovery = summary.median_time_to_recovery_s
    share, unchased = summary.back_on_track_share, summary.unchased_share
    figures = (
        ("open", str(summary.open)),
        ("back on track", "-" if share is None else percent(share)),
        ("median to recovery", "-" if recovery is None else format_duration(recovery * SECOND)),
        ("unchased", "-" if unchased is None else percent(unchased)),
        ("held back", str(sum(summary.suppressed.values()))),
        ("at stake a year", usd(summary.value_at_risk)),
        ("accounts", f"{summary.accounts:,}"),
    )
    return Columns([Text.assemble((value, "bold"), f" {name}  ") for name, value in figures])


def _open(view: View, rows: int) -> RenderableType:
    urgent = by_urgency(view)
    if not urgent:
        return Text("\nNo open episodes.\n", style="green")
    table = Table(box=None, padding=(0, 1), expand=True, title=f"Open episodes, {len(urgent)}", title_justify="left")
    table.add_column("account", no_wrap=True)
    table.add_column("open for", justify="right", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
    for each in urgent[:rows]:
        cause: dict[str, Any] = each.episode.latest["cause"]
        value = each.episode.value
        table.add_row(
            Text(printable(each.episode.account_id)),
            format_duration(each.open_for),
            "?" if value is None else usd(value),
            severity(cause["severity"]),
            Text(say(STATES, each.episode.state), style=_STYLES.get(each.episode.phase, "")),
            Text(printable(cause["text"])),
        )
    return table


def _newest(view: View) -> RenderableType:
    drops = [r for r in view.recent if r.topic == topics.INTERVENTIONS and r.record["state"] in {"opened", "relapsed"}]
    ends = [r for r in view.recent if r.topic == topics.OUTCOMES]
    held = [r for r in view.recent if r.topic == topics.SUPPRESSED]
    table = Table.grid(expand=True)
    for title, found, style in (
        ("Newest drops", drops, "dark_orange"),
        ("Newest outcomes", ends, "green"),
        ("Held back", held[-2:], "bright_black"),
    ):
        if found:
            table.add_row(Text(f"\n{title}", style="bold"))
            for recent in reversed(found[-_LAST:]):
                table.add_row(Text(line(recent) or "", style=style, no_wrap=True, overflow="ellipsis"))
    return table
