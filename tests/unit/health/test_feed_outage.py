"""A source that falls silent under the whole fold: held, told once, unknown, and decided when it is back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from streams import topics
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import feeds
from streams.partition import PartitionFold
from streams.policy.load import default_policy
from tests.support.history import MONDAY

NAMES = tuple(f"a{i}" for i in range(8))
CONTROL: dict[str, Any] = dict.fromkeys(("policy_version", "policy", "switch", "on"))
DAYS = 35


def load_nothing(text: str) -> Any:
    """For logs without a policy."""
    raise ValueError(text)


class Log:
    """Appends records to one partition's fold, in order of time."""

    def __init__(self) -> None:
        policy = default_policy()
        self.fold = PartitionFold(PartitionState(0, policy=policy.text), {}, policy, load_nothing)
        self.ends: dict[str, int] = {}

    def put(self, topic: str, at: int, event: dict[str, Any]) -> None:
        """One record."""
        offset = self.ends[topic] = self.ends.get(topic, -1) + 1
        self.fold.apply(topic, offset, at, event)

    def tick(self, at: int) -> None:
        """Time passes."""
        self.put(topics.CONTROL, at, {**CONTROL, "kind": "tick", "at": at})

    def usage(self, at: int, name: str, value: float = 5.0) -> None:
        """A login."""
        self.put(topics.USAGE, at, {
            "event_id": f"e{at}-{name}", "account_id": name, "occurred_at": at, "source": "", "traceparent": None,
            "cohort": None, "metric": "logins", "value": value, "unit": "",
        })  # fmt: skip

    def days(self, first: int, last: int, names: tuple[str, ...] = NAMES) -> None:
        """Working days of logins every ten minutes, one account after the other."""
        for day in range(first, last):
            for slot in range(96):
                self.usage(MONDAY + day * DAY + 8 * HOUR + slot * 10 * MINUTE, names[slot % len(names)])

    def account(self, name: str) -> AccountState:
        """State of an account."""
        return self.fold.accounts[name]

    def scores(self) -> set[bool]:
        """Whether scores are known: one value when all are alike."""
        return {account.health.score is not None for account in self.fold.accounts.values()}


@pytest.fixture(scope="module")
def five_weeks() -> Log:
    """All accounts use the product; it is evening."""
    log = Log()
    log.days(0, DAYS)
    assert log.scores() == {True}
    return log


@pytest.fixture
def log(five_weeks: Log) -> Log:
    """The same, to be changed."""
    made = Log()
    made.ends = dict(five_weeks.ends)
    state, accounts = copy.deepcopy((five_weeks.fold.state, five_weeks.fold.accounts))
    made.fold = PartitionFold(state, accounts, five_weeks.fold.policy, load_nothing)
    return made


def silent_at(log: Log) -> int:
    """When the feed will be judged silent."""
    due = feeds.next_feed_check(log.fold.state, log.fold.policy)
    assert due is not None
    return due


def test_one_platform_signal_is_raised_and_no_account_is_blamed(log: Log) -> None:
    """However long it takes."""
    for hours in range(1, 20 * 24):
        log.tick(MONDAY + DAYS * DAY + hours * HOUR)
    assert log.fold.tallies[topics.USAGE, "feed_silent"] == 1
    assert log.fold.outputs == []


def test_health_becomes_unknown_for_all_within_minutes_and_known_again(log: Log) -> None:
    """Without an event of theirs: rows are owed for all, when the feed falls silent and when it is back."""
    due = silent_at(log)
    log.fold.health_changed.clear()
    log.tick(due - 1)
    assert log.scores() == {True}
    log.tick(due + 11 * MINUTE)
    assert log.scores() == {False}
    assert log.fold.health_changed == set(NAMES)
    log.fold.health_changed.clear()
    log.usage(due + 5 * HOUR, NAMES[0])
    log.tick(due + 5 * HOUR + 11 * MINUTE)
    assert log.scores() == {True}
    assert log.fold.health_changed == set(NAMES)


