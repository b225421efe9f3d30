"""Rhythm, panel and silences: the same whatever way the log is cut, and whichever week it begins in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.detection import dormancy
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, WEEK
from streams.health import panel, rhythm, silences
from streams.policy.load import default_policy
from streams.shell.state_codec import partition_codec
from tests.support.history import MONDAY

POLICY = default_policy()
Log = list[tuple[int, str, str]]
"""Time after the start, account, segment of an account event or empty for use."""


def history(seed: int, accounts: int, weeks: int) -> Log:
    """Accounts of any pace, some of which stop; some have a segment, or change it."""
    rng = random.Random(seed)
    log: Log = []
    for i in range(accounts):
        pace, at, stops = rng.choice([0.5, 1.0, 3.0, 9.0]), rng.random() * 6, rng.random() * 2 * weeks
        while at < min(weeks, stops):
            log.append((int(at * WEEK), f"a{i}", ""))
            at += rng.expovariate(1 / pace)
        if i % 3:
            log.append((int(rng.random() * weeks * WEEK), f"a{i}", f"s{i % 4}"))
    return sorted(log)


def play(partition: PartitionState, log: Log, start: int) -> PartitionState:
    """As the fold does: what is due is learnt before what comes after it."""
    for after, name, segment in log:
        at = start + after
        if at >= partition.dormancy.due_at:
            dormancy.learn(partition, at)
        partition.stream_time = at
        if segment:
            panel.observe(partition, topics.ACCOUNTS, {"account_id": name, "segment": segment}, None, POLICY)
        else:
            event = {"account_id": name, "occurred_at": at, "metric": "logins", "value": 2.0}
            panel.observe(partition, topics.USAGE, event, None, POLICY)
    return partition


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.floats(0, 1))
def test_a_state_that_is_stored_and_read_back_goes_on_as_before(seed: int, cut: float) -> None:
    """At any point of the log."""
    log, codec = history(seed, 30, 40), partition_codec()
    place = int(len(log) * cut)
    whole = play(PartitionState(0), log, MONDAY)
    first = codec.decode(codec.encode(play(PartitionState(0), log[:place], MONDAY)))
    assert play(first, log[place:], MONDAY) == whole


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), weeks=st.integers(1, 200))
def test_whole_weeks_change_nothing(seed: int, weeks: int) -> None:
    """Counts, weights, patience and probabilities are the same when the log begins weeks later."""
    log = history(seed, 30, 40)
    early, late = (play(PartitionState(0), log, MONDAY + shift * WEEK) for shift in (0, weeks))
    assert early.gaps == late.gaps
    assert early.dormancy.weights == late.dormancy.weights
    assert [s.weeks for s in early.dormancy.segments.values()] == [s.weeks for s in late.dormancy.segments.values()]
    for (name, one), (_, other) in zip(early.panel.members.items(), late.panel.members.items(), strict=True):
        accounts = [AccountState(name), AccountState(name)]
        for account, member in zip(accounts, (one, other), strict=True):
            account.signals.rhythm, account.profile.segment = member.rhythm, member.segment
        now = MONDAY + 45 * WEEK
        assert rhythm.patience(accounts[0], early, POLICY) == rhythm.patience(accounts[1], late, POLICY)
        assert dormancy.probability_gone(accounts[0], early, now, POLICY) == dormancy.probability_gone(
            accounts[1], late, now + weeks * WEEK, POLICY
        )


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), accounts=st.integers(1, 20))
def test_each_member_is_silent_since_one_week(seed: int, accounts: int) -> None:
    """Counts are never negative and add up to the panel, whatever comes; nothing outgrows its bound."""
    partition = play(PartitionState(0), history(seed, accounts, 110), MONDAY)
    known = partition.dormancy
    counts = [n for segment in known.segments.values() for week in segment.weeks for n in week.silent]
    seen = [member for member in partition.panel.members.values() if member.week >= 0]
    assert min(counts, default=0) >= 0
    assert sum(counts) == len([member for member in seen if member.week >= known.segments[member.counted_as].first])
    assert all(len(segment.weeks) <= silences.KEPT for segment in known.segments.values())


@settings(max_examples=50, deadline=None)
@given(gaps=st.lists(st.floats(0.4, 400), min_size=14, max_size=60), scale=st.sampled_from([2.0, 7.0, 24.0]))
def test_patience_scales_with_time(gaps: list[float], scale: float) -> None:
    """Twice as slow, at half of the permitted rate: exactly twice as patient. Only the bounds are fixed."""
    waited = []
    for factor in (1.0, scale):
        account, partition, at = AccountState("a"), PartitionState(0), MONDAY
        for gap in gaps:
            at += int(gap * factor * DAY)
            rhythm.active(account.signals.rhythm, partition, at, POLICY)
        detection = POLICY.detection
        free = detection.silence.model_copy(update={"min_gap": 1, "max_gap": 1 << 60})
        slow = detection.model_copy(
            update={
                "silence": free,
                "max_false_alarms_per_account_year": detection.max_false_alarms_per_account_year / factor,
            }
        )
        found = rhythm.patience(account, partition, POLICY.model_copy(update={"detection": slow}))
        assert found is not None
        waited.append(found)
    assert waited[1] == pytest.approx(scale * waited[0], rel=1e-3)


@given(weeks=st.floats(0, 500), repeats=st.integers(0, 500), days=st.floats(0.3, 300))
def test_a_probability_is_one(weeks: float, repeats: int, days: float) -> None:
    """In [0, 1], and never falls while the silence grows."""
    account, partition = AccountState("a"), PartitionState(0)
    pulse = account.signals.rhythm
    pulse.first_at, pulse.last_at, pulse.repeats = MONDAY, MONDAY + int(repeats * days * DAY) + HOUR, repeats
    now = pulse.last_at + int(weeks * WEEK)
    chance = dormancy.probability_gone(account, partition, now, POLICY)
    assert 0.0 <= chance <= dormancy.probability_gone(account, partition, now + WEEK, POLICY) <= 1.0
