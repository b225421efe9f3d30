"""Health of one signal, 0..100: its present level against its own normal. 80 is normal.

Of the distance from normal only what exceeds 1.5 standard errors of the present level counts, so noise alone takes
next to nothing away. For metrics that are good when high, the score below normal is 80 times the share of normal that
is left (of the raw value); above it, up to 20 points are earned. For costs each standard deviation above normal takes
10.
"""

from __future__ import annotations

from math import sqrt

from streams.domain.signal import SignalState
from streams.health import normal
from streams.policy.signals import MetricPolicy

NORMAL = 80.0
"""Score of a signal that is at its own normal."""
_BONUS = 100.0 - NORMAL
_PER_SIGMA = 10.0
_MARGIN = 1.5


def refresh(signal: SignalState, metric: MetricPolicy) -> None:
    """Computes `recent` and `score` after a closed period."""
    recent, weight = normal.mean_of_last(signal, metric.recent)
    signal.recent = recent
    if signal.n < metric.min_periods or not signal.unit or not weight:
        signal.score = None
        return
    usual = signal.level
    error = _MARGIN * signal.noise / sqrt(weight)
    distance = recent - usual if metric.good == "up" else usual - recent
    beyond = max(0.0, abs(distance) - error)
    if metric.good == "up" and usual > 0:
        share = beyond / usual
        if distance >= 0:
            signal.score = NORMAL + _BONUS * min(1.0, share)
        else:
            left = max(0.0, 1.0 - share)
            signal.score = NORMAL * (left * left if metric.transform == "sqrt" else left)
        return
    sigmas = beyond / signal.noise if signal.noise else 0.0
    change = _PER_SIGMA * sigmas
    signal.score = min(100.0, NORMAL + change / 2) if distance >= 0 else max(0.0, NORMAL - change)
