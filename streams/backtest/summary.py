"""The figures of a backtest as JSON, and as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from streams.backtest.compare import Difference, Figures, Leads, agreed, quantile
from streams.backtest.episodes import EpisodeRow
from streams.domain.time import DAY, format_duration, format_time

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_SHOWN = 10


def as_json(
    made: Sequence[Figures], found: Sequence[Sequence[Difference]], window: int, tolerance: int
) -> dict[str, Any]:
    """Everything, for programs. Durations are days; `differences` compare each further policy with the first."""
    return {
        "account_years": made[0].years,
        "window_days": window / DAY,
        "tolerance_days": tolerance / DAY,
        "policies": [_policy(one) for one in made],
        "differences": [
            {
                "first": made[0].name,
                "other": other.name,
                "both": agreed(made[0].result.episodes, differ),
                "accounts": [_difference(one) for one in differ],
            }
            for other, differ in zip(made[1:], found, strict=True)
        ],
    }


def _policy(one: Figures) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "events": dict(one.result.events),
        "interventions": dict(one.result.opened),
        "outcomes": dict(one.result.outcomes),
        "suppressed": dict(one.result.suppressed),
        "episodes": one.episodes,
        "episodes_by_kind": dict(one.by_kind),
        "episodes_by_end": dict(one.by_end),
        "episodes_per_account_year": one.rate(one.episodes),
        "accounts_with_episodes": one.accounts,
        "recovery_days": _spread(one.recovery),
        "leads": {group: _leads(found) for group, found in one.leads.items()},
    }


def _leads(found: Leads) -> dict[str, Any]:
    return {
        "events": found.events,
        "preceded": found.preceded,
        "share_preceded": found.share_preceded,
        "lead_days": _spread(found.leads),
        "unconfirmed": found.without,
        "share_unconfirmed": found.share_without,
        "too_late_to_tell": found.untold,
    }


def _spread(ascending: Sequence[int]) -> dict[str, float]:
    """Quantiles in days by their names; empty without values."""
    return {
        f"p{share:.0%}".rstrip("%"): at / DAY for share in _QUANTILES if (at := quantile(ascending, share)) is not None
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "account_id": one.account_id,
        "both": one.both,
        "first_only": [_row(row) for row in one.first_only],
        "other_only": [_row(row) for row in one.other_only],
    }


def _row(row: EpisodeRow) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "kind": row.kind,
        "onset_at": format_time(row.onset_at),
        "opened_at": format_time(row.opened_at),
        "recovered_at": None if row.recovered_at is None else format_time(row.recovered_at),
        "ended_as": row.ended_as,
    }


def tables(made: Sequence[Figures], found: Sequence[Sequence[Difference]], window: int) -> list[Table]:
    """For the terminal: one column a policy, then who differs."""
    table = Table("", "what", *(one.name for one in made), title=_title(made))
    for part, what, cells in rows(made, window):
        table.add_row(part, what, *cells)
    shown = [table]
    for other, differ in zip(made[1:], found, strict=True):
        title = f"{made[0].name} and {other.name}: {agreed(made[0].result.episodes, differ):,} episodes in both"
        if not differ:
            title += ", none in one only"
        accounts = Table("account", "both", f"only {made[0].name}", f"only {other.name}", title=title)
        for one in differ[:_SHOWN]:
            accounts.add_row(one.account_id, str(one.both), str(len(one.first_only)), str(len(one.other_only)))
        if len(differ) > _SHOWN:
            accounts.add_row(f"and {len(differ) - _SHOWN:,} more accounts", "", "", "")
        shown.append(accounts)
    return shown


def _title(made: Sequence[Figures]) -> str:
    names = "policy" if len(made) == 1 else "policies"
    return f"{names} {', '.join(one.title for one in made)} on {made[0].years:,.1f} account-years"


def rows(made: Sequence[Figures], window: int) -> list[tuple[str, str, list[str]]]:
    """Part, what it is, and the text for each policy."""
    shown: list[tuple[str, str, list[str]]] = []
    _counted(shown, "events", [one.result.events for one in made])
    shown.append(("episodes", "all", [f"{one.episodes:,}" for one in made]))
    _counted(shown, "episodes", [one.by_kind for one in made])
    shown.append(("episodes", "per account-year", [_number(one.rate(one.episodes)) for one in made]))
    for kind in _keys([one.by_kind for one in made]) if len(made[0].by_kind) > 1 else ():
        rates = [_number(one.rate(one.by_kind[kind])) for one in made]
        shown.append(("episodes", f"{kind}, per account-year", rates))
    _counted(shown, "ended as", [one.by_end for one in made])
    shown.append(("recovery", "median time", [_time(quantile(one.recovery, 0.5)) for one in made]))
    _counted(shown, "interventions", [one.result.opened for one in made])
    _counted(shown, "outcomes", [one.result.outcomes for one in made])
    _counted(shown, "suppressed", [one.result.suppressed for one in made])
    for group in made[0].leads:
        shown += _lead_rows(group, [one.leads[group] for one in made], window)
    return shown


def _lead_rows(group: str, found: Sequence[Leads], window: int) -> list[tuple[str, str, list[str]]]:
    part = "loss or complaint" if group == "any" else group
    days = format_duration(window)
    return [
        (part, "events", [f"{one.events:,}" for one in found]),
        (part, f"preceded by an episode within {days}", [_share(one.preceded, one.share_preceded) for one in found]),
        (part, "median lead time", [_time(quantile(one.leads, 0.5)) for one in found]),
        (part, f"episodes that none followed within {days}", [_share(one.without, one.share_without) for one in found]),
        (part, "episodes too late to tell", [f"{one.untold:,}" for one in found]),
    ]


def _counted(shown: list[tuple[str, str, list[str]]], part: str, counters: Sequence[Mapping[str, int]]) -> None:
    shown += [(part, key, [f"{counter.get(key, 0):,}" for counter in counters]) for key in _keys(counters)]


def _keys(counters: Sequence[Mapping[str, int]]) -> list[str]:
    """The keys of all of them, the most frequent first."""
    total: dict[str, int] = {}
    for counter in counters:
        for key, count in counter.items():
            total[key] = total.get(key, 0) + count
    return sorted(total, key=lambda key: (-total[key], key))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _time(ms: int | None) -> str:
    return "-" if ms is None else format_duration(ms)


def _share(count: int, share: float | None) -> str:
    return f"{count:,}" if share is None else f"{count:,} ({share:.0%})"
