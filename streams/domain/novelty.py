"""State of the novelty layer (`detection/series/novelty.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.floats import Floats, floats


@dataclass(slots=True)
class Peaks:
    """Exceedances of the residuals, one entry a side (`detection/series/tail.py`); empty at first.

    Sides 2i and 2i + 1 lie above and below residual i: level, clock, sustained, volatility, record (which has no tail).
    """

    open: Floats = field(default_factory=floats)
    """Largest exceedance of the peak that may still go on; 0 before the first."""
    rows: list[int] = field(default_factory=list)
    """Row of the newest exceedance."""
    counts: Floats = field(default_factory=floats)
    """Finished peaks ..."""
    sums: Floats = field(default_factory=floats)
    """... and the sum of their exceedances, for the sides with a tail."""
    tops: Floats = field(default_factory=floats)
    """The largest finished peaks of the record, smallest first: the half above, then the half below."""


@dataclass(slots=True)
class Novelty:
    """What has been seen so far in a series, and how far out it lay. Means and scales are in `unit`."""

    n: int = 0
    """Rows so far."""
    unit: float = 0.0
    """Size of the first value that was not 0, in which all values are kept: so none is too large or too small."""
    level_mean: float = 0.0
    """Robust mean and standard deviation of the values, slow ..."""
    level_scale: float = 0.0
    recent_mean: float = 0.0
    """... and faster."""
    recent_scale: float = 0.0
    lasting: float = 0.0
    """Mean of the newest standardised values ..."""
    lasting_mean: float = 0.0
    """... with its own mean and standard deviation."""
    lasting_scale: float = 0.0
    clock_base: float = 0.0
    """Mean that the profile is added to."""
    clock_spread: float = 0.0
    """Standard deviation about both, by which learning is clipped."""
    clock_mean: float = 0.0
    """Mean and standard deviation of what base and profile leave."""
    clock_scale: float = 0.0
    profile: Floats = field(default_factory=floats)
    """What an hour of the day (UTC) adds; empty before the first row."""
    seen: Floats = field(default_factory=floats)
    """Rows by hour of the day."""
    previous: float = 0.0
    """The newest value."""
    step_now: float = 0.0
    """Mean absolute step between neighbours, newest rows ..."""
    step_usual: float = 0.0
    """... and many rows."""
    volatility_mean: float = 0.0
    """Mean and standard deviation of the logarithm of their ratio."""
    volatility_scale: float = 0.0
    peaks: Peaks = field(default_factory=Peaks)
    alarm_row: int = 0
    """Row of the newest alarm; 0 before the first."""
    surplus: float = 0.0
    """Evidence beyond the limit that it had, in decades."""
    repeats: int = 0
    """Alarms since the evidence was last below the limit."""
    high_row: int = 0
    """Row at which the evidence was last above the limit."""
