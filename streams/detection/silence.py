"""An account that is overdue against its own rhythm, and one that never started.

The gap is judged against the account's own distribution of ln(gap) (`health/rhythm.py`). While the usage feed itself is
silent, or nobody else has been heard of either, nothing is found, and when the feed returns each account gets its time
anew. One absence is one drop: when a metric of use has fallen already, the account is noted as overdue and nothing is
raised, and a metric that is found fallen while the account is away waits (`explains`). Where use comes as reports, one
row a period, a zero is a reading: there the metric alone is judged.
"""

from __future__ import annotations

from streams import topics
from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.partition import PartitionState, SourceState
from streams.domain.signal import SignalState
from streams.domain.time import DAY, HOUR, format_duration
from streams.health import rhythm
from streams.health.period import REPORTS, counts_use
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy, metric_policy

_LOOK_AGAIN = 6 * HOUR
_LOOK_LESS = 16
"""While nobody is heard of, the time to the next look grows to this part of the quiet: years may pass at once."""
START = "silent_start"


def waits(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> bool:
    """True when there is nothing to find at `now`; the timer is set anew where there may be later.

    Most `silence` timers end here, since the account was active meanwhile, so nothing else of it is looked at.
    """
    if account.profile.churned_at is not None:
        return True
    pulse, source = account.signals.rhythm, partition.sources.get(topics.USAGE)
    back_at = 0 if source is None else source.silent_until
    if not pulse.last_at:
        created_at = account.signals.created_at
        if created_at is None or START in account.signals.reported:
            return True
        due = max(created_at, back_at) + policy.detection.silence.onboarding
    else:
        patience = rhythm.patience(account, partition, policy)
        if patience is None or pulse.overdue_at is not None:
            return True
        due = max(pulse.last_at, back_at) + patience
        if source is None or source.last_at <= pulse.last_at + policy.time.session:
            due = max(due, _next_look(source, now))  # nobody else was heard of since: it may be the feed
    if partition.silent(topics.USAGE):
        due = max(due, _next_look(source, now))
    if now < due:
        account.schedule("silence", due, now)
    return now < due


def _next_look(source: SourceState | None, now: int) -> int:
    quiet = 0 if source is None else now - source.last_at
    return now + max(_LOOK_AGAIN, quiet // _LOOK_LESS)


def on_timer(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> Finding | None:
    """Judges an account whose `silence` timer has fired and which does not merely wait (`waits`)."""
    pulse = account.signals.rhythm
    if not pulse.last_at:
        return _start(account, now, policy)
    patience = rhythm.patience(account, partition, policy) or 0
    pulse.overdue_at = now
    if any(_tells_more(name, signal, policy) for name, signal in account.signals.metrics.items()):
        return None
    gap, usual = now - pulse.last_at, rhythm.usual_gap(pulse)
    return Finding(
        kind="silence",
        dimension="success",
        subject="",
        severity=min(1.0, 0.5 + 0.5 * (gap - patience) / (gap or 1) + 0.1 * min(3.0, gap / max(usual, DAY) / 10)),
        confidence=min(1.0, 0.5 + pulse.n / 60),
        onset_at=pulse.last_at + usual,
        at=now,
        text=f"No use for {format_duration(gap)}; it usually comes back within {format_duration(usual)}",
        evidence=(Evidence("gap", gap / HOUR, now, usual / HOUR, "hours"),),
    )


def explains(account: AccountState, name: str, signal: SignalState, metric: MetricPolicy, now: int) -> bool:
    """True when the absence of the account, or its return a few periods ago, says all that a fallen metric says."""
    if signal.reports >= REPORTS or not counts_use(name, metric):
        return False
    pulse = account.signals.rhythm
    return pulse.overdue_at is not None or bool(
        pulse.resumed_at and now < pulse.resumed_at + (metric.min_run + 1) * metric.length
    )


def _tells_more(name: str, signal: SignalState, policy: Policy) -> bool:
    """True when a metric of use has fallen, or comes as reports and so is judged without a rhythm."""
    if signal.reports < REPORTS and (signal.base is None or signal.rose):
        return False
    return counts_use(name, metric_policy(policy.metrics, name, signal.shape))


def _start(account: AccountState, now: int, policy: Policy) -> Finding:
    signals = account.signals
    created_at = signals.created_at or 0
    signals.reported[START] = now
    waited = now - created_at
    return Finding(
        kind=START,
        dimension="success",
        subject="",
        severity=0.6,
        confidence=0.9,
        onset_at=created_at,
        at=now,
        text=f"No use at all in the {format_duration(waited)} since the account was created",
        evidence=(Evidence("waited", waited / DAY, now, policy.detection.silence.onboarding / DAY, "days"),),
    )
