"""The health score of an account: dimensions, score, band, trend, and why it changed.

The score is the mean of the known dimensions, weighted by segment and stage and by how well each is known. Unknown
dimensions are left out and take their weight from the confidence: below `health.min_confidence` the score is unknown,
so an account of which little is known never looks green. While a silent feed withholds what it would tell of an
account, the band may fall and not rise. The arithmetic with an example: `docs/health.md`.
"""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

from streams.domain.account import AccountState
from streams.domain.health import Contribution, DimensionState, HealthState, Part
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.time import WEEK
from streams.health import bands, contributions, dimensions
from streams.health.voice import models_of
from streams.policy.model import Policy
from streams.policy.signals import DIMENSIONS, metric_policy

POLICY = "policy"
"""Name of what a change of the policy did to the score."""
SCORE = "score"
"""Name of the score among the dimensions, where either may be meant."""
FADE = "fade"
"""Name of the timer at which health is looked at because nothing else would."""
_TREND_WEEKS = 2.0
_SAME = 1e-9


class Change(NamedTuple):
    """What makes the score be looked at again: kind of event or timer, its id (None for a timer), time, log record."""

    name: str
    event_id: str | None
    at: int
    origin: Origin


def refresh(account: AccountState, partition: PartitionState, now: int, policy: Policy, why: Change) -> bool:
    """Computes health anew at stream time `now`. True when the row has changed."""
    health = account.health
    weights = policy.health.weights_for(account.profile.segment, account.profile.stage)
    parts = dimensions.parts(account, partition, now, policy)
    known = {name: _known(weights[name], found) for name, found in parts.items() if found}
    if FADE not in account.timers:
        _watch_fading(account, known, now)
    same_rules = health.policy_version == policy.version
    if same_rules and health.as_of and _same(health.dimensions, known, weights):
        return False
    fresh: dict[str, DimensionState] = {
        name: known.get(name) or _unknown(health.dimensions.get(name), weights[name]) for name in DIMENSIONS
    }
    confidence = sum([d.weight * d.confidence for d in known.values()], 0.0)
    new = contributions.shares(known)
    score: float | None = None
    if new and confidence > policy.health.min_confidence:
        score = min(100.0, max(0.0, sum([share * value for share, value, _ in new.values()])))
    change: list[Contribution] = []
    if health.score is not None and score is not None:
        change = _explain(health, fresh, new, score, policy, why, same_rules=same_rules)
    _move_trend(health, score, now)
    held = dimensions.withheld(parts, account, partition, now, policy)
    _note_above(health, None if held else score, fresh, now, policy)
    band = bands.band(score, health.band, policy.health.bands)
    if held:
        band = bands.not_better(band, health.band)
    most = policy.health.max_contributions
    health.last_change = change
    since = health.since_band_change
    contributions.add(since, change, most)
    if band != health.band:
        health.crossing = since
        health.band, health.band_since, health.band_score = band, now, score
        since = []
    health.since_band_change = since
    health.score, health.confidence, health.dimensions = score, confidence, fresh
    health.as_of, health.policy_version = now, policy.version
    health.origin_topic, health.origin_partition, health.origin_offset = why.origin
    return True


def _watch_fading(account: AccountState, known: dict[str, DimensionState], now: int) -> None:
    """Sets a timer where no other one will look soon: evidence that grows old must lose confidence by itself."""
    soon = account.timers.get("signals")
    if (soon is None or soon > now + WEEK) and account.profile.churned_at is None:
        for dimension in known.values():
            for name in dimension.parts:
                if name != dimensions.CANCEL_INTENT:  # stands until it is withdrawn
                    account.schedule(FADE, now + WEEK, now)
                    return


def reasons(health: HealthState, policy: Policy) -> list[Contribution]:
    """What brought the score to where it is: the way into the present band and what came since, worst first."""
    most = policy.health.max_contributions
    found = contributions.folded([*health.crossing, *health.since_band_change], most)
    return sorted(found, key=lambda c: c.points)


def row(account: AccountState, policy: Policy) -> dict[str, Any]:
    """The account's record for `account-health`."""
    health, profile = account.health, account.profile
    weights = policy.health.weights_for(profile.segment, profile.stage)
    shown = [(name, health.dimensions.get(name) or DimensionState(weight=weights[name])) for name in DIMENSIONS]
    return {
        "account_id": account.account_id,
        "as_of": health.as_of,
        "score": health.score,
        "confidence": health.confidence,
        "band": health.band,
        "trend": health.trend,
        "dimensions": [
            {"name": name, "score": d.score, "confidence": d.confidence, "weight": d.weight, "as_of": d.as_of}
            for name, d in shown
        ],
        "since_band_change": [record(c) for c in health.since_band_change],
        "last_change": [record(c) for c in health.last_change],
        "band_score": health.band_score,
        "open_episodes": [key for key, episode in account.episodes.items() if episode.open],
        "covered": profile.known,
        "segment": profile.segment,
        "stage": profile.stage,
        "sentiment_scored_by": models_of(account.signals.utterances),
        "policy_version": health.policy_version or policy.version,
        "origin": Origin(health.origin_topic, health.origin_partition, health.origin_offset).record(),
    }


