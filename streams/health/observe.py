"""What an event does to the signals of its account, and what time alone does to them.

Most usage events only add to an open period; they end here, before health and detection are looked at.
"""

from __future__ import annotations

from typing import cast

from streams import topics
from streams.domain.account import AccountState
from streams.domain.events import AccountEvent, Event, SentimentEvent, TicketEvent, UsageEvent
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, WEEK
from streams.health import period, rhythm, tickets, voice
from streams.policy.model import Policy
from streams.policy.signals import metric_policy
from streams.sentiment.scorer import Scorer

ABSORBED = "absorbed"
"""Outcome of a usage event that only added to its open period: nothing else is to be done for it."""
OVERFLOW = "overflow"
"""Outcome of a usage event of one metric more than an account may have."""
LATE = "late"
"""Outcome of an event that was too old to be learnt."""
APPLIED = "applied"

_FADING = 4  # half-lives after which evidence is no longer watched fading


def observe(
    account: AccountState,
    partition: PartitionState,
    topic: str,
    event: Event,
    now: int,
    policy: Policy,
    scorer: Scorer | None,
) -> str:
    """Takes in one event at stream time `now`. The outcome: applied, absorbed, late, overflow, empty or unscored.

    An event from the future counts as of `now`: it may not close periods before their time.
    """
    if topic == topics.USAGE:
        return _usage(account, partition, cast("UsageEvent", event), now, policy)
    if topic == topics.SENTIMENT:
        at = min(event["occurred_at"], now)
        if at < now - policy.time.max_lateness:
            return LATE
        outcome = voice.observe(account.signals, partition, cast("SentimentEvent", event), at, policy, scorer)
    elif topic == topics.TICKETS:
        outcome = _ticket(account, partition, cast("TicketEvent", event), now, policy)
    elif topic == topics.ACCOUNTS:
        outcome = _commercial(account, cast("AccountEvent", event), now, policy)
    else:
        return APPLIED
    schedule(account, now, policy)
    return outcome


def on_signals_timer(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> None:
    """Closes the periods that have ended, those of silent accounts as zeros, and sets the next timer."""
    until = now - policy.time.close_delay
    for name, signal in account.signals.metrics.items():
        if signal.end and signal.end <= until:
            metric = metric_policy(policy.metrics, name, signal.shape)
            period.close_until(account, partition, name, signal, metric, until, policy)
    schedule(account, now, policy)


def schedule(account: AccountState, now: int, policy: Policy) -> None:
    """Sets the `signals` timer to the next moment at which time alone changes something."""
    due: int | None = None
    if account.profile.churned_at is None:
        signals = account.signals
        for name, signal in signals.metrics.items():
            due = _sooner(due, period.next_close(signal, metric_policy(policy.metrics, name, signal.shape), policy))
        for ticket in signals.tickets.values():
            if ticket.open:
                due = _sooner(due, _blocker_moment(ticket.opened_at, ticket.priority, now, policy))
        if signals.utterances and now < signals.utterances[-1].at + _FADING * policy.health.half_life:
            due = _sooner(due, now + WEEK)
    if due is not None or "signals" in account.timers:
        account.schedule("signals", due, now)


def _sooner(due: int | None, other: int | None) -> int | None:
    return other if due is None or (other is not None and other < due) else due


def _usage(account: AccountState, partition: PartitionState, event: UsageEvent, now: int, policy: Policy) -> str:
    at = event["occurred_at"]
    if at > now:
        at = now
    elif now - at > policy.time.max_lateness:
        return LATE
    name, value = event["metric"], event["value"]
    signals = account.signals
    signal = signals.metrics.get(name)
    metric = metric_policy(policy.metrics, name, signal.shape if signal is not None else "")
    if signal is not None and signal.series is not None and metric.kind == "level":
        matters = period.sample(account, signal, name, metric, at, value, event["event_id"], policy)
        return APPLIED if matters else ABSORBED
    begins = False
    if value > 0 and metric.tells_use:
        pulse = signals.rhythm
        last = pulse.last_at
        if 0 <= at - last < policy.time.session:
            pulse.last_at = at
        elif at > last:
            begins = _session(account, partition, at, now, policy)
    if signal is not None and at < signal.end and signal.reports < period.REPORTS:
        period.add(signal, metric, at, value, event["event_id"])
        return APPLIED if begins else ABSORBED
    known = signal is not None and signal.score is not None
    signal = period.observe(account, partition, name, at, value, event["event_id"], policy)
    if signal is None:
        return OVERFLOW
    # The timer only has to fire early enough: when it does, `schedule` looks at everything.
    due = period.next_close(signal, metric, policy)
    timer = account.timers.get("signals")
    if due is not None and (timer is None or due < timer):
        account.schedule("signals", due, now)
    seen = known or signal.score is not None or metric.threshold is not None or bool(signals.alarms)
    seen = seen or bool(signals.ended)
    return APPLIED if begins or seen else ABSORBED


def _session(account: AccountState, partition: PartitionState, at: int, now: int, policy: Policy) -> bool:
    """A new session of use. True when it is the first or ends a silence, so that everything is looked at again."""
    pulse = account.signals.rhythm
    first, overdue = not pulse.last_at, pulse.overdue_at is not None
    rhythm.active(pulse, partition, at, policy)
    if "silence" not in account.timers or first:
        due = rhythm.patience(account, partition, policy)
        if due is not None:
            # Set once and looked at when it fires: moving it at every session would cost more than it tells.
            account.schedule("silence", at + due, now)
    return first or overdue


def _ticket(account: AccountState, partition: PartitionState, event: TicketEvent, now: int, policy: Policy) -> str:
    # However old it is, what became of a ticket counts; only the rate of tickets is not learnt from the past.
    at = min(event["occurred_at"], now)
    late = now - at > policy.time.max_lateness
    opened = tickets.observe(account.signals, event, at, now, policy.health)
    if not late:
        for area in ("support", "service"):
            name = f"tickets:{area}"
            if area == event["area"] or name in account.signals.metrics:
                value = 1.0 if opened and area == event["area"] else 0.0
                period.observe(account, partition, name, at, value, event["event_id"], policy)
    return LATE if late else APPLIED


def _commercial(account: AccountState, event: AccountEvent, now: int, policy: Policy) -> str:
    signals, change = account.signals, event["change"]
    at = min(event["occurred_at"], now)
    if change == "created":
        signals.created_at = at
        if not signals.rhythm.last_at:
            account.schedule("silence", at + policy.detection.silence.onboarding, now)
    elif change == "cancel_intent":
        signals.cancel_at = at
    elif change in ("renewed", "expanded"):
        signals.committed_at, signals.cancel_at = at, None
    elif change == "contracted":
        signals.contracted_at = at
    else:
        return APPLIED
    signals.commercial_event = event["event_id"]
    return APPLIED


def _blocker_moment(opened_at: int, priority: str, now: int, policy: Policy) -> int | None:
    """When an open ticket has aged further: each day until the cap, and when it counts as blocked."""
    moments: list[int] = []
    after = policy.detection.blocked.after.get(priority)
    if after is not None and opened_at + after > now:
        moments.append(opened_at + after)
    points = policy.health.blocker_points.get(priority, 0.0)
    if points and now - opened_at < policy.health.blocker_cap / points * DAY:
        moments.append(opened_at + ((now - opened_at) // DAY + 1) * DAY)
    return min(moments, default=None)
