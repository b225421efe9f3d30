"""State of the change-point search in slow series (`detection/series/segments.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.floats import Floats, floats


@dataclass(slots=True)
class Blocks:
    """The rows of a segment in blocks of neighbours, oldest first (`detection/series/blocks.py`)."""

    start_at: int = 0
    """First row, event time in ms."""
    reach: int = 0
    """From there to the first row of the newest block, in ms."""
    counts: list[int] = field(default_factory=list)
    """Rows in each block, ..."""
    spans: list[int] = field(default_factory=list)
    """... ms from its first row to that of the next (0 for the newest), ..."""
    means: Floats = field(default_factory=floats)
    """... mean ..."""
    spreads: Floats = field(default_factory=floats)
    """... and standard deviation of its rows, and ..."""
    tilts: Floats = field(default_factory=floats)
    """... mean product of what a row is off the mean and off the middle of the block, in rows."""


@dataclass(slots=True)
class Segments:
    """The segment that a series with steps of a day or more is in, and the episode while one is open."""

    n: int = 0
    """Rows so far."""
    last: float = 0.0
    """Newest value ..."""
    last_rise: float = 0.0
    """... and how far it lay above the one before."""
    bend: float = 0.0
    """Mean absolute second difference: noise that neither trend nor level changes."""
    blocks: Blocks = field(default_factory=Blocks)
    level: float = 0.0
    """What is expected at `level_at`; frozen while an episode is open."""
    level_at: int = 0
    slope: float = 0.0
    """Change of what is expected, a ms."""
    slope_until: int = 0
    """While an episode is open, the slope is carried no further than this, in ms."""
    noise: float = 0.0
    """Standard deviation of a row around what is expected."""
    doubt: float = 0.0
    """Variance that a return is judged with: more than that of a row where neighbours are alike."""
    direction: int = 0
    """-1 a fall lasts, +1 a rise, 0 no episode."""
    offset: float = 0.0
    """Mean deviation since the newest change; 0 while no episode is open."""
    open_rows: int = 0
    """Rows since the episode was opened."""
    back: float = 0.0
    """Evidence in nats that it is over ..."""
    back_at: int = 0
    """... since this row."""
    normal_at: int = 0
    """The level before the episode: its first row, ..."""
    normal_rows: int = 0
    """... its rows (0 for a line, which is not gone on with) ..."""
    normal_spread: float = 0.0
    """... and their standard deviation."""