def record(c: Contribution) -> dict[str, Any]:
    """As the `Contribution` record of the output schemas."""
    return {"dimension": c.dimension, "name": c.name, "points": c.points, "event_id": c.event_id, "at": c.at}


def _known(weight: float, parts: dict[str, Part]) -> DimensionState:
    """A dimension of which there is at least one part: mean score, and how sure all parts together make.

    Parts are taken as independent pieces of evidence: with confidences c it is known by 1 - prod(1 - c). So one more
    part never makes it less known, and one that grows old never makes it better known.
    """
    total = score = 0.0
    doubt = 1.0
    newest = 0
    for part in parts.values():
        own = part.weight
        total += own
        score += own * part.score
        doubt *= 1.0 - part.confidence
        newest = max(newest, part.at)
    return DimensionState(score / total, 1.0 - doubt, weight, newest, parts)


def _unknown(old: DimensionState | None, weight: float) -> DimensionState:
    """A dimension of which nothing is known; the old one when it is just that."""
    return old if old is not None and old.score is None and old.weight == weight else DimensionState(weight=weight)


def _same(old: dict[str, DimensionState], known: dict[str, DimensionState], weights: dict[str, float]) -> bool:
    """True when nothing that anybody sees has changed: weights, which dimensions are known, scores, confidences."""
    for name, weight in weights.items():
        before = old.get(name)
        if before is None or before.weight != weight:
            return False
        after, was = known.get(name), before.score
        if after is None:
            if was is not None:
                return False
            continue
        value = after.score
        if (
            was is None
            or value is None
            or abs(was - value) > _SAME
            or abs(before.confidence - after.confidence) > _SAME
        ):
            return False
    return True


def _explain(
    health: HealthState,
    fresh: dict[str, DimensionState],
    new: contributions.Weighed,
    score: float,
    policy: Policy,
    why: Change,
    *,
    same_rules: bool,
) -> list[Contribution]:
    """Addends of the change from the score that `health` holds to `score`, which the dimensions `fresh` give."""
    before = health.score or 0.0
    found: list[Contribution] = []
    old, base = contributions.shares(health.dimensions), before
    if not same_rules:
        # First the new rules on the old evidence: that much is the policy's doing. Then the new evidence.
        ruled = {name: _ruled(health.dimensions[name], fresh[name].weight, policy) for name in health.dimensions}
        middle = contributions.shares(ruled)
        found += [
            Contribution(c.dimension, POLICY, c.points, None, why.at)
            for c in contributions.between(old, middle, before, why.at)
        ]
        old = middle
        if middle:
            base = sum(share * value for share, value, _ in middle.values())
    for c in contributions.between(old, new, base, why.at):
        known = health.dimensions[c.dimension].parts.get(c.name) if c.dimension in health.dimensions else None
        after = fresh[c.dimension].parts.get(c.name)
        if known is not None and after is not None and known.event_id == after.event_id:
            c.event_id = None  # no new event: it was time that passed, or the policy
            if not same_rules and known.at == after.at:
                c.name = POLICY
        found.append(c)
    contributions.close_gap(found, score - before, why.at)
    return contributions.folded(found, policy.health.max_contributions)


def _ruled(dimension: DimensionState, weight: float, policy: Policy) -> DimensionState:
    """A dimension under another policy's weights, with the evidence it had."""
    parts = {
        name: Part(
            part.score,
            metric_policy(policy.metrics, name).weight * part.confidence if name in policy.metrics else part.weight,
            part.confidence,
            part.at,
            part.event_id,
        )
        for name, part in dimension.parts.items()
    }
    return _known(weight, parts) if parts else DimensionState(weight=weight)


def recovery_bound(name: str, policy: Policy) -> float:
    """What the score, or the score of a dimension, must exceed to count as recovered."""
    low = policy.detection.threshold.score if name == SCORE else policy.health.bands.watch
    return low + policy.health.bands.hysteresis


def _note_above(
    health: HealthState, score: float | None, fresh: dict[str, DimensionState], now: int, policy: Policy
) -> None:
    """Notes since when each is above its bound; what is unknown is not."""
    above = health.above
    if score is None or score < recovery_bound(SCORE, policy):
        above.pop(SCORE, None)
    else:
        above.setdefault(SCORE, now)
    bound = policy.health.bands.watch + policy.health.bands.hysteresis
    for name, dimension in fresh.items():
        if dimension.score is None or dimension.score < bound:
            above.pop(name, None)
        else:
            above.setdefault(name, now)


def _move_trend(health: HealthState, score: float | None, now: int) -> None:
    """Smooths the score that held until now; its distance from the new score over the time constant is the slope."""
    if score is None:
        health.smoothed, health.trend, health.trend_at = None, 0.0, now
        return
    if health.smoothed is None:
        health.smoothed = score
    elif health.score is not None:
        weeks = max(0, now - health.trend_at) / WEEK
        health.smoothed += (health.score - health.smoothed) * (1.0 - exp(-weeks / _TREND_WEEKS))
    health.trend_at = now
    health.trend = (score - health.smoothed) / _TREND_WEEKS
