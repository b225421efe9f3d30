"""Length of a season from the data, at a constant cost and in 64 numbers.

Block means fill a ring. When it is full, the autocorrelation of what is left after a straight line shows a period that
lies between five and half of the ring's blocks. A line and two harmonics fitted to the blocks sharpen it, and refuse
what is no repeated shape, such as two episodes that happen to lie a period apart. If there is none, neighbouring blocks
are merged, so that the ring reaches twice as far back; past the largest block the search starts again.
"""

from __future__ import annotations

from math import cos, sin, tau
from operator import mul

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
_EVIDENT = 0.75  # an autocorrelation that proves a season whose shape two harmonics do not follow, such as narrow peaks
_PAUSE = 256  # steps after which a season that wins is looked at again
_FITS = 3  # steps of the fit: it hardly moves after them
_EDGE = 3.7  # medians of what the fit leaves: 2.5 standard deviations
_TURN = 0.25  # turns over the ring that a step of the fit may add or take
_FAR = 0.6  # turns over the ring by which the fit may differ from the autocorrelation
_LEFT = 0.3  # share of the squares that the fit may leave
_SMALL = 1e-9  # share of its square below which a column is no column of its own
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


def due(search: PeriodSearch) -> bool:
    """True when a season that wins is worth another look: short ones fill the ring again every few rows."""
    return search.index * search.size % _PAUSE < _RING // 4 * search.size


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
    rough = _sharpen(r, lag)
    length = (_fitted(rest, rough) or (rough if r[lag] >= _EVIDENT else 0.0)) * size * step
    if not length:
        return 0.0, rest
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
    square = _dot(rest, rest) / n
    if square <= 0.0:
        return []
    return [_dot(rest, rest[lag:]) / ((n - lag) * square) for lag in range(n // 2 + 2)]


def _dot(a: list[float], b: list[float]) -> float:
    """Sum of the products, as far as both go."""
    total: float = sum(map(mul, a, b))
    return total


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


def _fitted(rest: list[float], period: float) -> float:
    """The period in blocks at which a line and two harmonics fit best, by Gauss and Newton.

    Blocks that lie far off the fit, by the median, count as if they lay at the edge (Huber 1964, Ann. Math. Stat. 35),
    so that episodes move it little. 0 when the fit leaves too much or goes too far.
    """
    n, p, clean = len(rest), period, rest
    middle = (n - 1) / 2.0
    time = [i - middle for i in range(n)]
    for _ in range(_FITS):
        w = tau / p
        angle = [w * t for t in time]
        c, s = list(map(cos, angle)), list(map(sin, angle))
        c2, s2 = [2.0 * a * a - 1.0 for a in c], [2.0 * a * b for a, b in zip(c, s, strict=True)]
        # In time centred on 0 the even columns and the odd ones do not touch: two small systems instead of a large one.
        even, odd = ([1.0] * n, c, c2), (time, s, s2)
        a0, a1, a2 = _solve(even, clean)
        b0, b1, b2 = _solve(odd, clean)
        fit = [
            a0 + b0 * t + a1 * u + b1 * v + a2 * x + b2 * z
            for t, u, v, x, z in zip(time, c, s, c2, s2, strict=True)
        ]  # fmt: skip
        # How the fit changes with the logarithm of the frequency.
        turn = [
            w * t * (b1 * u - a1 * v + 2.0 * (b2 * x - a2 * z))
            for t, u, v, x, z in zip(time, c, s, c2, s2, strict=True)
        ]
        e0, e1, e2 = _solve(even, turn)
        o0, o1, o2 = _solve(odd, turn)
        free = [
            d - e0 - o0 * t - e1 * u - o1 * v - e2 * x - o2 * z
            for d, t, u, v, x, z in zip(turn, time, c, s, c2, s2, strict=True)
        ]
        left = [y - f for y, f in zip(rest, fit, strict=True)]
        edge = _EDGE * sorted(map(abs, left))[n // 2]
        left = [max(-edge, min(edge, r)) for r in left]
        clean = [f + r for f, r in zip(fit, left, strict=True)]
        size = _dot(free, free)
        if size <= 0.0:
            return 0.0
        p /= 1.0 + max(-_TURN * p / n, min(_TURN * p / n, _dot(left, free) / size))
    if _dot(left, left) > _LEFT * _dot(clean, clean) or abs(p - period) * n > _FAR * period * period:
        return 0.0
    return p


def _solve(columns: tuple[list[float], list[float], list[float]], y: list[float]) -> tuple[float, float, float]:
    """Least squares on three columns: coefficients, 0 for a column that the others hold."""
    k, u, v = columns
    kk, ku, kv, uu, uv, vv = _dot(k, k), _dot(k, u), _dot(k, v), _dot(u, u), _dot(u, v), _dot(v, v)
    ky, uy, vy = _dot(k, y), _dot(u, y), _dot(v, y)
    f, g = ku / kk, kv / kk
    uu, uv, vv, uy, vy = uu - f * ku, uv - f * kv, vv - g * kv, uy - f * ky, vy - g * ky
    h = uv / uu if uu > _SMALL * kk else 0.0
    vv, vy = vv - h * uv, vy - h * uy
    c = vy / vv if vv > _SMALL * kk else 0.0
    b = (uy - uv * c) / uu if uu > _SMALL * kk else 0.0
    return (ky - ku * b - kv * c) / kk, b, c
