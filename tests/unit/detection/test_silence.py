"""One absence is one drop, found in time, and not while a feed may be silent."""

from __future__ import annotations

import pytest

from streams.detection import silence
from streams.domain.time import DAY, HOUR, WEEK
from streams.policy.load import default_policy
from streams.policy.model import Policy
from tests.support.history import MONDAY, History, daily


def with_neighbours(history: History, day: int) -> None:
    """Others use the product every day."""
    for i in range(4):
        history.usage(MONDAY + day * DAY + (8 + 2 * i) * HOUR, 5.0, name=f"other-{i}")


def blind() -> Policy:
    """A policy under which no fall of a metric is ever sure enough."""
    policy = default_policy()
    sure = {name: metric.model_copy(update={"evidence": 1e9}) for name, metric in policy.metrics.items()}
    return policy.model_copy(update={"metrics": sure})


def absent(policy: Policy | None = None, days: int = 60, gone: int = 40, back: int = 10_000) -> History:
    """An account that uses the product daily, is gone from day `gone` on and comes back on day `back`."""
    history = History(policy)
    for day in range(days):
        with_neighbours(history, day)
        if day < gone or day >= back:
            daily(history, day, 20.0)
    return history


def test_an_account_that_stops_is_found_within_days() -> None:
    """Daily use, then none: told within nine days when no metric tells it before."""
    history = absent(blind())
    found = [f for _, f in history.findings]
    assert [f.kind for f in found] == ["silence"]
    last = MONDAY + 39 * DAY + 14 * HOUR
    assert last + 3 * DAY <= found[0].at <= last + 9 * DAY
    assert last < found[0].onset_at <= last + DAY


def test_one_absence_is_one_drop() -> None:
    """Whether the fallen metric or the silence is seen first, there is one finding."""
    history = absent(days=90)
    assert len([kind for kind in history.kinds() if kind in {"relative", "silence"}]) == 1
    assert history.account.signals.rhythm.overdue_at is not None


def test_a_fall_that_is_known_before_keeps_the_silence_quiet() -> None:
    """The account is noted as overdue all the same, so that its return is seen."""
    history = absent(days=45)
    signal = history.account.signals.metrics["logins"]
    before = history.kinds()
    history.account.signals.rhythm.overdue_at = None
    signal.base = 20.0
    assert silence.on_timer(history.account, history.partition, MONDAY + 50 * DAY, history.policy) is None
    assert history.account.signals.rhythm.overdue_at == MONDAY + 50 * DAY
    signal.base, history.account.signals.rhythm.overdue_at = None, None
    assert silence.on_timer(history.account, history.partition, MONDAY + 50 * DAY, history.policy) is not None
    assert history.kinds() == before


def test_a_rise_explains_no_absence() -> None:
    """What is too high now does not say that nobody comes."""
    history = absent(blind(), days=42)
    signal = history.account.signals.metrics["logins"]
    signal.base, signal.rose = 20.0, True
    assert silence.on_timer(history.account, history.partition, MONDAY + 50 * DAY, history.policy) is not None


@pytest.mark.parametrize("returns_at", [20.0, 2.0])
def test_a_metric_that_stays_down_after_the_return_is_told_then(returns_at: float) -> None:
    """A fall that was seen during the absence waits: told when the account is back and the metric is not."""
    history = History()
    for day in range(100):
        with_neighbours(history, day)
        if day < 40 or day >= 60:
            daily(history, day, 20.0 if day < 40 else returns_at)
        if day == 41:
            history.account.signals.rhythm.overdue_at = MONDAY + 41 * DAY  # the silence was told before the metric fell
        if day == 59:
            assert "relative" not in history.kinds()
            assert history.account.signals.metrics["logins"].base is not None
    told = [f for _, f in history.findings if f.kind == "relative" and f.at < MONDAY + 70 * DAY]
    assert len(told) == (returns_at < 20.0)
    assert history.account.signals.alarms == []


def test_nobody_else_heard_of_is_no_silence() -> None:
    """One account alone cannot be told from its feed."""
    history = History(blind())
    for day in range(40):
        daily(history, day, 20.0)
    history.pass_to(MONDAY + 60 * DAY)
    assert history.kinds() == []
    for day in range(60, 70):
        with_neighbours(history, day)
    assert history.kinds() == ["silence"]
    assert history.findings[0][1].at >= MONDAY + 63 * DAY, "its time begins anew when the feed is back"


def test_an_account_that_comes_back_may_fall_silent_again() -> None:
    """It is found a second time."""
    history = absent(blind(), days=150, gone=40, back=60)
    for day in range(150, 190):
        with_neighbours(history, day)
    assert history.kinds() == ["silence", "silence"]


def test_weekly_rows_are_not_missed_after_one_that_is_left_out() -> None:
    """Rows stamped with the end of their week: one or two without use are no silence, three months are."""
    history = History(blind())
    for week in range(60):
        at = MONDAY + week * WEEK
        history.usage(at, 5.0, "spend", name="other")
        if week not in {20, 30, 31} and week < 45:
            history.usage(at + week % 3 * 9 * HOUR, 5.0, "spend")
        if week == 44:
            assert history.kinds() == []
    assert history.kinds() == ["silence"]


def test_where_use_comes_as_reports_the_metric_alone_is_judged() -> None:
    """A row of zero is a reading, so the same absence is not told by the calendar as well."""
    history = History()
    for week in range(40):
        history.usage(MONDAY + week * WEEK, 100.0 + week % 3, "spend")
        history.usage(MONDAY + week * WEEK + HOUR, 5.0, "spend", name="b")
    for week in range(40, 60):
        history.usage(MONDAY + week * WEEK, 0.0, "spend")
        history.usage(MONDAY + week * WEEK + HOUR, 5.0, "spend", name="b")
    assert history.kinds() == ["relative"]
    assert history.account.signals.rhythm.overdue_at is not None
