"""The finding of a change in a regular series. How it is seen: `deviation.py`, `segments.py`."""

from __future__ import annotations

from streams.domain.finding import Evidence, Finding
from streams.domain.signal import SignalState
from streams.policy.signals import MetricPolicy

_FULL = 10.0  # standard deviations that make full severity
_SURE = 0.9


def finding(signal: SignalState, name: str, metric: MetricPolicy, now: int) -> Finding:
    """The finding of a change that lasts. For the better it is told, but is no harm."""
    base, present = signal.base or 0.0, signal.recent
    sigmas = abs(present - base) / signal.noise if signal.noise > 0 else _FULL
    way = "rose above" if signal.rose else "fell below"
    text = f"{name} {way} what is expected of it: {present:.4g} instead of {base:.4g} {metric.unit}".rstrip()
    return Finding(
        kind="relative",
        dimension=metric.dimension,
        subject=name,
        severity=min(1.0, sigmas / _FULL),
        confidence=min(_SURE, signal.n / (4 * metric.min_periods)),
        onset_at=signal.onset_at,
        at=now,
        text=text,
        evidence=(Evidence(name, present, now, base, metric.unit, signal.event_id or None),),
        baseline=base,
        harm=signal.rose == (metric.good == "down"),
    )
