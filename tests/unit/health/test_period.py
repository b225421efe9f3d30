"""Periods: where an event counts and when a period closes."""

import pytest

from streams.domain.time import DAY, HOUR, MINUTE, WEEK
from streams.health import period
from streams.policy.load import default_policy
from tests.support.history import MONDAY, History, daily


def test_events_of_a_day_add_up() -> None:
    """Three events, one period."""
    history = History()
    for hour in (8, 9, 10):
        history.usage(MONDAY + hour * HOUR, 2.0)
    history.usage(MONDAY + DAY, 1.0)
    assert [y * y for y in history.account.signals.metrics["logins"].ys] == [pytest.approx(6.0)]


def test_an_event_that_only_adds_is_absorbed() -> None:
    """Nothing else has to be looked at for it."""
    history = History()
    history.usage(MONDAY + HOUR, 1.0)
    assert history.usage(MONDAY + 2 * HOUR, 1.0) == "absorbed"


def test_a_quiet_account_closes_zeros_by_timer() -> None:
    """Two days without an event are two zeros, while others keep the feed alive."""
    history = History()
    history.usage(MONDAY + HOUR, 4.0)
    for hour in range(2, 24 * 3 + 2):
        history.usage(MONDAY + hour * HOUR, 1.0, name="other")
    history.pass_to(MONDAY + 3 * DAY + 2 * HOUR)
    assert history.account.signals.metrics["logins"].ys == [2.0, 0.0, 0.0]


def test_a_late_event_within_the_lateness_counts_into_the_open_period() -> None:
    """Its own period is closed already."""
    history = History()
    history.usage(MONDAY + HOUR, 1.0)
    history.usage(MONDAY + DAY + HOUR, 1.0)
    outcome = history.event(
        "usage-events", MONDAY + DAY + 2 * HOUR, {"metric": "logins", "value": 8.0, "occurred_at": MONDAY + HOUR}
    )
    assert (outcome, history.account.signals.metrics["logins"].total) == ("absorbed", 9.0)


def test_an_event_beyond_the_lateness_is_not_learnt() -> None:
    """It is counted as late and changes nothing."""
    history = History()
    history.usage(MONDAY + 10 * DAY, 1.0)
    outcome = history.event(
        "usage-events", MONDAY + 10 * DAY, {"metric": "logins", "value": 8.0, "occurred_at": MONDAY + 7 * DAY}
    )
    assert (outcome, history.account.signals.metrics["logins"].total) == ("late", 1.0)


def test_an_event_from_the_future_closes_nothing_before_its_time() -> None:
    """It counts as of stream time."""
    history = History()
    history.usage(MONDAY + HOUR, 1.0)
    history.event("usage-events", MONDAY + 2 * HOUR, {"metric": "logins", "value": 1.0, "occurred_at": MONDAY + DAY})
    signal = history.account.signals.metrics["logins"]
    assert (signal.count, signal.ys) == (2, [])


def test_a_gap_of_years_is_closed_in_bounded_work() -> None:
    """Of 2,000 days at most 40 are closed in one go, and the open period is the present one."""
    history = History()
    history.usage(MONDAY, 1.0)
    history.account.timers.clear()
    history.usage(MONDAY + 2_000 * DAY, 1.0)
    signal = history.account.signals.metrics["logins"]
    assert (signal.n, signal.start) == (40, MONDAY + 2_000 * DAY)


def test_a_gauge_without_a_reading_is_no_evidence() -> None:
    """Days without a reading of goal progress are not zeros."""
    history = History()
    for day in (0, 3, 5):
        history.usage(MONDAY + day * DAY, 0.5, "goal_progress")
    history.pass_to(MONDAY + 6 * DAY + 2 * HOUR)
    assert history.account.signals.metrics["goal_progress"].ys == [0.5, 0.5, 0.5]


def test_a_mean_is_the_mean_of_its_readings() -> None:
    """Not their sum."""
    policy = default_policy()
    metrics = {**policy.metrics, "load": policy.metrics["goal_progress"].model_copy(update={"kind": "mean"})}
    history = History(policy.model_copy(update={"metrics": metrics}))
    history.usage(MONDAY, 1.0, "load")
    history.usage(MONDAY + HOUR, 3.0, "load")
    history.usage(MONDAY + DAY, 0.0, "load")
    assert history.account.signals.metrics["load"].ys == [2.0]


def test_an_account_has_a_bounded_number_of_metrics() -> None:
    """One more is counted as overflow."""
    history = History()
    outcomes = [history.usage(MONDAY + i * MINUTE, 1.0, f"m{i}") for i in range(40)]
    assert len(history.account.signals.metrics) == 32
    assert set(outcomes[32:]) == {"overflow"}


def test_periods_in_which_the_feed_was_silent_are_not_learnt() -> None:
    """Four days without the feed leave no zero behind, and learning goes on afterwards."""
    history = History()
    for day in range(30):
        daily(history, day, 40.0)
    for day in range(34, 38):
        daily(history, day, 40.0)
    signal = history.account.signals.metrics["logins"]
    assert min(signal.ys) > 6
    assert 30 < signal.n < 34


def test_a_dormant_metric_keeps_no_timer() -> None:
    """A month of zeros after the last event, no more periods are closed until the next event."""
    history = History()
    history.usage(MONDAY, 1.0)
    for hour in range(0, 24 * 60, 3):
        history.usage(MONDAY + hour * HOUR, 1.0, name="other")
    assert "signals" not in history.account.timers
    assert history.account.signals.metrics["logins"].n < 5 * WEEK // DAY


def reported(history: History, weeks: range, hour: int = 3) -> None:
    """One row a week, always on Monday at the same hour."""
    for week in weeks:
        history.usage(MONDAY + week * WEEK + hour * HOUR, 100.0, "spend")


def test_a_weekly_report_is_whole_when_it_arrives() -> None:
    """Once rows have come alike for a while, nothing waits for the end of the week."""
    history = History()
    reported(history, range(period.REPORTS))
    assert history.account.signals.metrics["spend"].n == period.REPORTS - 1
    reported(history, range(period.REPORTS, period.REPORTS + 2))
    signal = history.account.signals.metrics["spend"]
    assert signal.n == period.REPORTS + 2
    assert signal.start == MONDAY + (period.REPORTS + 2) * WEEK


def test_a_week_without_its_report_is_still_a_zero() -> None:
    """Its end closes it."""
    history = History()
    reported(history, range(period.REPORTS + 2))
    for day in range(9):  # others are heard of, so it is not the feed
        history.usage(MONDAY + (period.REPORTS + 2) * WEEK + day * DAY, 1.0, name="b")
    assert history.account.signals.metrics["spend"].ys[-1] == 0.0


def test_a_second_row_of_a_week_ends_the_belief_in_reports() -> None:
    """It counts into the open week, and weeks close by their end again."""
    history = History()
    reported(history, range(period.REPORTS + 2))
    history.usage(MONDAY + (period.REPORTS + 1) * WEEK + 2 * DAY, 40.0, "spend")
    reported(history, range(period.REPORTS + 2, period.REPORTS + 4))
    signal = history.account.signals.metrics["spend"]
    assert signal.reports < period.REPORTS
    assert round(signal.ys[-1] ** 2) == 140


def test_rows_at_other_times_of_the_week_are_no_report() -> None:
    """One purchase a week is a habit of a customer."""
    history = History()
    for week in range(12):
        history.usage(MONDAY + week * WEEK + (week * 5 % 7) * DAY, 100.0, "spend")
    assert history.account.signals.metrics["spend"].reports < period.REPORTS
