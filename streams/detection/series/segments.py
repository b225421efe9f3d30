"""Change points of a regular series with steps of a day or more, and the episodes that they begin and end.

The rows since the last change are kept as a few blocks (`blocks.py`). Every few rows the best split of them
(`split.py`) is a change when its evidence is above p ln N for N rows, as in the criterion of Schwarz (1978, Ann. Stat.
6); the segment starts again there, as in a restarting likelihood ratio. Growth along a line is no change, its end is.

A change opens an episode and freezes what was expected: a level, or a line that is carried on for as long as it had
lasted. The episode is over when a sequential likelihood ratio of "back" against "still off" (Wald 1945, Ann. Math.
Stat. 16) says so, dated to the first row of that run, or when the rows after a later change are back; the rows from
before the episode are then part of the segment again. It ends as the new normal after some time. Another change that
leads further away opens anew; what it must come back to is still the level before the first, as nothing has taken its
place.
"""

from __future__ import annotations

from math import log, sqrt
from operator import mul

from streams.detection.series import blocks as block
from streams.detection.series import split as best
from streams.detection.series.change import Change
from streams.domain.segments import Segments
from streams.policy.signals import SeriesPolicy

_EVERY = 2  # rows from one search to the next
_MEMORY = 400  # rows that tell how rough the series is
_BEND_TO_SD = 1.0 / 1.9544  # E|second difference| of independent normal noise is 2 sqrt(3 / pi) standard deviations
_BACK = 8.0  # evidence in nats that an episode is over
_BACK_CLIP = 3.0  # most that a row says
_FAR = 3.0  # a row further off than this is not back, ...
_FAR_SAYS = -0.5  # ... and says so


def step(state: Segments, y: float, at: int, step: int, rules: SeriesPolicy, strict: float = 0.0) -> Change | None:
    """Judges and learns a row.

    Args:
        state: Changed in place.
        y: Value above the first value of the series.
        at: Its event time in ms, not before that of the row before.
        step: Time between rows in ms.
        rules: Options of regular series.
        strict: Nats of evidence to ask for beyond the penalty (`calibration.strictness`).

    Returns:
        What happened. `opened` while an episode is open takes its place.
    """
    n = state.n
    rise = y - state.last
    if n > 1:
        bend = rise - state.last_rise
        state.bend += ((bend if bend > 0.0 else -bend) - state.bend) / (n - 1 if n < _MEMORY else _MEMORY)
    state.n, state.last, state.last_rise = n + 1, y, rise
    block.append(state.blocks, y, at, _usual(state))
    if state.direction:
        change = _inside(state, y, at, rules)
        if change is not None:
            return change
    return None if state.n % _EVERY else _search(state, step, rules, strict)


def expected(state: Segments, at: int) -> float:
    """Level expected at a moment, above the first value of the series; what an open episode adds is left out."""
    if not state.slope:
        return state.level
    if state.direction and at > state.slope_until:
        at = state.slope_until
    return state.level + state.slope * (at - state.level_at)


def noise(state: Segments) -> float:
    """Standard deviation of a row around what is expected; 0 while unknown, or when the series is constant."""
    return state.noise


def offset(state: Segments) -> float:
    """Mean deviation from what is expected since the newest change; 0 when no episode is open."""
    return state.offset


def _usual(state: Segments) -> float:
    """Variance of independent noise with the second differences that the series has."""
    sd = state.bend * _BEND_TO_SD
    return sd * sd


def _search(state: Segments, step: int, rules: SeriesPolicy, strict: float) -> Change | None:
    """Looks for a change in the segment; where there is none, what is expected is learnt from it."""
    times = block.middles(state.blocks, step)
    usual = _usual(state)
    found = best.find(state.blocks, times, usual)
    whole = found.whole
    limit = max(0.0, rules.change_penalty * log(whole.rows) + 2.0 * strict)
    if found.block and found.evidence > limit:
        return _change(state, found, times, step, rules)
    middle = state.blocks.start_at + round(whole.middle * step)
    if state.direction:
        if state.back <= 0.0:
            state.offset = whole.mean - expected(state, middle)
            state.doubt = _doubt(state, max(state.noise * state.noise, found.flat))
        return None
    sloped = found.lines and best.evidence(whole.rows, found.flat, found.line, usual) > limit
    state.level, state.level_at = whole.mean, middle
    state.slope = whole.slope / step if sloped else 0.0
    _know(state, found.line if sloped else found.flat)
    return None


