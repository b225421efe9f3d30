"""State of the deviation layer (`detection/series/deviation.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.floats import Floats, floats


@dataclass(slots=True)
class Bank:
    """Four expectations of a series that run side by side (`detection/series/expectation.py`), in the unit fed in."""

    rows: int = 0
    """Rows learnt since the levels were last unknown."""
    chosen: int = 0
    """Which one is believed: 0 level, 1 trend, 2 season, 3 local line."""
    level: float = 0.0
    """Slow mean ..."""
    level_error: float = 0.0
    """... and its mean absolute error, large ones clipped; the same for the others."""
    trend: float = 0.0
    """Slow line: its value at the newest row ..."""
    trend_slope: float = 0.0
    """... and its slope a step."""
    trend_error: float = 0.0
    season: float = 0.0
    """Slow line under the profile."""
    season_slope: float = 0.0
    season_error: float = 0.0
    local: float = 0.0
    """Fast line."""
    local_slope: float = 0.0
    local_error: float = 0.0
    period: float = 0.0
    """Length of the season in ms; 0 before the first row."""
    proved: bool = False
    """True when that length was found in the data."""
    anchor: float = 0.0
    """Where its phase is 0, in ms since the first row."""
    profile: Floats = field(default_factory=floats)
    """What the season adds, by phase; empty before the first row."""
    seen: list[int] = field(default_factory=list)
    """Rows learnt by phase, no more than matter."""


@dataclass(slots=True)
class PeriodSearch:
    """Means of neighbouring rows, in which a period is looked for (`detection/series/period_search.py`)."""

    size: int = 1
    """Steps in a block."""
    index: int = 0
    """Number of the open block since the first row."""
    total: float = 0.0
    """Sum and count of the open block."""
    count: int = 0
    blocks: Floats = field(default_factory=floats)
    """Closed blocks, oldest first."""


@dataclass(slots=True)
class Departure:
    """Rows on one side of the expectation since the sum of that side left zero."""

    sum: float = 0.0
    """CUSUM."""
    at: int = 0
    """First of the rows."""
    rows: int = 0
    total: float = 0.0
    """Sum of their residuals."""


@dataclass(slots=True)
class Deviation:
    """Expectations of a series with steps below a day, and the episode it is in."""

    n: int = 0
    """Rows so far."""
    age: int = 0
    """Rows since the level was last taken over as new."""
    first_at: int = 0
    last_at: int = 0
    bank: Bank = field(default_factory=Bank)
    search: PeriodSearch = field(default_factory=PeriodSearch)
    last_z: float = 0.0
    """Standardised residual of the row before, clipped, and the running products that give its autocorrelation."""
    lagged: float = 0.0
    squared: float = 0.0
    above: Departure = field(default_factory=Departure)
    below: Departure = field(default_factory=Departure)
    open_rows: int = 0
    """Rows since the episode opened; 0: none is open."""
    direction: int = 0
    """-1 for a fall, +1 for a rise, while an episode is open."""
    offset: float = 0.0
    """Mean deviation while an episode is open."""
    offset_rows: int = 0
    """Rows in that mean."""
    back: float = 0.0
    """Evidence that the episode is over ..."""
    back_at: int = 0
    """... and the row at which it left zero."""
    former: float = 0.0
    """Offset of the newest new normal, while a return to the level before it is no news."""
