"""How a metric comes: at regular moments, or whenever something happens. Found from its first samples.

Gaps that are nearly all alike are a report of a machine at fixed moments: a level, each sample judged as it comes,
unless it is a daily or weekly row of counts (never negative, with zeros among them). Below a day reports may be
missing, so gaps of several steps are alike, too; of things that happen, the same value each time is a count, not a
reading. Everything else is counted by day or, where days without an event are the rule, by week.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from statistics import median

from streams.domain.series import Cadence
from streams.domain.time import DAY, MINUTE, WEEK

SAMPLES = 12
"""Samples that are looked at; until then nothing is judged."""
_ALIKE = 0.12  # gaps this close to their median, as a share of it, are alike
_REGULAR = 0.75  # share of gaps that must be alike
_DAILY = 2.5 * DAY  # median gap up to which days are counted


def add(cadence: Cadence, at: int, value: float, event_id: str) -> bool:
    """Takes in one sample. True when there are enough."""
    cadence.ats.append(at)
    cadence.values.append(value)
    cadence.ids.append(event_id)
    return len(cadence.ats) >= SAMPLES


def step_of(cadence: Cadence) -> int:
    """Median time between samples in ms, at least 1."""
    ats = sorted(cadence.ats)
    return max(1, round(median(after - before for before, after in pairwise(ats))))


def shape_of(cadence: Cadence) -> str:
    """`level`, `day` or `week`."""
    ats, step = sorted(cadence.ats), step_of(cadence)
    gaps = [(after - before) / step for before, after in pairwise(ats)]
    if step > 1 and _share(abs(gap - 1) <= _ALIKE for gap in gaps) >= _REGULAR:
        counts = min(cadence.values) >= 0 and 0 in cadence.values
        for name, length in (("day", DAY), ("week", WEEK)):
            if counts and abs(step - length) <= _ALIKE * length:
                return name
        return "level"
    if MINUTE <= step < DAY and len(set(cadence.values)) > 1:
        steps = [max(1, round(gap)) for gap in gaps]
        if _share(abs(gap - n) <= _ALIKE for gap, n in zip(gaps, steps, strict=True)) >= _REGULAR:
            return "level"
    return "day" if step <= _DAILY else "week"


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found)
