# ruff: noqa: FURB136, PLR1730  calls of min and max would be a tenth of the time of a row
"""Episodes of a regular series with steps below a day: when a deviation begins, how large it is, and how it ends.

Residuals of the believed expectation (`expectation.py`), standardised by its robust error, go into two CUSUM charts
(`charts.py`). An alarm opens an episode, dated back to where the sum left zero. While it is open, its offset d is the
mean deviation, the expectation goes on along slope and season, and a sequential likelihood ratio of "back at the
expectation" against "still d away" (Wald 1945, Ann. Math. Stat. 16) looks for its end, dated back in the same way.
What has not come back in a fifth of the series' life, 250 rows at most, is the new normal.

Correlated residuals make longer runs than independent ones. With lag-1 autocorrelation rho the deviations are measured
in sd ((1 + rho)/(1 - rho))^0.4: measured on AR(1) series, with k = 1 and rho of .2 to .8 that keeps the mean time to a
false alarm at or above that of independent noise. The end of an episode is judged by means of many rows, for which the
power is 1/2.
"""

from __future__ import annotations

from math import inf

from streams.detection.series import expectation, period_search
from streams.detection.series.change import Change
from streams.detection.series.charts import cusum_step, ewma_step
from streams.domain.deviation import Departure, Deviation
from streams.policy.signals import SeriesPolicy

_CLIP = 4.0  # standard deviations: no single row raises an alarm
_WARM = 12  # rows before anything is judged
_UNSURE = 1.02  # the noise is itself an estimate from about 200 rows: with this the promised rate is kept
_YOUNG = 4.0  # the limit is higher by this over the rows since the level was new: the expectation is not known well
_SUSPECT = 2.0  # a sum above this slows down learning ...
_SLOWER = 0.5  # ... by this factor, so that a deviation is not learnt before it is seen
_RHO_GAIN = 0.01
_RHO_CLIP = 2.0  # standard deviations: outliers say nothing of neighbours
_RHO_LEAST, _RHO_MOST = 0.05, 0.95  # less is chance; more, which two running means may show for a while, is no ratio
_RHO_POWER, _RHO_POWER_BACK = 0.4, 0.5
_CARRIED = 20  # rows of an episode in which nothing is learnt: its offset is not known well
_OFFSET_ROWS = 40  # memory of the offset
_BACK = 8.0  # evidence in nats that an episode is over
_BACK_CLIP = 3.0  # most that a row says
_BACK_FAR = 3.0  # a row that is further off than this, in standard deviations ...
_BACK_PENALTY = -0.5  # ... speaks against it, whatever the ratio says
_PATIENCE = 0.2  # share of the rows so far ...
_PATIENCE_LEAST, _PATIENCE_MOST = 12, 250  # ... within these, after which a deviation is the new normal
_FORMER_SHARE = 0.5  # a step that undoes the newest new normal but for this share, as soon as this, is its end
_LONG_GAP = 100  # steps without a row after which the level is learnt anew


def step(  # noqa: C901, PLR0915  one row: this is where the time goes
    state: Deviation, y: float, at: int, step: int, limit: float, rules: SeriesPolicy
) -> Change | None:
    """Judges and learns a row.

    Args:
        state: Changed in place.
        y: Value above the first value of the series.
        at: Its event time in ms, later than the row before.
        step: Time between rows in ms.
        limit: CUSUM limit h for independent noise, from `charts.cusum_limit` with `rules.cusum_k` and two sides.
        rules: Options of regular series.

    Returns:
        What happened: an episode opened, recovered, or ended as the new normal.
    """
    bank = state.bank
    if not state.n:
        expectation.start(bank, step)
        state.first_at = state.last_at = at - step
    elapsed = at - state.first_at
    steps = max(1, round((at - state.last_at) / step))
    state.last_at = at
    state.n = n = state.n + 1
    state.age = age = state.age + 1

    expectation.advance(bank, steps)
    rest = expectation.residuals(bank, y, elapsed)
    if steps > _LONG_GAP and not state.open_rows:
        expectation.restart(bank, rest)
        state.age = 1
        _reset(state)
        return None
    r = rest[bank.chosen]
    least = expectation.resolution(bank)
    plain = _UNSURE * expectation.TO_SD * expectation.error(bank)
    if plain < least:
        plain = least
    rho = state.lagged / state.squared if state.squared > 0.0 else 0.0
    if rho > _RHO_MOST:
        rho = _RHO_MOST
    power = _RHO_POWER_BACK if state.open_rows else _RHO_POWER
    sd = plain * ((1.0 + rho) / (1.0 - rho)) ** power if rho > _RHO_LEAST else plain

    if state.open_rows:
        return _inside(state, rest, r, sd, least, at, elapsed, step, y)

    if n <= _WARM:
        expectation.learn(bank, rest, elapsed, n, 1.0, least)
        if n == _WARM:
            expectation.choose(bank)
        _search(state, y, at, step)
        return None

    z = r / sd if sd > 0.0 else r * inf if r else 0.0
    clipped = _CLIP if z > _CLIP else -_CLIP if z < -_CLIP else z
    above, below = state.above, state.below
    _depart(above, clipped, rules.cusum_k, r, at)
    _depart(below, -clipped, rules.cusum_k, r, at)
    most = above.sum if above.sum > below.sum else below.sum
    if most > limit * (1.0 + _YOUNG / age):
        side = above if above.sum > below.sum else below
        former = state.former
        if former and age <= _PATIENCE_MOST and abs(side.total / side.rows + former) < _FORMER_SHARE * abs(former):
            # The level before the new normal: what seemed to last was a long episode, and is over.
            expectation.shift(bank, -former)
            state.former = 0.0
            _reset(state)
            return None
        return _open(state, side, y - r)

    suspect = most > _SUSPECT
    expectation.learn(bank, rest, elapsed, n, _SLOWER if suspect else 1.0, least)
    if not suspect:
        u = r / plain if plain > 0.0 else 0.0
        u = _RHO_CLIP if u > _RHO_CLIP else -_RHO_CLIP if u < -_RHO_CLIP else u
        state.lagged = ewma_step(state.lagged, u * state.last_z, _RHO_GAIN)
        state.squared = ewma_step(state.squared, u * u, _RHO_GAIN)
        state.last_z = u
        expectation.choose(bank)
    _search(state, y, at, step)
    return None


