"""What the accounts of one segment have in common in their gaps between sessions."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class GapPool:
    """How far gaps lie above what was usual for their account. Formulas: `health/rhythm.py`."""

    gaps: int = 0
    """Gaps in the histogram."""
    tail: list[int] = field(default_factory=list)
    """Counts of standardised ln(gap) above 0, by size; grows to the size of the largest, bounded."""
    spread: float = 0.0
    """Mean squared deviation of ln(gap) from what was expected: the prior of a new account's variance."""
