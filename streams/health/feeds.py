"""Is a source silent, or a customer? Freshness and weekly rhythm of each input topic over all accounts of a partition.

For each hour of the week it is learnt how often it holds an event at all, and in how many of its five-minute slots;
hours and slots, not events, because events come in bursts. An empty hour that holds an event with probability q is
-ln(1 - q) nats of evidence for a silence (for a busy hour: the number of slots that would have held one, if that is
more), and a feed is silent when `evidence` nats have come together: by chance once in e^evidence times. So a night, or
a weekend that is always empty, is no silence, and two hours at noon are one. Words and tickets come in bursts, so that
their empty hours prove less: they have a bound of their own. q is drawn to the mean of the feed while few weeks are
known. The hours of an outage are learnt like any other, with a small gain: a feed that has changed its rhythm for good
is known again after some weeks.
"""

from __future__ import annotations

from math import log
from zlib import crc32

from streams import topics
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState, SourceState
from streams.domain.time import HOUR, MINUTE
from streams.policy.model import Policy

WATCHED = (topics.USAGE, topics.SENTIMENT, topics.TICKETS)
"""Feeds of events that come by themselves. Account events and responses are too rare to have a rhythm."""
_SLOT = 5 * MINUTE
_WEEK = 168
_MONDAY = 96  # hours from the epoch, a Thursday, to the first Monday
_GAIN = 0.25
_WEEKS = 7  # that a gain of 0.25 remembers
_CERTAIN = 0.98  # no hour is more certain than this
_PRIOR = 2.0
"""Weeks that the mean of the feed counts for."""
_BUSY = 0.95
_SURE = 3
"""An hour that was never empty in so many weeks is busy: its slots count one by one."""
FEED_SILENT = "feed_silent"
"""Reason code of what is held back while a feed is silent."""
_SPREAD = 10 * MINUTE
"""Time over which the accounts of a partition are looked at again."""
_AHEAD = 4 * _WEEK
"""Hours looked ahead: a feed that would not be missed in four weeks is not judged."""


def observe_feed(partition: PartitionState, topic: str, now: int, policy: Policy) -> None:  # noqa: ARG001  one form for all
    """Notes that the feed gave an event at stream time `now`."""
    source = partition.sources.get(topic)
    if source is None:
        slot = now // _SLOT
        source = SourceState(last_at=now, events=1, hour=now // HOUR, slot=slot, active=1, week=[0.0] * _WEEK)
        source.presence = [0.0] * _WEEK
        partition.sources[topic] = source
        return
    source.events += 1
    if now <= source.last_at:
        return
    source.last_at = now
    if source.silent_since is not None:
        source.silent_since = None
        source.silent_until = now
    slot = now // _SLOT
    if slot != source.slot:
        hour = now // HOUR
        if hour != source.hour:
            _learn(source, hour)
        source.slot = slot
        source.active += 1


def known(source: SourceState, policy: Policy) -> bool:
    """True when the rhythm of the feed has been watched for long enough."""
    return source.hours * HOUR >= policy.detection.feed.history


def next_feed_check(partition: PartitionState, policy: Policy) -> int | None:
    """The earliest moment at which a feed may turn silent; None when none is watched."""
    earliest: int | None = None
    for topic in WATCHED:
        source = partition.sources.get(topic)
        due = None if source is None else _due(topic, source, policy)
        if due is not None and (earliest is None or due < earliest):
            earliest = due
    return earliest


def on_feed_timer(partition: PartitionState, now: int, policy: Policy) -> list[str]:
    """Judges the feeds at `now`; the topics that turned silent, in fixed order."""
    turned: list[str] = []
    for topic in WATCHED:
        source = partition.sources.get(topic)
        due = None if source is None else _due(topic, source, policy)
        if source is not None and due is not None and now >= due:
            source.silent_since = source.last_at
            turned.append(topic)
    return turned


def look_again(account: AccountState, now: int) -> bool:
    """Sets the timers by which the health of an account becomes unknown while a feed is silent, or known again.

    What was held back for that feed is decided then, too. Accounts are spread over some minutes, by their id. False
    for an account of which nothing is known.
    """
    if not account.health.as_of or account.profile.churned_at is not None:
        return False
    due = now + 1 + crc32(account.account_id.encode()) % _SPREAD
    timers = account.timers
    timers["signals"] = min(due, timers.get("signals", due))
    for candidate in account.guard.candidates.values():
        if candidate.reason == FEED_SILENT and candidate.look_at > due:
            candidate.look_at = due
            timers["guard"] = min(due, timers.get("guard", due))
    return True


def _learn(source: SourceState, hour: int) -> None:
    """Takes in the counted hour and the empty ones up to `hour`, which is counted next."""
    week, presence = source.week, source.presence
    first = max(source.hour, hour - _AHEAD)
    for passed in range(first, hour):
        gain = max(_GAIN, 1 / (source.hours // _WEEK + 1))
        index = (passed - _MONDAY) % _WEEK
        active = source.active if passed == source.hour else 0
        week[index] += gain * (active - week[index])
        presence[index] += gain * ((active > 0) - presence[index])
        source.hours += 1
    source.hour, source.active = hour, 0


def _due(topic: str, source: SourceState, policy: Policy) -> int | None:
    """When the feed counts as silent if nothing comes until then; None when it is not judged."""
    rules = policy.detection.feed
    if source.silent_since is not None or not known(source, policy):
        return None
    at, missing = source.last_at, rules.evidence if topic == topics.USAGE else rules.burst_evidence
    mean = sum(source.presence) / _WEEK
    weeks = min(source.hours // _WEEK, _WEEKS)
    for _ in range(_AHEAD):
        hour = at // HOUR
        left = (hour + 1) * HOUR - at
        index = (hour - _MONDAY) % _WEEK
        present = source.presence[index]
        often = min(_CERTAIN, (weeks * present + _PRIOR * mean) / (weeks + _PRIOR))
        nats = -log(1 - often)
        if present > _BUSY and weeks >= _SURE:
            nats = max(nats, source.week[index])
        if nats * left >= missing * HOUR:
            at += round(missing * HOUR / nats)
            return max(at, source.last_at + rules.min_gap)
        missing -= nats * left / HOUR
        at += left
    return None