def _depart(side: Departure, z: float, slack: float, r: float, at: int) -> None:
    before = side.sum
    side.sum = cusum_step(before, z, slack)
    if side.sum > 0.0:
        if before > 0.0:
            side.rows += 1
            side.total += r
        else:
            side.at, side.rows, side.total = at, 1, r


def _reset(state: Deviation) -> None:
    state.above.sum = state.below.sum = 0.0


def _open(state: Deviation, side: Departure, base: float) -> Change:
    state.open_rows = 1
    state.direction = 1 if side is state.above else -1
    state.offset = side.total / side.rows
    state.offset_rows = side.rows
    state.back = 0.0
    _reset(state)
    return Change("opened", side.at, state.direction, base, base + state.offset)


def _inside(
    state: Deviation,
    rest: expectation.Residuals,
    r: float,
    sd: float,
    least: float,
    at: int,
    elapsed: int,
    step: int,
    y: float,
) -> Change | None:
    """A row of an open episode."""
    bank, d = state.bank, state.offset
    state.open_rows += 1
    nearer = (r - d) * (r - d) - r * r
    said = nearer / (2.0 * sd * sd) if sd > 0.0 else nearer * inf if nearer else 0.0
    said = _BACK_CLIP if said > _BACK_CLIP else -_BACK_CLIP if said < -_BACK_CLIP else said
    if r * state.direction > _BACK_FAR * sd and said > _BACK_PENALTY:
        said = _BACK_PENALTY
    before = state.back
    state.back = back = cusum_step(before, said, 0.0)
    if back > 0.0 and before <= 0.0:
        state.back_at = at
    if back > _BACK:
        change = Change("recovered", state.back_at, state.direction, y - r, y)
        state.open_rows = state.direction = 0
        state.offset = 0.0
        return change
    if back <= 0.0:
        rows = state.offset_rows = state.offset_rows + 1
        state.offset += (r - d) / (rows if rows < _OFFSET_ROWS else _OFFSET_ROWS)
    if state.open_rows > _CARRIED:
        d = state.offset
        expectation.learn(bank, (rest[0] - d, rest[1] - d, rest[2] - d, rest[3] - d), elapsed, state.n, 1.0, least)
    patience = min(max(_PATIENCE * state.n, _PATIENCE_LEAST), _PATIENCE_MOST)
    if state.open_rows > patience and back <= 0.0:
        expectation.shift(bank, state.offset)
        change = Change("new_normal", at, state.direction, y - r, y - r + state.offset)
        state.former = state.offset
        state.open_rows = state.direction = state.age = 0
        state.offset = 0.0
        return change
    _search(state, y - state.offset, at, step)
    return None


def _search(state: Deviation, y: float, at: int, step: int) -> None:
    """Keeps the row for the search, and from time to time looks for a period."""
    row = (at - state.first_at) // step
    search = state.search
    if period_search.feed(search, y, row):
        if expectation.season_wins(state.bank) and not period_search.due(search):
            period_search.look_on(search, search.size)  # the oldest rows make room
            return
        found, shape = period_search.find(search.blocks, search.size, step)
        if found:
            expectation.use_period(state.bank, found, shape, search.size * step, at - state.first_at)
        period_search.look_on(search, found / step)


def expected(state: Deviation, at: int) -> float:
    """Level expected at a moment, above the first value of the series; what an open episode adds is left out."""
    return expectation.expected(state.bank, at - state.first_at) if state.n else 0.0


def noise(state: Deviation) -> float:
    """Robust standard deviation of a row around what is expected; 0 while unknown, or when the series is constant."""
    return expectation.TO_SD * expectation.error(state.bank)


def offset(state: Deviation) -> float:
    """Present mean deviation from what is expected; 0 when no episode is open."""
    return state.offset
