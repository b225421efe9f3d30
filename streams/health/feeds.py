"""Is a source silent, or a customer? Freshness and rhythm of each input topic over all accounts of a partition.

A feed is silent when nothing has come for `factor` times its longest recent gap. The longest gap is forgotten slowly,
with time, so that one night does not hide the next outage for ever.
"""

from __future__ import annotations

from streams import topics
from streams.domain.partition import PartitionState, SourceState
from streams.policy.model import Policy

WATCHED = (topics.USAGE, topics.SENTIMENT, topics.TICKETS)
"""Feeds of events that come by themselves. Account events and responses are too rare to have a rhythm."""


def observe_feed(partition: PartitionState, topic: str, now: int, policy: Policy) -> None:
    """Notes that the feed gave an event at stream time `now`."""
    source = partition.sources.get(topic)
    if source is None:
        partition.sources[topic] = SourceState(last_at=now, events=1)
        return
    source.events += 1
    gap = now - source.last_at
    if gap <= 0:
        return
    source.last_at = now
    if source.silent_since is not None:
        source.silent_since = None
        source.silent_until = now
        return  # an outage is no part of the rhythm
    longest = source.longest_gap
    if gap > longest:
        source.longest_gap = float(gap)
    else:
        source.longest_gap = longest * (1 - min(1.0, gap / policy.detection.feed.memory))


def _due(source: SourceState, policy: Policy) -> int | None:
    """When the feed counts as silent if nothing comes until then."""
    rules = policy.detection.feed
    if source.silent_since is not None or source.events < rules.min_events:
        return None
    return source.last_at + max(rules.min_gap, round(rules.factor * source.longest_gap))


def next_feed_check(partition: PartitionState, policy: Policy) -> int | None:
    """The earliest moment at which a feed may turn silent; None when none is watched."""
    earliest: int | None = None
    for topic in WATCHED:
        source = partition.sources.get(topic)
        due = None if source is None else _due(source, policy)
        if due is not None and (earliest is None or due < earliest):
            earliest = due
    return earliest


def on_feed_timer(partition: PartitionState, now: int, policy: Policy) -> list[str]:
    """Judges the feeds at `now`; the topics that turned silent, in fixed order."""
    turned: list[str] = []
    for topic in WATCHED:
        source = partition.sources.get(topic)
        due = None if source is None else _due(source, policy)
        if source is not None and due is not None and now >= due:
            source.silent_since = source.last_at
            turned.append(topic)
    return turned
