"""Periods of a metric: events add to the open one, time closes it.

Event time decides to which period an event belongs, stream time decides when a period closes: at once when an event of
a later period arrives, else `time.close_delay` after its end, by timer. What arrives for a period that is closed
counts into the open one. A period without an event is a zero for metrics that add up, and no evidence for gauges.
A period that overlaps a silence of the whole feed is neither judged nor learnt.
"""

from __future__ import annotations

from streams import topics
from streams.detection import relative
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState, SourceState
from streams.domain.signal import SignalState
from streams.domain.time import start_of
from streams.health import feeds, level, normal
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy, metric_policy

MOST_AT_ONCE = 40
"""Periods closed in one go; of a longer gap the rest is passed over."""
DORMANT = 15
"""Zero periods in a row after which no timer is kept for a metric; its next event wakes it. Twice as many in a drop."""


def add(signal: SignalState, metric: MetricPolicy, at: int, value: float, event_id: str) -> None:
    """Adds an event to the open period. The one thing that most events do."""
    kind = metric.kind
    if kind in ("sum", "mean"):
        signal.total += value
    elif not signal.count:
        signal.total = value
    elif kind == "max":
        signal.total = max(signal.total, value)
    elif at >= signal.newest_at:
        signal.total = value
    signal.count += 1
    signal.event_id = event_id
    if at > signal.newest_at:  # noqa: PLR1730  twice as fast as max()
        signal.newest_at = at


def observe(
    account: AccountState, partition: PartitionState, name: str, at: int, value: float, event_id: str, policy: Policy
) -> SignalState | None:
    """Adds an event that the open period does not hold: closes what lies before it, opens its own.

    None when the account has as many metrics as it may have.
    """
    metric = metric_policy(policy.metrics, name)
    signals = account.signals
    signal = signals.metrics.get(name)
    if signal is None:
        if len(signals.metrics) >= policy.health.max_metrics:
            return None
        signal = signals.metrics[name] = SignalState()
    length = metric.length
    if not length:
        signal.start = signal.end = at
        add(signal, metric, at, value, event_id)
        _close(account, partition, name, signal, metric, at, policy)
        signal.end = 0  # whatever comes next, also from an earlier moment, is a sample of its own
        return signal
    if signal.end and at >= signal.end:
        close_until(account, partition, name, signal, metric, at, policy)
    if not signal.end or at >= signal.end:
        signal.start = start_of(length, at)
        signal.end = signal.start + length
    add(signal, metric, at, value, event_id)
    return signal


def close_until(
    account: AccountState,
    partition: PartitionState,
    name: str,
    signal: SignalState,
    metric: MetricPolicy,
    until: int,
    policy: Policy,
) -> None:
    """Closes the periods that ended by `until`, the first MOST_AT_ONCE of them."""
    length = metric.length
    if not length or not signal.end:
        return
    if signal.end - signal.start != length:  # the policy has changed the period: what is open closes as it is
        signal.end = signal.start + length
    for _ in range(MOST_AT_ONCE):
        if signal.end > until:
            return
        _close(account, partition, name, signal, metric, signal.end, policy)
        signal.start, signal.end = signal.end, signal.end + length
    signal.start = start_of(length, until)
    signal.end = signal.start + length


def next_close(signal: SignalState, metric: MetricPolicy, policy: Policy) -> int | None:
    """When the open period closes by timer; None when there is none, or the metric is dormant."""
    if not signal.end or not metric.length:
        return None
    if not signal.count:
        quiet = DORMANT if signal.base is None else 2 * DORMANT
        if not metric.fills or signal.start - signal.newest_at > quiet * metric.length:
            return None
    return signal.end + policy.time.close_delay


def feed_of(name: str) -> str:
    """The topic from which a metric is fed."""
    return topics.TICKETS if name.startswith("tickets:") else topics.USAGE


def unjudged(source: SourceState | None, start: int, end: int, policy: Policy) -> bool:
    """True when the feed was silent during any part of the period, or gave nobody anything since its start."""
    if source is None:
        return False
    if source.silent_since is not None and end > source.silent_since:
        return True
    # An outage is only known as one after a while; a period that it covers whole must not be learnt before.
    if source.last_at < start and feeds.known(source, policy):
        return True
    return start < source.silent_until


def _close(
    account: AccountState,
    partition: PartitionState,
    name: str,
    signal: SignalState,
    metric: MetricPolicy,
    end: int,
    policy: Policy,
) -> None:
    count, value = signal.count, signal.total
    signal.count, signal.total = 0, 0.0
    if not count and not metric.fills:
        return
    if unjudged(partition.sources.get(feed_of(name)), signal.start, end, policy):
        return
    if metric.kind == "mean" and count:
        value /= count
    rules = policy.detection.relative
    normal.learn(signal, normal.working(value, metric), signal.start, metric, rules)
    alarm = relative.judge(signal, metric, rules, policy.verification, end)
    level.refresh(signal, metric)
    if alarm and name not in account.signals.alarms:
        account.signals.alarms.append(name)
