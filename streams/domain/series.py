"""What is known of a metric that is reported as a level at regular moments: a queue length, a price, a share.

The classes of its detectors lie beside this one: `novelty.py` (how new is this row), `deviation.py` (steps below a day)
and `segments.py` (a day and longer). Values are kept relative to the first one, so that a series far from zero loses no
precision in single-precision arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.deviation import Deviation
from streams.domain.novelty import Novelty
from streams.domain.segments import Segments


@dataclass(slots=True)
class Cadence:
    """The first samples of a metric of which the policy does not say how it comes; bounded."""

    ats: list[int] = field(default_factory=list)
    """Event times in ms."""
    values: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """Event ids."""


@dataclass(slots=True)
class Series:
    """A regular series. Exactly one of `deviation` and `segments` is set, by the length of its step."""

    step: int = 0
    """Time between samples in ms."""
    origin: float = 0.0
    """First value; the detectors see what is above it."""
    odd: int = 0
    """Gaps in a row that are nothing like the step."""
    odd_since: int = 0
    """Time of the sample behind the first of them, in ms."""
    novelty: Novelty = field(default_factory=Novelty)
    deviation: Deviation | None = None
    segments: Segments | None = None


@dataclass(slots=True)
class DropEnd:
    """How a drop of a metric ended."""

    metric: str = ""
    onset_at: int = 0
    opened_at: int = 0
    ended_as: str = ""
    """recovered or new_normal."""
    at: int = 0
    """recovered: the first sample of the run that was back, in ms; new_normal: when it was judged."""
    judged_at: int = 0
    """When it was judged."""
