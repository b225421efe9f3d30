# ruff: noqa: FURB136  calls of min and max would be a tenth of the time of a row
"""What a regular series should be now: four expectations side by side, of which the one that errs least is believed.

A slow level; a slow line (Holt's double exponential smoothing, critically damped: the gain of the slope is a quarter of
the square of the gain of the level); a slow line under a seasonal profile; a fast line. All learn at each row from
their own residual, large ones clipped, so that an outlier moves them little. Gains start at 1/rows, so the first rows
are plain means. Nothing is a constant in the unit of the series.
"""

from __future__ import annotations

from math import floor, inf

from streams.domain.deviation import Bank
from streams.domain.floats import floats
from streams.domain.time import DAY, HOUR, WEEK

LEVEL, TREND, SEASON, LOCAL = range(4)
BUCKETS = 24
TO_SD = 1.2533141373155001
"""sqrt(pi/2): standard deviation of a normal variable over its mean absolute value."""
_LEVEL_GAIN = 0.005
_TREND_GAIN = 0.02
_TREND_SLOPE = _TREND_GAIN**2 / 4
_SEASON_GAIN = 0.007
_SEASON_SLOPE = _SEASON_GAIN**2 / 4
_LOCAL_GAIN = 0.1
_LOCAL_SLOPE = _LOCAL_GAIN**2 / 4
_ERROR_GAIN = 0.01
_ERROR_ROWS = 200  # until then 2/(rows + 1): what was learnt first is forgotten sooner than in a plain mean
_PROFILE_GAIN = 0.08
_SEEN = 13  # rows after which 1/rows is below the gain of the profile
_CLIP = 3.0 * TO_SD  # mean absolute errors, so 3 standard deviations
_WARM = 12  # rows before which errors are not known well enough to clip by
_SLOW_STEP = 4 * HOUR  # the season of longer steps is taken to be the week
_HANDICAP = (1.0, 1.02, 1.03, 1.06)  # the simpler one is believed at equal errors ...
_FOUND = 0.97  # ... but a season that was found even before: it alone goes on below a long deviation
_CHANGE = 0.98  # and what is believed changes for a gain of 2 % only
_WIN = 0.97  # a season that errs less than this share of the others' errors is no accident
_LOCAL_STEPS = 12  # the slope of the fast line is carried no further than this over rows that did not come
_RESOLUTION = 1e-6  # of the level above the first value; single precision has seven digits
_SAME = 0.06  # periods that differ by less are the same one, known better
_CALENDAR = (DAY, WEEK)  # exact: never sharpened
_SURE = 0.005  # a season that does not win is started again when its period was off by more
_TIMES = 3.5  # a length that was found and does not win is no part of one longer than so many of it
_FOLDED = 4  # rows that one of the means counts for in the profile

Residuals = tuple[float, float, float, float]


def start(bank: Bank, step: int) -> None:
    """Before the first row: the day, or for slow steps the week, is the season until another is found."""
    bank.period = float(WEEK if step >= _SLOW_STEP else DAY)
    bank.profile = floats([0.0] * BUCKETS)
    bank.seen = [0] * BUCKETS


def profile_at(bank: Bank, elapsed: int) -> float:
    """What the season adds `elapsed` ms after the first row.

    Read between the middles of two buckets; few rows count for less than they say.
    """
    x = (elapsed - bank.anchor) / bank.period
    x = (x - int(x)) * BUCKETS + (BUCKETS - 0.5)
    left = int(x)
    share = x - left
    left %= BUCKETS
    right = left + 1 if left < BUCKETS - 1 else 0
    profile, seen = bank.profile, bank.seen
    n, m = seen[left], seen[right]
    return (1.0 - share) * profile[left] * n / (n + 1) + share * profile[right] * m / (m + 1)


def advance(bank: Bank, steps: int) -> None:
    """Moves the lines on by so many steps."""
    bank.trend += steps * bank.trend_slope
    bank.season += steps * bank.season_slope
    bank.local += (steps if steps < _LOCAL_STEPS else _LOCAL_STEPS) * bank.local_slope


def residuals(bank: Bank, y: float, elapsed: int) -> Residuals:
    """What y is above each expectation."""
    return y - bank.level, y - bank.trend, y - bank.season - profile_at(bank, elapsed), y - bank.local


def expected(bank: Bank, elapsed: int) -> float:
    """The value that is believed for the moment."""
    chosen = bank.chosen
    if chosen == LEVEL:
        return bank.level
    if chosen == TREND:
        return bank.trend
    return bank.season + profile_at(bank, elapsed) if chosen == SEASON else bank.local


def error(bank: Bank) -> float:
    """Mean absolute error of the expectation that is believed."""
    return (bank.level_error, bank.trend_error, bank.season_error, bank.local_error)[bank.chosen]


def resolution(bank: Bank) -> float:
    """Differences up to this are rounding, not noise."""
    level = bank.level
    return _RESOLUTION * ((level if level > 0.0 else -level) + bank.level_error)


