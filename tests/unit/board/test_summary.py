"""The figures, and the order of urgency."""

from __future__ import annotations

from typing import Any

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR
from streams.views.summary import by_urgency, summarise
from streams.views.view import View
from tests.support.sample_outputs import START, cause, health, outcome, step, suppressed


def opened(view: View, account_id: str, severity: float, value: float | None, days: float) -> dict[str, Any]:
    """Opens an episode whose first sign was `days` before START."""
    record = step(
        account_id, "opened", 0, START, START,
        cause=cause(severity=severity), value=value, onset_at=START - int(days * DAY),
    )  # fmt: skip
    view.apply(topics.INTERVENTIONS, account_id, record)
    return record


def test_nothing_seen_gives_no_shares_rather_than_zero() -> None:
    summary = summarise(View())
    assert (summary.back_on_track_share, summary.unchased_share, summary.coverage) == (None, None, None)
    assert (summary.open, summary.median_time_to_recovery_s, by_urgency(View())) == (0, None, [])


def test_urgency_is_severity_times_value_times_time_open() -> None:
    view = View()
    opened(view, "a", 0.5, 10_000.0, 2)
    opened(view, "b", 0.5, 10_000.0, 3)
    opened(view, "c", 1.0, 90_000.0, 1)
    assert [urgent.episode.account_id for urgent in by_urgency(view)] == ["c", "b", "a"]
    assert by_urgency(view)[0].urgency == pytest.approx(90_000.0)
    assert by_urgency(view)[0].open_for == DAY


def test_unknown_value_counts_as_the_median_of_the_known() -> None:
    view = View()
    opened(view, "low", 0.5, 1_000.0, 2)
    opened(view, "unknown", 0.5, None, 2)
    opened(view, "high", 0.5, 50_000.0, 2)
    opened(view, "middle", 0.4, 10_000.0, 2)
    order = [urgent.episode.account_id for urgent in by_urgency(view)]
    assert order == ["high", "unknown", "middle", "low"]


def test_a_new_episode_is_not_last_for_being_new() -> None:
    view = View()
    opened(view, "new", 1.0, 90_000.0, 0)
    opened(view, "old", 0.1, 1_000.0, 1)
    assert by_urgency(view)[0].episode.account_id == "new"
    assert by_urgency(view)[0].urgency == pytest.approx(90_000.0 * HOUR / DAY)


def test_share_back_on_track_is_of_settled_episodes_only() -> None:
    view = View()
    for account_id, result in (("a", "confirmed"), ("b", "expired"), ("c", "withdrawn"), ("d", None)):
        record = opened(view, account_id, 0.5, 10_000.0, 1)
        if result:
            view.apply(topics.OUTCOMES, account_id, outcome(record, result, 1, START + DAY))
    summary = summarise(view)
    assert (summary.settled, summary.back_on_track, summary.back_on_track_share) == (2, 1, 0.5)
    assert (summary.episodes, summary.open, summary.unchased_share) == (4, 1, 1.0)


def test_median_time_to_recovery_and_value_come_from_recovered_episodes() -> None:
    view = View()
    for account_id, seconds in (("a", 100.0), ("b", 300.0), ("c", 800.0)):
        record = opened(view, account_id, 0.5, 10_000.0, 1)
        view.apply(
            topics.OUTCOMES, account_id, outcome(record, "back_on_track", 1, START + DAY, time_to_recovery_s=seconds)
        )
    opened(view, "d", 0.5, 7_000.0, 1)
    summary = summarise(view)
    assert summary.median_time_to_recovery_s == 300.0
    assert (summary.value_recovered, summary.value_at_risk) == (30_000.0, 7_000.0)


def test_relapse_is_counted_and_not_back_on_track() -> None:
    view = View()
    record = opened(view, "a", 0.5, 10_000.0, 1)
    view.apply(topics.OUTCOMES, "a", outcome(record, "back_on_track", 1, START + DAY))
    view.apply(topics.OUTCOMES, "a", outcome(record, "relapsed", 2, START + 2 * DAY))
    summary = summarise(view)
    assert (summary.relapsed, summary.back_on_track, summary.open) == (1, 0, 1)


def test_bands_grades_coverage_and_suppressed_are_counted() -> None:
    view = View()
    view.apply(topics.HEALTH, "a", health("a", START, 20.0))
    view.apply(topics.HEALTH, "b", health("b", START, None, covered=False))
    view.apply(topics.SUPPRESSED, "a", suppressed("a", "quiet_hours", START))
    record = opened(view, "a", 0.5, 10_000.0, 1)
    view.apply(topics.OUTCOMES, "a", outcome(record, "confirmed", 1, START + DAY))
    summary = summarise(view)
    assert summary.bands == {"critical": 1, "at_risk": 0, "watch": 0, "healthy": 0, "unknown": 1}
    assert (summary.grades["4"], summary.coverage, summary.suppressed) == (1, 0.5, {"quiet_hours": 1})
