"""Health of an account as last computed: what `account-health` shows and the next change is measured against."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Part:
    """One signal inside a dimension."""

    score: float
    """0..100, 80 at the account's own normal."""
    weight: float
    """Weight times confidence, > 0."""
    confidence: float = 0.0
    at: int = 0
    """Newest evidence."""
    event_id: str | None = None


@dataclass(slots=True)
class DimensionState:
    """One of the five dimensions. `score` is None when unknown."""

    score: float | None = None
    confidence: float = 0.0
    weight: float = 0.0
    """For this segment and stage; sums to 1 over all five, known or not."""
    as_of: int | None = None
    parts: dict[str, Part] = field(default_factory=dict)


@dataclass(slots=True)
class Contribution:
    """One addend of a change of the score, in points; negative took from it."""

    dimension: str
    name: str
    points: float
    event_id: str | None = None
    at: int = 0


@dataclass(slots=True)
class HealthState:
    """Score, band, trend, and how they came about."""

    as_of: int = 0
    score: float | None = None
    """0..100; None when all dimensions are unknown or the confidence is too low."""
    confidence: float = 0.0
    band: str = "unknown"
    """unknown, healthy, watch, at_risk or critical."""
    band_since: int = 0
    band_score: float | None = None
    """Score when the band last changed."""
    smoothed: float | None = None
    """Slow mean of the score, from which the trend is taken."""
    trend: float = 0.0
    """Points a week."""
    trend_at: int = 0
    dimensions: dict[str, DimensionState] = field(default_factory=dict)
    since_band_change: list[Contribution] = field(default_factory=list)
    """Addends of score minus band_score; bounded, the oldest are folded into one."""
    crossing: list[Contribution] = field(default_factory=list)
    """Addends that led to the present band: from the change of band before to the last one, included."""
    last_change: list[Contribution] = field(default_factory=list)
    above: dict[str, int] = field(default_factory=dict)
    """Since when the score, and each dimension, has been clearly above the bound to which recovery is held."""
    policy_version: str = ""
    origin_topic: str = ""
    origin_partition: int = 0
    origin_offset: int = 0
