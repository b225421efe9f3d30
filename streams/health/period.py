"""Periods of a metric: events add to the open one, time closes it.

Event time decides to which period an event belongs, stream time decides when a period closes: at once when an event of
a later period arrives, else `time.close_delay` after its end, by timer. What arrives for a period that is closed
counts into the open one. A period without an event is a zero for metrics that add up, and no evidence for gauges.
A period that overlaps a silence of the whole feed is neither judged nor learnt.

A metric that comes as one row a period, always at the same time of it, is a report, whole when it arrives: its period
closes at once instead of a period later. When the policy changes what a period is, the metric begins anew.
"""

from __future__ import annotations

from streams import topics
from streams.detection import relative
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState, SourceState
from streams.domain.series import Cadence
from streams.domain.signal import Rhythm, SignalState
from streams.domain.time import start_of
from streams.health import cadence, feeds, level, normal, panel, series
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy, metric_policy

MOST_AT_ONCE = 40
"""Periods closed in one go; of a longer gap the rest is passed over."""
DORMANT = 15
"""Zero periods in a row after which no timer is kept for a metric; its next event wakes it. Twice as many in a drop."""


REPORTS = 6
"""Periods with one row each after which a metric is known to come as a report."""
_SAME_TIME = 0.01  # of a period


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
    signals = account.signals
    signal = signals.metrics.get(name)
    if signal is None:
        if len(signals.metrics) >= policy.health.max_metrics:
            return None
        signal = signals.metrics[name] = SignalState()
    metric = metric_policy(policy.metrics, name, signal.shape)
    if _measured_otherwise(signal, metric):
        signal = signals.metrics[name] = SignalState()
        metric = metric_policy(policy.metrics, name)
    if metric.kind == "auto" or (metric.kind == "level" and signal.series is None):
        _find_shape(account, partition, name, signal, metric, at, value, event_id, policy)
        return signal
    if metric.kind == "level":
        sample(account, signal, name, metric, at, value, event_id, policy)
        return signal
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
    if signal.reports >= REPORTS and _is_report(signal, length):
        _close(account, partition, name, signal, metric, at, policy)
        signal.start, signal.end = signal.end, signal.end + length
    return signal


def _measured_otherwise(signal: SignalState, metric: MetricPolicy) -> bool:
    """True when what was learnt is in another measure than the policy's: other periods, or none."""
    if metric.kind in {"auto", "level"}:
        return signal.series is None and signal.cadence is None and bool(signal.n or signal.end)
    if signal.series is not None or signal.cadence is not None:
        return True
    length = metric.length
    if not length or not signal.end:
        return bool(signal.n) and bool(length) != bool(signal.end)
    return signal.end - signal.start != length


def _is_report(signal: SignalState, length: int) -> bool:
    """True when all that the open period holds is one event at the usual time."""
    late = signal.newest_at - signal.start - signal.phase
    return signal.count == 1 and abs(late) <= _SAME_TIME * length


def sample(
    account: AccountState,
    signal: SignalState,
    name: str,
    metric: MetricPolicy,
    at: int,
    value: float,
    event_id: str,
    policy: Policy,
) -> bool:
    """Takes in a sample of a regular series. True when health and detection are to be looked at."""
    seen = series.observe(signal, name, metric, at, value, event_id, policy, len(account.signals.metrics))
    if seen.ended is not None:
        account.signals.ended.append(seen.ended)
    if seen.alarm and name not in account.signals.alarms:
        account.signals.alarms.append(name)
    return seen.matters


def _find_shape(
    account: AccountState,
    partition: PartitionState,
    name: str,
    signal: SignalState,
    metric: MetricPolicy,
    at: int,
    value: float,
    event_id: str,
    policy: Policy,
) -> None:
    """Collects the first samples; when there are enough, they are taken in as what they turn out to be."""
    known = signal.cadence = signal.cadence or Cadence()
    signal.newest_at, signal.event_id = max(at, signal.newest_at), event_id
    if not cadence.add(known, at, value, event_id):
        return
    signal.cadence, signal.newest_at = None, 0
    signal.shape = "level" if metric.kind == "level" else cadence.shape_of(known)
    signal.shaped_at = partition.applied.get(topics.USAGE, -1)
    if signal.shape == "level":
        signal.series = series.begin(cadence.step_of(known), known.values[0])
        others = account.signals.metrics.items()
        if not any(counts_use(other, metric_policy(policy.metrics, other, its.shape)) for other, its in others):
            signal.alone = True
            panel.leave(partition, account.account_id)
            account.signals.rhythm = Rhythm()  # what a machine reports is no rhythm of a customer
            account.schedule("silence", None, at)
    for moment, sample_value, sample_id in sorted(zip(known.ats, known.values, known.ids, strict=True)):
        observe(account, partition, name, moment, sample_value, sample_id, policy)


def counts_use(name: str, metric: MetricPolicy) -> bool:
    """True for a metric that is known to tell when the customer was active; `metric` is its entry as shaped."""
    return metric.tells_use and metric.kind != "auto" and feed_of(name) == topics.USAGE


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
    if _measured_otherwise(signal, metric):
        account.signals.metrics[name] = SignalState()
        return
    if not length or not signal.end:
        return
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
    """Closes the open period at `end`, which is the end of the period unless it is whole before."""
    count, value = signal.count, signal.total
    if metric.length and count:
        same = _is_report(signal, metric.length)
        signal.reports = signal.reports + 1 if same else int(count == 1)
        signal.phase = signal.newest_at - signal.start
    signal.count, signal.total = 0, 0.0
    if not count and not metric.fills:
        return
    if unjudged(partition.sources.get(feed_of(name)), signal.start, max(end, signal.end), policy):
        return
    if metric.kind == "mean" and count:
        value /= count
    rules = policy.detection.relative
    normal.learn(signal, normal.working(value, metric), signal.start, metric, rules)
    alarm = relative.judge(account.signals, name, signal, metric, policy, end)
    level.refresh(signal, metric)
    if alarm and name not in account.signals.alarms:
        account.signals.alarms.append(name)
