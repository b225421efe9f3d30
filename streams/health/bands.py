"""Bands of the score, with hysteresis: an edge is crossed when the score is clearly beyond it."""

from __future__ import annotations

from streams.policy.signals import Bands

UNKNOWN = "unknown"
ORDER = ("critical", "at_risk", "watch", "healthy")
"""From worst to best."""


def floors(bands: Bands) -> tuple[float, float, float, float]:
    """Lower ends of the bands, 0..100, in the order of `ORDER`."""
    return 0.0, bands.at_risk, bands.watch, bands.healthy


def band(score: float | None, current: str, bands: Bands) -> str:
    """Band of a score, given the one the account is in."""
    if score is None:
        return UNKNOWN
    margin = bands.hysteresis
    if current == UNKNOWN:
        index = 0
        margin = 0.0
    else:
        index = ORDER.index(current)
    low = floors(bands)
    while index + 1 < len(ORDER) and score >= low[index + 1] + margin:
        index += 1
    while index > 0 and score < low[index] - margin:
        index -= 1
    return ORDER[index]


def not_better(band: str, current: str) -> str:
    """The band, but not one that is better than the present one; out of the unknown, `watch` at best.

    For when evidence is missing: its absence must not look like an improvement.
    """
    best = "watch" if current == UNKNOWN else current
    return band if band == UNKNOWN or ORDER.index(band) <= ORDER.index(best) else best
