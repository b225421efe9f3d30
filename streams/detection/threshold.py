"""A level that is bad in itself: the score of the account, or a metric with a fixed bound of its own.

Raised once when the bound is passed, and again only after the level was clearly back (Schmitt trigger: hysteresis of
the bands for the score, the share that counts as recovered for metrics). Noise pulls scores down as well, and the
permitted rate of false alarms holds for them too: here a metric counts as normal until its own detector has found it
fallen.
"""

from __future__ import annotations

from streams.detection.relative import is_back
from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.health import contributions, normal
from streams.health.level import NORMAL
from streams.health.score import SCORE, recovery_bound
from streams.policy.model import Policy
from streams.policy.signals import metric_policy


def on_score(account: AccountState, now: int, policy: Policy) -> Finding | None:
    """The score is below the bound, and well enough known."""
    health, rules = account.health, policy.detection.threshold
    reported = account.signals.reported
    key = f"threshold:{SCORE}"
    score = health.score
    if score is None:
        return None
    if score >= rules.score:
        if score >= recovery_bound(SCORE, policy):
            reported.pop(key, None)
        return None
    if key in reported or health.confidence < rules.min_confidence or _proven(account) >= rules.score:
        return None
    reported[key] = now
    known = [
        (d.weight * d.confidence * (NORMAL - d.score), name)
        for name, d in health.dimensions.items()
        if d.score is not None
    ]
    worst = max(known)[1]
    onset = min((c.at for c in (*health.crossing, *health.since_band_change) if c.points < 0 and c.at), default=now)
    evidence = tuple(
        Evidence(name, d.score, d.as_of or now, NORMAL, "points")
        for name, d in health.dimensions.items()
        if d.score is not None and d.score < NORMAL
    )
    return Finding(
        kind="threshold",
        dimension=worst,
        subject=SCORE,
        severity=min(1.0, (NORMAL - score) / NORMAL),
        confidence=health.confidence,
        onset_at=max(onset, account.first_seen_at),
        at=now,
        text=f"Health is {score:.0f} of 100, below {rules.score:.0f}; {worst} pulls it down most",
        evidence=(Evidence(SCORE, score, now, NORMAL, "points"), *evidence),
        baseline=recovery_bound(SCORE, policy),
    )


def _proven(account: AccountState) -> float:
    """The score, if every metric were normal that has not been found fallen."""
    metrics = account.signals.metrics
    score = account.health.score or 0.0
    for share, _, dimension in contributions.shares(account.health.dimensions).values():
        whole = sum(part.weight for part in dimension.parts.values())
        for name, part in dimension.parts.items():
            signal = metrics.get(name)
            if signal is not None and signal.base is None and part.score < NORMAL:
                score += share * part.weight / whole * (NORMAL - part.score)
    return score


def on_metrics(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    """Metrics whose newest closed periods are all beyond the bound that the policy sets for them."""
    found: list[Finding] = []
    reported = account.signals.reported
    for name, signal in account.signals.metrics.items():
        metric = metric_policy(policy.metrics, name, signal.shape)
        bound = metric.threshold
        if bound is None or len(signal.ys) < metric.min_run:
            continue
        key = f"threshold:{name}"
        values = [normal.raw(y, metric) for y in signal.ys[-metric.min_run :]]
        beyond = max(values) < bound if metric.good == "up" else min(values) > bound
        if not beyond:
            if is_back(values[-1], bound, 1.0, metric):
                reported.pop(key, None)
            continue
        if key in reported:
            continue
        reported[key] = now
        distance = abs(values[-1] - bound) / abs(bound) if bound else 1.0
        side = "below" if metric.good == "up" else "above"
        found.append(
            Finding(
                kind="threshold",
                dimension=metric.dimension,
                subject=name,
                severity=min(1.0, 0.5 + distance / 2),
                confidence=min(1.0, signal.n / metric.min_periods),
                onset_at=signal.ats[-metric.min_run],
                at=now,
                text=f"{name} is {values[-1]:.4g} {metric.unit}".rstrip() + f", {side} the bound of {bound:.4g}",
                evidence=(Evidence(name, values[-1], now, bound, metric.unit, signal.event_id or None),),
                baseline=bound,
            )
        )
    return found
