"""Bands of the score, with hysteresis: an edge is crossed when the score is clearly beyond it."""

from __future__ import annotations

from streams.policy.signals import Bands

UNKNOWN = "unknown"
ORDER = ("critical", "at_risk", "watch", "healthy")
"""From worst to best."""


def floor(band: str, bands: Bands) -> float:
    """Lower end of a band, 0..100."""
    return {"critical": 0.0, "at_risk": bands.at_risk, "watch": bands.watch, "healthy": bands.healthy}[band]


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
    while index + 1 < len(ORDER) and score >= floor(ORDER[index + 1], bands) + margin:
        index += 1
    while index > 0 and score < floor(ORDER[index], bands) - margin:
        index -= 1
    return ORDER[index]