def _know(state: Segments, variance: float) -> None:
    """Learns how far a row is off what is expected."""
    state.noise = sqrt(variance)
    state.doubt = _doubt(state, variance)


def _doubt(state: Segments, variance: float) -> float:
    """Variance of a row that counts as one of independent rows in a series that may wander."""
    usual = _usual(state)
    return (variance + best.FLOOR * usual) * (sqrt(variance / usual) if 0.0 < usual < variance else 1.0)


def _change(state: Segments, found: best.Split, times: list[float], step: int, rules: SeriesPolicy) -> Change | None:
    """Starts the segment again at a change."""
    blocks = state.blocks
    before = best.fit(blocks, times, 0, found.block, sloped=found.lines)
    after = best.fit(blocks, times, found.block, len(times), sloped=False)
    began = blocks.start_at
    middles = [began + round(part.middle * step) for part in (before, after)]
    spread = _spread(state, found.block, before.mean)
    block.drop(blocks, found.block)
    if state.direction:
        was, now = before.mean - expected(state, middles[0]), after.mean - expected(state, middles[1])
        if _is_back(was, now, rules):
            return _recovered(state, blocks.start_at, after.mean)
        state.offset, state.back = now, 0.0
        if abs(now) < abs(was):
            return None  # part of the way back: still the same episode
    else:
        state.level, state.level_at = before.mean, middles[0]
        state.slope, state.slope_until = before.slope / step, 2 * blocks.start_at - began
        state.normal_at, state.normal_spread = began, spread
        state.normal_rows = 0 if found.lines else before.rows
        _know(state, found.within)
        state.direction = 1  # for the line to be carried on as in an episode
        state.offset, state.back = after.mean - expected(state, middles[1]), 0.0
    state.direction = 1 if state.offset >= 0.0 else -1
    state.open_rows = 0
    return Change("opened", blocks.start_at, state.direction, expected(state, middles[1]), after.mean)


def _spread(state: Segments, end: int, mean: float) -> float:
    """Standard deviation of the rows of the blocks before `end` around their mean."""
    blocks = state.blocks
    parts = zip(blocks.counts[:end], blocks.means[:end], blocks.spreads[:end], strict=True)
    return sqrt(sum(n * (sd * sd + (m - mean) * (m - mean)) for n, m, sd in parts) / sum(blocks.counts[:end]))


def _is_back(was: float, now: float, rules: SeriesPolicy) -> bool:
    """True when enough of the deviation is gone, or more than all of it."""
    return was == 0.0 or 1.0 - now / was >= rules.share_back


def _inside(state: Segments, y: float, at: int, rules: SeriesPolicy) -> Change | None:
    """A row of an open episode: is it over?"""
    state.open_rows += 1
    r, d = y - expected(state, at), state.offset
    said = 0.0
    if state.doubt > 0.0:
        said = min(max(d * (d - 2.0 * r) / (2.0 * state.doubt), -_BACK_CLIP), _BACK_CLIP)
        if r * state.direction > 0.0 and r * r > _FAR * _FAR * state.doubt:
            said = min(said, _FAR_SAYS)
    before = state.back
    state.back = back = max(0.0, before + said)
    if back <= 0.0:
        state.offset += (r - d) / sum(state.blocks.counts)
    elif before <= 0.0:
        state.back_at = at
    if back > _BACK:
        state.back = _BACK
        first = block.index_of(state.blocks, state.back_at)
        rows = sum(state.blocks.counts[first:])
        if rows:
            mean = sum(map(mul, state.blocks.counts[first:], state.blocks.means[first:])) / rows
            if _is_back(d, mean - expected(state, (state.back_at + at) // 2), rules):
                block.drop(state.blocks, first)
                return _recovered(state, state.back_at, mean)
    if back <= 0.0 and state.open_rows > rules.settle_rows:
        change = Change("new_normal", at, state.direction, y - r, y - r + d)
        state.level, state.level_at, state.slope = change.present, at, 0.0
        _close(state)
        return change
    return None


def _recovered(state: Segments, at: int, level: float) -> Change:
    """Ends the episode; the segment, which begins with the return, goes on from the level before the episode."""
    change = Change("recovered", at, state.direction, expected(state, at), level)
    if state.normal_rows:
        block.prepend(state.blocks, state.normal_at, state.normal_rows, state.level, state.normal_spread)
    else:
        state.level, state.level_at, state.slope = level, at, 0.0
    _close(state)
    return change


def _close(state: Segments) -> None:
    state.direction = state.open_rows = state.normal_rows = 0
    state.offset = state.back = 0.0
