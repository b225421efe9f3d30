"""Length of a season from the data, at a constant cost and in 64 numbers.

Block means fill a ring. When it is full, the autocorrelation of what is left after a straight line shows a period that
lies between five and half of the ring's blocks. If there is none, neighbouring blocks are merged, so that the ring
reaches twice as far back; past the largest block the search starts again.
"""

from __future__ import annotations

from streams.domain.deviation import PeriodSearch
from streams.domain.floats import Floats, floats
from streams.domain.time import DAY, WEEK

_RING = 64
_EARLY = 48  # blocks at which it is looked at for the first time
_LARGEST = 64  # steps in a block: the ring then reaches over 4,096 steps
_SHORTEST = 5  # blocks in a period: fewer do not show its shape
_CLEAR = 0.5  # autocorrelation of a season ...
_TROUGH = 0.1  # ... after having been below this: what only dies away slowly is no season
_LATER = 0.1  # a longer period must be better by this: multiples of a period are periods, too
_CLIP = 3.0  # medians of the absolute deviation
_SNAP = 0.06  # share by which a length may differ from the day or week that it is
_LONG_GAP = 8  # empty blocks
_ENOUGH = 16  # blocks in a period: four cycles in the ring


def feed(search: PeriodSearch, y: float, row: int) -> bool:
    """Adds the value at step `row` (0 is the first). True when it is time to call `find` and then `look_on`."""
    index = row // search.size
    closed = index != search.index
    if closed:
        missed = index - search.index - 1
        if search.count:
            mean = search.total / search.count
            search.blocks.append(mean)
            if 0 < missed <= _LONG_GAP:
                search.blocks.extend([mean] * missed)
        if missed > _LONG_GAP:
            search.blocks = floats()
        search.index, search.total, search.count = index, 0.0, 0
    search.total += y
    search.count += 1
    return closed and (len(search.blocks) >= _RING or len(search.blocks) == _EARLY)


def look_on(search: PeriodSearch, cycle: float) -> None:
    """Makes room in a full ring. `cycle` is the period that it shows, in steps; 0 when it shows none.

    A ring that shows enough cycles forgets the oldest blocks, else neighbours are merged.
    """
    if len(search.blocks) < _RING:
        return
    if 0.0 < cycle <= _ENOUGH * search.size:
        search.blocks = search.blocks[_RING // 4 :]
        return
    row, blocks = search.index * search.size, search.blocks
    if search.size >= _LARGEST:
        search.size, search.blocks = 1, floats()
    else:
        search.size *= 2
        search.blocks = floats([(blocks[i] + blocks[i + 1]) / 2.0 for i in range(0, _RING, 2)])
    search.index, search.total, search.count = row // search.size, 0.0, 0


def find(blocks: Floats, size: int, step: int) -> tuple[float, list[float]]:
    """Period in ms that the ring shows, 0 when it shows none, and the blocks around a straight line. `step` in ms."""
    rest = _level(blocks)
    r = _autocorrelation(rest)
    lag = _peak(r)
    if not lag:
        return 0.0, rest
    length = _sharpen(r, lag) * size * step
    for known in (DAY, WEEK):
        if abs(length - known) <= _SNAP * known:
            return float(known), rest
    return length, rest


def _level(blocks: Floats) -> list[float]:
    """The blocks less their straight line, with outliers clipped."""
    n = len(blocks)
    middle = (n - 1) / 2.0
    mean = sum(blocks) / n
    slope = sum((i - middle) * x for i, x in enumerate(blocks)) / (n * (n * n - 1) / 12.0)
    rest = [x - mean - slope * (i - middle) for i, x in enumerate(blocks)]
    edge = _CLIP * sorted(map(abs, rest))[n // 2]
    rest = [max(-edge, min(edge, x)) for x in rest]
    mean = sum(rest) / n
    return [x - mean for x in rest]


def _autocorrelation(rest: list[float]) -> list[float]:
    """Autocorrelation by lag, from 0 to a little beyond half of the ring; empty when all are equal."""
    n = len(rest)
    square = sum(x * x for x in rest) / n
    if square <= 0.0:
        return []
    return [
        sum(a * b for a, b in zip(rest, rest[lag:], strict=False)) / ((n - lag) * square) for lag in range(n // 2 + 2)
    ]


def _peak(r: list[float]) -> int:
    """Lag of the first clear peak; 0 when there is none."""
    best, height, low = 0, _CLEAR, False
    for lag in range(1, len(r) - 1):
        low = low or r[lag] < _TROUGH
        here = r[lag]
        if low and lag >= _SHORTEST and here > height and r[lag - 1] <= here >= r[lag + 1]:
            best, height = lag, here + _LATER
    return best


def _sharpen(r: list[float], lag: int) -> float:
    """The period in blocks: the peak of its highest multiple, between lags by a parabola."""
    period, times = _vertex(r, lag), 2
    while True:
        near = round(times * period)
        here = max((k for k in (near - 1, near, near + 1) if k < len(r)), key=r.__getitem__, default=0)
        if not 0 < here < len(r) - 1 or r[here] < _CLEAR or not r[here - 1] <= r[here] >= r[here + 1]:
            return period
        period = _vertex(r, here) / times
        times += 1


def _vertex(r: list[float], lag: int) -> float:
    before, here, after = r[lag - 1], r[lag], r[lag + 1]
    bend = before - 2.0 * here + after
    return lag + (0.5 * (before - after) / bend if bend < 0.0 else 0.0)
