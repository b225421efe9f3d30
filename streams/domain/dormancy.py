"""The partition's own past of silences, from which it is learnt how likely an account is gone for good."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class SilentWeek:
    """Accounts whose silence began in one week. Both lists grow to the largest index that was needed, bounded.

    Accounts are told apart by how often and at what pace they had been active (cells, `health/silences.py`).
    """

    silent: list[int] = field(default_factory=list)
    """Accounts that are still silent, by cell."""
    returned: list[int] = field(default_factory=list)
    """Accounts that came back, by calendar marks passed in silence (from 1), and by cell within each."""


@dataclass(slots=True)
class Silences:
    """The accounts of one segment."""

    first: int = 0
    """Number of the oldest week that is kept; weeks are counted from Monday, 1970-01-05."""
    weeks: list[SilentWeek] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """What was learnt at the last mark; empty: nothing yet."""


@dataclass(slots=True)
class Dormancy:
    """What a partition knows about silences."""

    anchor: int = -1
    """Week in which the first session was seen: calendar marks are whole multiples of four weeks from it."""
    due_at: int = 1 << 62
    """Moment of the next mark, ms; far off before the first session."""
    learnt: int = 0
    """Number of the last mark at which the weights were learnt, counted from the anchor."""
    segments: dict[str, Silences] = field(default_factory=dict)
    weights: list[float] = field(default_factory=list)
    """Over all segments."""