def learn(bank: Bank, rest: Residuals, elapsed: int, n: int, slower: float, least: float) -> None:
    """Learns a row from the residuals of all four.

    Args:
        bank: Changed in place.
        rest: The residuals.
        elapsed: ms since the first row.
        n: Rows so far, this one included.
        slower: Factor on the gains of levels, slopes and profile: below 1 while the rows are suspect.
        least: Errors up to this are those of a constant series, which say nothing of what an outlier is.
    """
    bank.rows += 1
    first = 1.0 / bank.rows
    if n <= _WARM:
        least = inf
    gain_error = _ERROR_GAIN if n > _ERROR_ROWS else 2.0 / (n + 1)

    r = _clipped(rest[0], bank.level_error, least)
    bank.level += (first if first > _LEVEL_GAIN else _LEVEL_GAIN) * slower * r
    bank.level_error += gain_error * ((r if r > 0.0 else -r) - bank.level_error)

    r = _clipped(rest[1], bank.trend_error, least)
    bank.trend += (first if first > _TREND_GAIN else _TREND_GAIN) * slower * r
    bank.trend_slope += _TREND_SLOPE * slower * r
    bank.trend_error += gain_error * ((r if r > 0.0 else -r) - bank.trend_error)

    r = _clipped(rest[2], bank.season_error, least)
    x = (elapsed - bank.anchor) / bank.period
    if (
        x >= 1.0 or bank.proved
    ):  # in the first cycle the profile takes in all: what a level learnt there would be season
        bank.season += (first if first > _SEASON_GAIN else _SEASON_GAIN) * slower * r
        bank.season_slope += _SEASON_SLOPE * slower * r
    bank.season_error += gain_error * ((r if r > 0.0 else -r) - bank.season_error)
    bucket = int((x - int(x)) * BUCKETS)
    seen = bank.seen[bucket]
    if seen < _SEEN:
        bank.seen[bucket] = seen = seen + 1
    gain = 1.0 / seen
    bank.profile[bucket] += (gain if gain > _PROFILE_GAIN else _PROFILE_GAIN) * slower * r

    r = _clipped(rest[3], bank.local_error, least)
    bank.local += (first if first > _LOCAL_GAIN else _LOCAL_GAIN) * slower * r
    bank.local_slope += _LOCAL_SLOPE * slower * r
    bank.local_error += gain_error * ((r if r > 0.0 else -r) - bank.local_error)


def _clipped(r: float, error: float, least: float) -> float:
    """A residual, no further out than a few standard deviations; as it is while the error is not known."""
    if error <= least:
        return r
    edge = _CLIP * error
    return edge if r > edge else -edge if r < -edge else r


def choose(bank: Bank) -> None:
    """Believes the expectation with the smallest error, the simpler one when they hardly differ."""
    a, b, c, d = _HANDICAP
    if bank.proved:
        c = _FOUND
    best, least = LEVEL, a * bank.level_error
    if b * bank.trend_error < least:
        best, least = TREND, b * bank.trend_error
    if c * bank.season_error < least:
        best, least = SEASON, c * bank.season_error
    if d * bank.local_error < least:
        best, least = LOCAL, d * bank.local_error
    if best != bank.chosen and least < _CHANGE * (a, b, c, d)[bank.chosen] * error(bank):
        bank.chosen = best


def shift(bank: Bank, offset: float) -> None:
    """Moves all levels: what was a deviation is the normal now."""
    bank.level += offset
    bank.trend += offset
    bank.season += offset
    bank.local += offset


def restart(bank: Bank, rest: Residuals) -> None:
    """Sets all levels to the row that left these residuals; season, slow slopes and errors stay."""
    bank.level += rest[0]
    bank.trend += rest[1]
    bank.season += rest[2]
    bank.local += rest[3]
    bank.local_slope = 0.0
    bank.rows = 1


def season_wins(bank: Bank) -> bool:
    """True when the season is believed and errs clearly less than all others."""
    return bank.chosen == SEASON and bank.season_error < _WIN * min(
        bank.level_error, bank.trend_error, bank.local_error
    )


def use_period(bank: Bank, period: float, shape: list[float], size: int, elapsed: int) -> None:
    """Takes over a period that was found: sharpens the one in use, or starts a season with it.

    The phase goes on where it is when it is the same period. A multiple of a season that wins is the same season, and
    so are a small multiple of one that was found and what a season that wins is a multiple of; while one wins, no other
    is taken.

    Args:
        bank: Changed in place.
        period: In ms.
        shape: Means of neighbouring rows around a line, oldest first; the newest ends at `elapsed`.
        size: Time that a mean covers, in ms.
        elapsed: ms since the first row.
    """
    wins, known = season_wins(bank), bank.period
    if wins and period < known:
        period *= round(known / period)
    elif wins or (bank.proved and period < _TIMES * known):
        period /= max(1, round(period / known))
    bank.proved = True
    if abs(period - known) < _SAME * known:
        if known not in _CALENDAR:
            phase = (elapsed - bank.anchor) / known
            bank.anchor = elapsed - (phase - int(phase)) * period
            bank.period = period
        if wins or abs(period - known) < _SURE * known:
            return
    elif wins:
        return
    else:
        bank.period, bank.anchor = period, float(elapsed)
    _start_season(bank, shape, size, elapsed)


def _start_season(bank: Bank, shape: list[float], size: int, elapsed: int) -> None:
    """Folds the rows that showed the period into a profile, on the believed level."""
    total, count = [0.0] * BUCKETS, [0] * BUCKETS
    for back, value in enumerate(reversed(shape)):
        x = (elapsed - (back + 0.5) * size - bank.anchor) / bank.period
        bucket = int((x - floor(x)) * BUCKETS)
        total[bucket] += value
        count[bucket] += 1
    bank.profile = floats([a / n if n else 0.0 for a, n in zip(total, count, strict=True)])
    bank.seen = [min(n * _FOLDED, _SEEN) for n in count]
    if bank.chosen != SEASON:
        level = (bank.level, bank.trend, 0.0, bank.local)[bank.chosen]
        bank.season = level if bank.chosen == LEVEL else level - profile_at(bank, elapsed)
    bank.season_slope, bank.season_error = 0.0, error(bank)
    if bank.chosen == SEASON:
        bank.chosen = LOCAL
