# ruff: noqa: FURB136, PLR1730  calls of max would be a tenth of the time of a row
"""How new a row is in its series: the strength of the evidence that nothing like it has been seen.

Five residuals, each standardised by a robust mean and scale of its own (`detection/series/robust_level.py`):

    level       the value
    clock       the value less what its hour of the day adds
    sustained   a mean of newest standardised values: small deviations that last
    volatility  the ratio of the newest steps between neighbours to the usual ones
    record      the level again, by counting (`record.py`)

The first four become probabilities by the tail of their past exceedances (`tail.py`). Evidence is in decades:
minus the decimal logarithm of a probability. The decades of independent tests add up (Fisher, Statistical Methods for
Research Workers, 1925); level, clock and record are views of the same excursion and count together. One decade of each
is what noise brings anyway.
"""

from __future__ import annotations

from math import e, exp, log, log10

from streams.detection.series.record import KEPT, rarity
from streams.detection.series.robust_level import SIGMA, standardised
from streams.detection.series.tail import RUN, surprise
from streams.detection.strength import strength
from streams.domain.floats import floats
from streams.domain.novelty import Novelty, Peaks
from streams.domain.time import DAY, HOUR
from streams.policy.signals import SeriesPolicy

FIRST_ROWS = 30
"""Rows that are learnt from but not judged."""
EARLY = 1.0 / (FIRST_ROWS + 0.5)
"""The share of a row in all rows is above it in these rows, below it later."""
LARGEST = 1e30
"""Bound of values, in the unit of the series: the profile is of single precision."""
# Gains are 1/rows at first and never below these: the share of a row in what is known. 1/gain is a memory in rows.
LEVEL_GAIN = 0.001
RECENT_GAIN = 0.003
LASTING_GAIN = 0.02
LASTING_CLIP = 10.0
"""Standard deviations that one row may add to what lasts."""
BASE_GAIN = 0.002
SPREAD_GAIN = 0.005
SPREAD_CLIP = 4.0
"""Standard deviations beyond which a row teaches base and profile no more."""
CLOCK_GAIN = 0.003
BUCKETS = DAY // HOUR
BUCKET_GAIN = 0.03
SHRINKAGE = 6.0
"""Rows in an hour that count as much as the belief that the hour makes no difference."""
NOW_GAIN = 0.01
USUAL_GAIN = 0.003
STEADY = 0.05
"""Added to the ratio of steps, so that its logarithm stays finite where nothing moves."""
VOLATILITY_GAIN = 0.002
FAR = 2.5
"""Standard deviations beyond which level and clock have a tail ..."""
WIDE = 2.0
"""... and sustained and volatility."""
COMMON = 1.0
"""Standard deviations up to which a level is no candidate for the record."""
OUT_OF_HOURS = 0.5
"""Decades that a value loses which is new at its hour only. No record speaks for it: by day it is usual."""
LEVEL, CLOCK, SUSTAINED, VOLATILITY, RECORD = 0, 2, 4, 6, 8
"""First side of each residual in `Peaks`."""
LEAST_LIMIT = 0.5
"""Decades of evidence below which nothing is new, however many false alarms are permitted."""
_DECADE = log10(e)
"""Decades in a nat."""
AGAIN = 4.0
"""Decades by which a row must beat the newest alarm to raise another at once."""
MEMORY = 200.0
"""An alarm is forgotten with this time constant in rows, at most ..."""
MEMORY_SHARE = 0.02
"""... and this share of the rows so far."""


