"""A sample of a partition's accounts, followed by the partition itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.signal import Rhythm


@dataclass(slots=True)
class Member:
    """One account of the sample."""

    segment: str = ""
    counted_as: str = ""
    """Segment under which it is among the silent accounts."""
    week: int = -1
    """Week, counted from Monday, 1970-01-05, in which its newest session began; -1: none yet."""
    cell: int = 0
    """Class of activity and pace under which it is among them (`health/silences.py`)."""
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(slots=True)
class Panel:
    """Who is in it, by account id: those whose hash lies below the limit."""

    limit: int = 1 << 32
    members: dict[str, Member] = field(default_factory=dict)