def test_accounts_are_looked_at_one_after_the_other(log: Log) -> None:
    """So that a large partition is not held up at one moment."""
    due = silent_at(log)
    log.tick(due)
    moments = {account.timers["signals"] for account in log.fold.accounts.values()}
    assert len(moments) > len(NAMES) / 2
    assert max(moments) <= due + 10 * MINUTE + 1


def test_what_was_held_is_decided_when_the_feed_is_back(log: Log) -> None:
    """An account that had stopped a day before the outage is told after it, those that came back are not."""
    log.days(DAYS, DAYS + 1, NAMES[1:])  # the first account is not there any more: one day is no drop yet
    outage = silent_at(log)
    assert log.fold.outputs == []
    for hours in range(72):
        log.tick(outage + hours * HOUR)
    assert log.fold.outputs == []
    first = DAYS + 5
    log.days(first, first + 8, NAMES[1:])
    told = [output for output in log.fold.outputs if output.record.get("state") in {"opened", "held_out"}]
    held = [output for output in log.fold.outputs if output.topic == topics.SUPPRESSED]
    assert {output.account_id for output in told + held} == {NAMES[0]}


def test_a_finding_held_for_a_silent_feed_is_looked_at_when_it_is_back(log: Log) -> None:
    """Not only after the usual time between looks."""
    log.tick(silent_at(log))
    held = log.account(NAMES[3])
    held.guard.candidates["x"] = feeds_candidate(log.fold.state.stream_time + 300 * DAY)
    held.timers["guard"] = log.fold.state.stream_time + 300 * DAY
    log.usage(log.fold.state.stream_time + HOUR, NAMES[0])
    assert held.timers["guard"] <= log.fold.state.stream_time + 10 * MINUTE + 1
    assert held.guard.candidates["x"].look_at == held.timers["guard"]


def feeds_candidate(look_at: int) -> Any:
    """A silence that was found while the feed was out."""
    from streams.domain.episode import Candidate  # noqa: PLC0415  only here

    return Candidate(
        kind="silence", dimension="success", subject="", severity=0.9, confidence=0.9, onset_at=MONDAY, at=MONDAY,
        text="No use", evidence=[], baseline=None, traceparent=None, reason=feeds.FEED_SILENT, until=None,
        look_at=look_at, since=MONDAY, repeats=0,
    )  # fmt: skip


def test_the_outage_teaches_nobody_a_longer_gap(log: Log) -> None:
    """Neither the accounts nor what they have in common."""
    before = {name: log.account(name).signals.rhythm.n for name in NAMES}
    pool = copy.deepcopy(log.fold.state.gaps)
    segment = log.fold.state.dormancy.segments[""]
    returned = sum(sum(week.returned) for week in segment.weeks)
    log.tick(MONDAY + (DAYS + 21) * DAY)
    at = MONDAY + (DAYS + 21) * DAY + 8 * HOUR
    for i, name in enumerate(NAMES):
        log.usage(at + i, name)
    assert {name: log.account(name).signals.rhythm.n for name in NAMES} == before
    assert log.fold.state.gaps == pool
    assert sum(sum(week.returned) for week in segment.weeks) == returned


def test_a_fold_taken_up_in_the_middle_of_an_outage_goes_on_the_same(log: Log) -> None:
    """All that matters is in the states, in whatever order the accounts are read back."""
    log.tick(silent_at(log) + 3 * MINUTE)
    other = Log()
    other.ends = dict(log.ends)
    state, accounts = copy.deepcopy((log.fold.state, log.fold.accounts))
    other.fold = PartitionFold(state, dict(reversed(accounts.items())), log.fold.policy, load_nothing)
    for one in (log, other):
        one.days(DAYS + 3, DAYS + 5)
        one.tick(MONDAY + (DAYS + 6) * DAY)
    assert other.fold.accounts == log.fold.accounts
    assert other.fold.state == log.fold.state
