"""A silent source is not a silent customer."""

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import feeds
from streams.policy.load import default_policy
from tests.support.history import MONDAY, History, daily

POLICY = default_policy()


def flowing(minutes: int) -> PartitionState:
    """A feed with an event a minute."""
    partition = PartitionState(0)
    for i in range(minutes):
        feeds.observe_feed(partition, topics.USAGE, MONDAY + i * MINUTE, POLICY)
    return partition


def test_a_feed_is_silent_after_a_multiple_of_its_longest_gap() -> None:
    """No sooner than the least time."""
    partition = flowing(200)
    due = feeds.next_feed_check(partition, POLICY)
    assert due == MONDAY + 199 * MINUTE + 2 * HOUR
    assert feeds.on_feed_timer(partition, due - 1, POLICY) == []
    assert feeds.on_feed_timer(partition, due, POLICY) == [topics.USAGE]
    assert partition.silent(topics.USAGE)


def test_a_feed_turns_silent_once() -> None:
    """The second look says nothing new, and nothing more is to be watched."""
    partition = flowing(200)
    feeds.on_feed_timer(partition, MONDAY + DAY, POLICY)
    assert feeds.on_feed_timer(partition, MONDAY + 2 * DAY, POLICY) == []
    assert feeds.next_feed_check(partition, POLICY) is None


def test_a_feed_that_returns_flows_again() -> None:
    """The outage itself is no part of its rhythm."""
    partition = flowing(200)
    feeds.on_feed_timer(partition, MONDAY + DAY, POLICY)
    feeds.observe_feed(partition, topics.USAGE, MONDAY + 2 * DAY, POLICY)
    source = partition.sources[topics.USAGE]
    assert (source.silent_since, source.silent_until) == (None, MONDAY + 2 * DAY)
    assert source.longest_gap < HOUR


def test_a_feed_with_nights_is_not_silent_at_night() -> None:
    """It has a gap of sixteen hours every day."""
    partition = PartitionState(0)
    for day in range(5):
        for i in range(8 * 6):
            feeds.observe_feed(partition, topics.USAGE, MONDAY + day * DAY + 8 * HOUR + i * 10 * MINUTE, POLICY)
    due = feeds.next_feed_check(partition, POLICY)
    assert due is not None
    assert due > MONDAY + 5 * DAY + 8 * HOUR


def test_a_feed_of_few_events_is_not_judged() -> None:
    """Nothing is known about its rhythm."""
    assert feeds.next_feed_check(flowing(50), POLICY) is None


def test_when_the_feed_stops_health_turns_unknown_and_nothing_is_found() -> None:
    """Twenty accounts fall silent at one moment: no drop, no silence; scores are unknown until it returns."""
    history = History()
    names = [f"a{i}" for i in range(20)]
    for day in range(40):
        for name in names:
            daily_hour(history, day, name)
    assert {history.account_of(name).health.band for name in names} == {"healthy"}
    history.pass_to(MONDAY + 60 * DAY)
    assert history.findings == []
    assert {history.account_of(name).health.score for name in names} == {None}
    for day in range(60, 75):
        for name in names:
            daily_hour(history, day, name)
    assert history.findings == []
    assert {history.account_of(name).health.band for name in names} == {"healthy"}


def daily_hour(history: History, day: int, name: str) -> None:
    """One login event at a time of the day that is the account's own."""
    history.usage(max(MONDAY + day * DAY + int(name[1:]) * HOUR, history.partition.stream_time), 25.0, name=name)


def test_one_silent_account_is_told_from_a_silent_feed() -> None:
    """Its neighbour goes on, so it is the customer."""
    history = History()
    for day in range(40):
        daily(history, day, 20.0)
        history.usage(MONDAY + day * DAY + 20 * HOUR, 20.0, name="other")
    for day in range(40, 60):
        for i in range(4):
            history.usage(MONDAY + day * DAY + (8 + 2 * i) * HOUR, 5.0, name="other")
    assert "silence" in history.kinds()
    assert history.kinds("other") == []
