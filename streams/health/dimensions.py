"""The five dimensions: which signals speak for each, how they stand, and how well they are known.

A part is one signal's score (80 at the account's own normal) with a weight of policy weight times confidence.
Confidence comes from the amount of evidence and from its freshness: it halves in each `health.half_life` after the
evidence is older than usual. What hurts is certain at once, that all is well needs more than one event: so nothing
looks green of which little is known. What a silent feed would tell is unknown: its parts are left out.
"""

from __future__ import annotations

from streams import topics
from streams.domain.account import AccountState
from streams.domain.health import Part
from streams.domain.partition import PartitionState
from streams.domain.signal import Signals, SignalState, Utterance
from streams.domain.time import DAY
from streams.health import period, tickets
from streams.health.level import NORMAL
from streams.policy.model import Policy
from streams.policy.signals import DIMENSIONS, MetricPolicy, metric_policy

CANCEL_INTENT = "cancel_intent"
"""Name of the part that an intent to cancel makes: the one that does not grow old."""
_LEAST = 0.02
"""Confidence below which a part is forgotten."""
_MOOD = 60.0
"""Points for one unit of sentiment below or above the channel's normal."""
_VOICES = 4.0
"""Utterances that make sentiment half known."""
_BLOCKERS = 2.0
_CALM = 0.5
"""Confidence of tickets that take no points, while fresh: one event must not make an account look known."""
_SERIOUS = 20.0
"""Points that open tickets take when they are certain by themselves."""
_COMMERCIAL = 2.0
_COMMERCIAL_HALF_LIVES = 6
_CANCEL, _CONTRACTED, _COMMITTED = 10.0, 35.0, 90.0
_PROMISED = 0.5
"""Confidence of a renewal or expansion, while fresh: a contract is no use."""

Parts = dict[str, dict[str, Part]]
"""Parts by dimension and signal."""


def parts(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> Parts:
    """All parts that are known at stream time `now`, dimensions in fixed order; empty where nothing is."""
    found: Parts = {dimension: {} for dimension in DIMENSIONS}
    signals = account.signals
    if signals.metrics:
        _metrics(found, signals, partition, now, policy)
    if signals.tickets and not partition.silent(topics.TICKETS):
        _tickets(found, signals, now, policy)
    if signals.utterances and not partition.silent(topics.SENTIMENT):
        _sentiment(found, signals, now, policy)
    _commercial(found, signals, now, policy)
    return found


def withheld(found: Parts, account: AccountState, partition: PartitionState, now: int, policy: Policy) -> bool:
    """True when a feed that is silent would have added to the parts that were found."""
    if all(source.silent_since is None for source in partition.sources.values()):
        return False
    whole = parts(account, PartitionState(partition.partition), now, policy)
    return any(len(whole[name]) > len(known) for name, known in found.items())


def fade(age: float, half_life: int) -> float:
    """Share of confidence left after `age` ms."""
    return 1.0 if age <= 0 else float(0.5 ** (age / half_life))


def _metrics(found: Parts, signals: Signals, partition: PartitionState, now: int, policy: Policy) -> None:
    rules, metrics = policy.health, policy.metrics
    counted: list[tuple[str, SignalState]] = []
    if partition.silent(topics.USAGE):
        counted = [(name, signal) for name, signal in signals.metrics.items() if _counted(name)]
    else:
        for name, signal in signals.metrics.items():
            if signal.score is not None:
                if _counted(name):
                    counted.append((name, signal))
                else:
                    _metric(found, name, signal, metric_policy(metrics, name, signal.shape), now, rules.half_life)
    if counted and not partition.silent(topics.TICKETS):
        for name, signal in counted:
            _metric(found, name, signal, metric_policy(metrics, name, signal.shape), now, rules.half_life)


def _counted(name: str) -> bool:
    """True for a metric that is counted here from the tickets."""
    return period.feed_of(name) == topics.TICKETS


def _metric(found: Parts, name: str, signal: SignalState, metric: MetricPolicy, now: int, half_life: int) -> None:
    score = signal.score
    if score is None:
        return
    length = metric.length or (signal.series.step if signal.series is not None else DAY)
    # A period that closed lately is fresh, whether or not it held an event: a zero is evidence too.
    newest = signal.ats[-1] + length if signal.ats else signal.newest_at
    age = now - newest - 2 * length
    confidence = min(1.0, signal.n / (1.5 * metric.min_periods))
    if age > 0:
        confidence *= fade(age, half_life)
    if confidence > _LEAST:
        found[metric.dimension][name] = Part(
            score, metric.weight * confidence, confidence, newest, signal.event_id or None
        )


def _tickets(found: Parts, signals: Signals, now: int, policy: Policy) -> None:
    rules = policy.health
    for area in ("support", "service"):
        newest = 0
        event_id: str | None = None
        for ticket in signals.tickets.values():
            if ticket.area == area and ticket.changed_at >= newest:
                newest, event_id = ticket.changed_at, ticket.event_id
        if not newest:
            continue
        points, worst = tickets.penalty(signals, area, now, rules)
        # Blockers are evidence by themselves as long as they are open; that nothing is stuck proves less.
        confidence = max(_CALM * fade(now - newest, rules.half_life), min(1.0, points / _SERIOUS))
        if confidence > _LEAST:
            at = now if points else newest
            found[area]["tickets"] = Part(NORMAL - points, _BLOCKERS * confidence, confidence, at, worst or event_id)


def _sentiment(found: Parts, signals: Signals, now: int, policy: Policy) -> None:
    mood = recent_mood(signals.utterances, now, policy.health.half_life)
    if mood is None:
        return
    deviation, amount = mood
    confidence = amount / (amount + _VOICES)
    if confidence > _LEAST:
        newest = signals.utterances[-1]
        score = min(100.0, max(0.0, NORMAL + _MOOD * deviation))
        found["sentiment"]["mood"] = Part(score, confidence, confidence, newest.at, newest.event_id)


def recent_mood(utterances: list[Utterance], now: int, half_life: int) -> tuple[float, float] | None:
    """Mean deviation of what was said from its channel's normal, by freshness, and how many fresh utterances that is.

    The deviation of few utterances is drawn to zero (one counts half). None when nothing was said.
    """
    total = amount = 0.0
    for said in utterances:
        age = now - said.at
        weight = 0.5 ** (age / half_life) if age > 0 else 1.0
        total += weight * (said.score - said.normal)
        amount += weight
    return (total / (amount + 1.0), amount) if amount else None


def _commercial(found: Parts, signals: Signals, now: int, policy: Policy) -> None:
    event_id = signals.commercial_event or None
    sales = found["sales"]
    if signals.cancel_at is not None:
        sales[CANCEL_INTENT] = Part(_CANCEL, _COMMERCIAL, 1.0, signals.cancel_at, event_id)
        return
    half_life = _COMMERCIAL_HALF_LIVES * policy.health.half_life
    for name, at, score, sure in (
        ("contracted", signals.contracted_at, _CONTRACTED, 1.0),
        ("committed", signals.committed_at, _COMMITTED, _PROMISED),
    ):
        confidence = 0.0 if at is None else sure * fade(now - at, half_life)
        if at is not None and confidence > _LEAST:
            sales[name] = Part(score, _COMMERCIAL * confidence, confidence, at, event_id)