def step(state: Novelty, y: float, at: int, rules: SeriesPolicy, *, up: bool, down: bool, strict: float = 0.0) -> float:
    """Strength of the evidence of a row, in [0, 1); 1/2 raises an alarm.

    Args:
        state: What is known of the series; changed.
        y: The value, less the first one of the series.
        at: Event time in ms.
        rules: The policy of regular series.
        up: Whether being high can be new. A change of volatility always can.
        down: Whether being low can be new. What is not counted is learnt all the same.
        strict: Nats of evidence to ask for beyond the limit (`calibration.strictness`).
    """
    if not state.n:
        _begin(state)
    n = state.n = state.n + 1
    if not state.unit:
        state.unit = abs(y)
    y = max(-LARGEST, min(y / state.unit, LARGEST)) if state.unit else 0.0
    share = 1.0 / n
    level, lasting = _levels(state, y, share)
    clock = _clock(state, y, at // HOUR % BUCKETS, share)
    volatility = _volatility(state, y, n)
    peaks = state.peaks
    evidence = combined(
        _excess(peaks, LEVEL, level, FAR, n, up, down),
        _excess(peaks, CLOCK, clock, FAR, n, up, down),
        _excess(peaks, SUSTAINED, lasting, WIDE, n, up, down),
        _excess(peaks, VOLATILITY, volatility, WIDE, n, up=True, down=True),
        _rare(peaks, level, n, up, down),
    )
    if evidence <= 0.0:
        return 0.0
    limit = max(LEAST_LIMIT, rules.novelty_limit + strict * _DECADE)
    return strength(renewed(state, evidence, limit), limit)


def combined(level: float, clock: float, sustained: float, volatility: float, record: float) -> float:
    """Decades of evidence of a row from those of its residuals; 0 when there is nothing beyond noise."""
    excursion = ((level if level > clock else clock) + record) / 2.0
    if clock - OUT_OF_HOURS > excursion:
        excursion = clock - OUT_OF_HOURS
    evidence = 0.0
    if excursion > 1.0:
        evidence = excursion - 1.0
    if sustained > 1.0:
        evidence += sustained - 1.0
    if volatility > 1.0:
        evidence += volatility - 1.0
    return evidence


def renewed(state: Novelty, evidence: float, limit: float) -> float:
    """What of the evidence of this row is news after the newest alarm; beyond `limit` it is the next alarm.

    An alarm uses up its own evidence and `AGAIN` decades more, and both fade. While the evidence does not fall below
    the limit, each further alarm fades half as fast as the one before: what goes on is told ever more rarely.
    """
    n = state.n
    if n - state.high_row > RUN:
        state.repeats = 0
    if evidence > limit:
        state.high_row = n
    news = evidence
    if state.alarm_row:
        memory = min(MEMORY, MEMORY_SHARE * n) * 2.0 ** max(state.repeats - 1, 0)
        news -= (AGAIN + state.surplus) * exp((state.alarm_row - n) / memory)
    if news > limit:
        state.alarm_row, state.surplus = n, evidence - limit
        state.repeats += 1
    return news


def _begin(state: Novelty) -> None:
    state.profile, state.seen = floats([0.0] * BUCKETS), floats([0.0] * BUCKETS)
    state.peaks = Peaks(
        open=floats([0.0] * (RECORD + 2)),
        rows=[0] * (RECORD + 2),
        counts=floats([0.0] * RECORD),
        sums=floats([0.0] * RECORD),
        tops=floats([0.0] * (2 * KEPT)),
    )


def _levels(state: Novelty, y: float, share: float) -> tuple[float, float]:
    """Standardised value, and standardised mean of newest standardised values. `share` is that of a row in all."""
    settled = share < EARLY
    level, state.level_mean, state.level_scale = standardised(
        y, state.level_mean, state.level_scale, (share if share > LEVEL_GAIN else LEVEL_GAIN), settled
    )
    gain = share if share > RECENT_GAIN else RECENT_GAIN
    recent, state.recent_mean, state.recent_scale = standardised(
        y, state.recent_mean, state.recent_scale, gain, settled
    )
    if recent > LASTING_CLIP:
        recent = LASTING_CLIP
    elif recent < -LASTING_CLIP:
        recent = -LASTING_CLIP
    mean = state.lasting
    state.lasting = mean = mean + (share if share > LASTING_GAIN else LASTING_GAIN) * (recent - mean)
    lasting, state.lasting_mean, state.lasting_scale = standardised(
        mean, state.lasting_mean, state.lasting_scale, gain, settled
    )
    return level, lasting


def _clock(state: Novelty, y: float, hour: int, share: float) -> float:
    """Standardised value less what the hour of the day adds."""
    settled = share < EARLY
    seen = state.seen[hour]
    profile = state.profile[hour]
    left = y - state.clock_base - seen / (seen + SHRINKAGE) * profile
    z, state.clock_mean, state.clock_scale = standardised(
        left, state.clock_mean, state.clock_scale, (share if share > CLOCK_GAIN else CLOCK_GAIN), settled
    )
    spread = state.clock_spread
    if settled and spread > 0.0:
        bound = SPREAD_CLIP * spread
        if left > bound:
            left = bound
        elif left < -bound:
            left = -bound
    state.clock_base += (share if share > BASE_GAIN else BASE_GAIN) * left
    state.clock_spread = spread + (share if share > SPREAD_GAIN else SPREAD_GAIN) * (SIGMA * abs(left) - spread)
    state.seen[hour] = seen = seen + 1.0
    gain = 1.0 / seen
    state.profile[hour] = profile + (gain if gain > BUCKET_GAIN else BUCKET_GAIN) * left
    return z


def _volatility(state: Novelty, y: float, n: int) -> float:
    """Standardised logarithm of the newest steps over the usual ones."""
    if n == 1:
        state.previous = y
        return 0.0
    size = abs(y - state.previous)
    state.previous = y
    share = 1.0 / (n - 1)
    now, usual = state.step_now, state.step_usual
    state.step_now = now = now + (share if share > NOW_GAIN else NOW_GAIN) * (size - now)
    state.step_usual = usual = usual + (share if share > USUAL_GAIN else USUAL_GAIN) * (size - usual)
    ratio = log(now / usual + STEADY) if usual > 0.0 else 0.0
    share = 1.0 / n
    z, state.volatility_mean, state.volatility_scale = standardised(
        ratio,
        state.volatility_mean,
        state.volatility_scale,
        (share if share > VOLATILITY_GAIN else VOLATILITY_GAIN),
        share < EARLY,
    )
    return z


def _excess(
    peaks: Peaks,
    side: int,
    z: float,
    start: float,
    n: int,
    up: bool,  # noqa: FBT001  hot
    down: bool,  # noqa: FBT001  hot
) -> float:
    """Decades of a residual that lies beyond `start`; 0 on a side that does not count. Both sides are learnt."""
    if z > start:
        decades = surprise(peaks, side, z - start, n)
        return decades if up else 0.0
    if z < -start:
        decades = surprise(peaks, side + 1, -z - start, n)
        return decades if down else 0.0
    return 0.0


def _rare(peaks: Peaks, z: float, n: int, up: bool, down: bool) -> float:  # noqa: FBT001  hot
    """The same for the record, which takes in the whole deviation."""
    if z > COMMON:
        decades = rarity(peaks, RECORD, z, n)
        return decades if up else 0.0
    if z < -COMMON:
        decades = rarity(peaks, RECORD + 1, -z, n)
        return decades if down else 0.0
    return 0.0
