"""The five dimensions: which signals speak for each, how they stand, and how well they are known.

A part is one signal's score (80 at the account's own normal) with a weight of policy weight times confidence.
Confidence comes from the amount of evidence and from its freshness: it halves in each `health.half_life` after the
evidence is older than usual. What a silent feed would tell is unknown: its parts are left out.
"""

from __future__ import annotations

from streams import topics
from streams.domain.account import AccountState
from streams.domain.health import Part
from streams.domain.partition import PartitionState
from streams.domain.signal import Signals, Utterance
from streams.domain.time import DAY
from streams.health import period, tickets
from streams.health.level import NORMAL
from streams.policy.model import Policy
from streams.policy.signals import DIMENSIONS, metric_policy

_LEAST = 0.02
"""Confidence below which a part is forgotten."""
_MOOD = 60.0
"""Points for one unit of sentiment below or above the channel's normal."""
_VOICES = 4.0
"""Utterances that make sentiment half known."""
_BLOCKERS = 2.0
_COMMERCIAL = 2.0
_COMMERCIAL_HALF_LIVES = 6
_CANCEL, _CONTRACTED, _COMMITTED = 10.0, 35.0, 90.0

Parts = dict[str, dict[str, Part]]
"""Parts by dimension and signal."""


def parts(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> Parts:
    """All parts that are known at stream time `now`, dimensions in fixed order."""
    found: Parts = {dimension: {} for dimension in DIMENSIONS}
    signals = account.signals
    if not partition.silent(topics.USAGE):
        _metrics(found, signals, now, policy, topics.USAGE)
    if not partition.silent(topics.TICKETS):
        _metrics(found, signals, now, policy, topics.TICKETS)
        _tickets(found, signals, now, policy)
    if not partition.silent(topics.SENTIMENT):
        _sentiment(found, signals, now, policy)
    _commercial(found, signals, now, policy)
    return found


def fade(age: float, half_life: int) -> float:
    """Share of confidence left after `age` ms."""
    return 1.0 if age <= 0 else float(0.5 ** (age / half_life))


def _metrics(found: Parts, signals: Signals, now: int, policy: Policy, feed: str) -> None:
    half_life = policy.health.half_life
    for name, signal in signals.metrics.items():
        score = signal.score
        if score is None or period.feed_of(name) != feed:
            continue
        metric = metric_policy(policy.metrics, name)
        length = metric.length or DAY
        # A period that closed lately is fresh, whether or not it held an event: a zero is evidence too.
        newest = signal.ats[-1] + length
        amount = min(1.0, signal.n / (1.5 * metric.min_periods))
        confidence = amount * fade(now - newest - 2 * length, half_life)
        if confidence > _LEAST:
            part = Part(score, metric.weight * confidence, confidence, newest, signal.event_id or None)
            found[metric.dimension][name] = part


def _tickets(found: Parts, signals: Signals, now: int, policy: Policy) -> None:
    rules = policy.health
    for area in ("support", "service"):
        newest = 0
        is_open = False
        event_id: str | None = None
        for ticket in signals.tickets.values():
            if ticket.area == area:
                is_open = is_open or ticket.open
                if ticket.changed_at >= newest:
                    newest, event_id = ticket.changed_at, ticket.event_id
        if not newest:
            continue
        points, worst = tickets.penalty(signals, area, now, rules)
        # An open ticket is evidence as long as it is open.
        confidence = 1.0 if is_open else fade(now - newest, rules.half_life)
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
        weight = fade(now - said.at, half_life)
        total += weight * (said.score - said.normal)
        amount += weight
    return (total / (amount + 1.0), amount) if amount else None


def _commercial(found: Parts, signals: Signals, now: int, policy: Policy) -> None:
    event_id = signals.commercial_event or None
    sales = found["sales"]
    if signals.cancel_at is not None:
        sales["cancel_intent"] = Part(_CANCEL, _COMMERCIAL, 1.0, signals.cancel_at, event_id)
        return
    half_life = _COMMERCIAL_HALF_LIVES * policy.health.half_life
    for name, at, score in (
        ("contracted", signals.contracted_at, _CONTRACTED),
        ("committed", signals.committed_at, _COMMITTED),
    ):
        confidence = 0.0 if at is None else fade(now - at, half_life)
        if at is not None and confidence > _LEAST:
            sales[name] = Part(score, _COMMERCIAL * confidence, confidence, at, event_id)
