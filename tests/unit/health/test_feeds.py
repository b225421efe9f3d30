"""A silent source is not a silent customer."""

import random

import pytest

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import feeds
from streams.policy.load import default_policy
from tests.support.history import MONDAY, History, daily

POLICY = default_policy()


def flowing(days: int, first: int = 0, last: int = 24, working_days: int = 7) -> PartitionState:
    """A feed with an event every two minutes from hour `first` to hour `last` of its working days."""
    partition = PartitionState(0)
    for day in range(days):
        if day % 7 < working_days:
            for i in range((last - first) * 30):
                at = MONDAY + day * DAY + first * HOUR + i * 2 * MINUTE
                feeds.observe_feed(partition, topics.USAGE, at, POLICY)
    return partition


def test_a_busy_feed_is_silent_after_the_least_time() -> None:
    """No sooner and no later."""
    partition = flowing(28)
    last = MONDAY + 28 * DAY - 2 * MINUTE
    due = feeds.next_feed_check(partition, POLICY)
    assert due == last + 2 * HOUR
    assert feeds.on_feed_timer(partition, due - 1, POLICY) == []
    assert feeds.on_feed_timer(partition, due, POLICY) == [topics.USAGE]
    assert partition.silent(topics.USAGE)


def test_a_feed_turns_silent_once() -> None:
    """The second look says nothing new, and nothing more is to be watched."""
    partition = flowing(14)
    feeds.on_feed_timer(partition, MONDAY + 15 * DAY, POLICY)
    assert feeds.on_feed_timer(partition, MONDAY + 16 * DAY, POLICY) == []
    assert feeds.next_feed_check(partition, POLICY) is None


def test_a_feed_that_returns_flows_again() -> None:
    """And periods that began before are known not to count."""
    partition = flowing(14)
    feeds.on_feed_timer(partition, MONDAY + 15 * DAY, POLICY)
    feeds.observe_feed(partition, topics.USAGE, MONDAY + 16 * DAY, POLICY)
    source = partition.sources[topics.USAGE]
    assert (source.silent_since, source.silent_until) == (None, MONDAY + 16 * DAY)
    assert not partition.silent(topics.USAGE)


def test_nights_and_weekends_are_no_silence() -> None:
    """A feed of office hours is missed on Monday morning, not before."""
    partition = flowing(12, 8, 16, working_days=5)
    due = feeds.next_feed_check(partition, POLICY)
    assert due is not None
    assert MONDAY + 14 * DAY + 8.5 * HOUR <= due <= MONDAY + 14 * DAY + 12 * HOUR


def test_no_night_is_ever_called_silent() -> None:
    """From the first day on, checked after each event."""
    partition = PartitionState(0)
    for day in range(28):
        for i in range(8 * 30 if day % 7 < 5 else 0):
            at = MONDAY + day * DAY + 8 * HOUR + i * 2 * MINUTE
            due = feeds.next_feed_check(partition, POLICY)
            assert due is None or due > at
            feeds.observe_feed(partition, topics.USAGE, at, POLICY)


def test_a_feed_that_is_new_is_not_judged() -> None:
    """A week has to be known."""
    assert feeds.next_feed_check(flowing(7), POLICY) is None


def test_a_feed_of_one_event_a_day_is_missed_after_days() -> None:
    """Sooner when it is known for longer."""
    partition = PartitionState(0)
    for day in range(60):
        feeds.observe_feed(partition, topics.USAGE, MONDAY + day * DAY + 9 * HOUR, POLICY)
    due = feeds.next_feed_check(partition, POLICY)
    assert due is not None
    assert MONDAY + 63 * DAY < due < MONDAY + 69 * DAY


@pytest.mark.parametrize("per_day", [2, 10, 60, 400])
def test_a_feed_of_random_events_is_hardly_ever_called_silent(per_day: int) -> None:
    """In a year of events that come by chance, at most twice."""
    chance, partition = random.Random(per_day), PartitionState(0)
    at, silences = float(MONDAY), 0
    while at < MONDAY + 365 * DAY:
        silences += len(feeds.on_feed_timer(partition, round(at), POLICY))
        feeds.observe_feed(partition, topics.USAGE, round(at), POLICY)
        at += chance.expovariate(per_day / DAY)
    assert silences <= 2


def busy(history: History, day: int, names: list[str]) -> None:
    """Twenty accounts with logins all over the working hours."""
    for slot in range(96):
        for name in names[slot % 5 :: 5]:
            history.usage(MONDAY + day * DAY + 8 * HOUR + slot * 5 * MINUTE, 5.0, name=name)


def test_when_the_feed_stops_health_turns_unknown_and_nothing_is_found() -> None:
    """Twenty accounts fall silent at one moment, for two days or for weeks: nothing is found, scores are unknown."""
    history = History()
    names = [f"a{i}" for i in range(20)]
    for day in range(35):
        busy(history, day, names)
    assert {history.account_of(name).health.band for name in names} == {"healthy"}
    history.pass_to(MONDAY + 37 * DAY)
    assert {history.account_of(name).health.score for name in names} == {None}
    for day in range(37, 42):
        busy(history, day, names)
    assert {history.account_of(name).health.band for name in names} == {"healthy"}
    history.pass_to(MONDAY + 60 * DAY)
    for day in range(60, 75):
        busy(history, day, names)
    assert history.findings == []
    assert {history.account_of(name).health.band for name in names} == {"healthy"}


def test_one_silent_account_is_told_from_a_silent_feed() -> None:
    """Its neighbours go on, so it is the customer."""
    history = History()
    names = [f"a{i}" for i in range(10)]
    for day in range(60):
        busy(history, day, names if day < 40 else names[1:])
    assert len(history.kinds("a0")) == 1
    assert {name for name, _ in history.findings} == {"a0"}


def test_a_neighbour_that_only_says_hello_is_enough_to_learn_zeros() -> None:
    """The feed lives as long as somebody uses it."""
    history = History()
    for day in range(40):
        daily(history, day, 20.0)
        history.usage(MONDAY + day * DAY + 20 * HOUR, 20.0, name="other")
    for day in range(40, 46):
        history.usage(MONDAY + day * DAY + 20 * HOUR, 20.0, name="other")
    assert history.account.signals.metrics["logins"].ys[-4:] == [0.0] * 4
