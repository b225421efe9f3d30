"""A metric that is not too low yet but will be within the horizon, if it goes on like this.

A least-squares line through the newest periods at season factor 1 (Draper and Smith, Applied Regression Analysis).
It is believed when its slope is `t` standard errors from zero, a quarter of the account's usual noise being the least
residual error so that a short lucky line proves nothing, and when it has run for a part of the way already.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.signal import SignalState
from streams.domain.time import DAY, format_duration
from streams.health import normal
from streams.policy.model import Policy
from streams.policy.signals import ForecastPolicy, MetricPolicy, metric_policy

_LEAST_ERROR = 1 / 4  # of the usual noise
_WAY = 0.1  # share of normal that must be lost already


class Line(NamedTuple):
    """A line through working values: value at the newest period, slope a period, t of the slope."""

    now: float
    slope: float
    t: float


def line(signal: SignalState, k: int) -> Line | None:
    """Weighted least squares through the newest `k` periods; None when too few of them tell anything."""
    w = x = y = xx = xy = 0.0
    points = 0
    size = len(signal.ys)
    for i in range(max(0, size - k), size):
        f = signal.fs[i]
        if f < normal.FAINT:
            continue
        points += 1
        t, v, g = float(i - size + 1), signal.ys[i] / f, f * f
        w += g
        x += g * t
        y += g * v
        xx += g * t * t
        xy += g * t * v
    spread = xx - x * x / w if w else 0.0
    if points < max(4, k // 2) or spread <= 0:
        return None
    slope = (xy - x * y / w) / spread
    at = (y - slope * x) / w
    if slope >= 0:
        return Line(at, slope, 0.0)  # only falls are looked at
    rest = 0.0
    for i in range(max(0, size - k), size):
        f = signal.fs[i]
        if f >= normal.FAINT:
            d = signal.ys[i] - f * (at + slope * (i - size + 1))
            rest += d * d
    error = max(sqrt(rest / (points - 2)), _LEAST_ERROR * signal.noise) / sqrt(spread)
    return Line(at, slope, slope / error if error else 0.0)


def findings(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    """Metrics that will cross, each reported once within the cool-down."""
    found: list[Finding] = []
    rules, reported = policy.detection.forecast, account.signals.reported
    for name, signal in account.signals.metrics.items():
        metric = metric_policy(policy.metrics, name, signal.shape)
        key = f"forecast:{name}"
        if key in reported and now - reported[key] >= rules.cooldown:
            del reported[key]
        if key in reported or signal.base is not None or not metric.length or metric.good != "up":
            continue
        finding = _look(name, signal, metric, rules, now)
        if finding is not None:
            reported[key] = now
            found.append(finding)
    return found


def _look(name: str, signal: SignalState, metric: MetricPolicy, rules: ForecastPolicy, now: int) -> Finding | None:
    usual = signal.level
    if signal.score is None or usual <= 0 or signal.n < metric.min_periods + rules.min_periods:
        return None  # a season that was learnt from these very periods would make any line fit
    if signal.recent > usual * (1 - _WAY / 2):
        return None  # not falling: the line need not be drawn
    fit = line(signal, len(signal.ys))
    bound = usual * (sqrt(rules.share) if metric.transform == "sqrt" else rules.share)
    if fit is None or fit.slope >= 0 or fit.t > -rules.t or not bound < fit.now < usual * (1 - _WAY):
        return None
    periods = (fit.now - bound) / -fit.slope
    left = round(periods * metric.length)
    if left > rules.horizon:
        return None
    base, present = normal.raw(usual, metric), normal.raw(fit.now, metric)
    # The line left the normal where it crosses it.
    back = min(float(len(signal.ys) - 1), (usual - fit.now) / -fit.slope)
    onset = signal.ats[-1 - int(back)]
    text = f"{name} is {present:.4g} {metric.unit}".rstrip()
    text += f" and falling; in {format_duration(max(left, DAY))} it is below {rules.share:.0%} of normal, {base:.4g}"
    return Finding(
        kind="forecast",
        dimension=metric.dimension,
        subject=name,
        severity=min(1.0, 0.3 + 0.4 * (1 - left / rules.horizon)),
        confidence=min(1.0, 0.4 + 0.05 * -fit.t),
        onset_at=onset,
        at=now,
        text=text,
        evidence=(Evidence(name, present, now, base, metric.unit, signal.event_id or None),),
        baseline=base,
    )
