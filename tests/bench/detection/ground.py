"""Generated series with a season, a trend, or both, and episodes of which start and end are known.

A series is ground (level, season, trend) plus noise plus episodes, in units of the noise: dips, shocks (either way) and
spikes come back, lasting shifts do not. Lengths, sizes and pauses are like those of the flat public set (Merlion,
`data/synthetic_anomaly`). The same arguments give the same series.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

MINUTES_5 = 300_000
START = 1_577_836_800_000  # 2020-01-01
KINDS = ("dip", "shock", "spike", "level")


class Ground(NamedTuple):
    """A series. `episodes` are first and last row; those of `level` last until the next one starts."""

    name: str
    group: str
    kind: str
    step: int
    values: list[float]
    episodes: list[tuple[int, int]]

    def at(self, row: int) -> int:
        """Event time of a row in ms."""
        return START + row * self.step


def noise(draw: random.Random, rows: int, *, hard: bool) -> list[float]:
    """Unit noise: independent and normal, or hard: AR(1) with .5 and steps from Student's t with 4 degrees."""
    if not hard:
        return [draw.gauss(0, 1) for _ in range(rows)]
    made: list[float] = []
    last = 0.0
    scale = math.sqrt(0.75 / 2.0)  # t4 has variance 2, AR(1) with .5 multiplies by 1/.75
    for _ in range(rows):
        t = draw.gauss(0, 1) / math.sqrt(sum(draw.gauss(0, 1) ** 2 for _ in range(4)) / 4)
        last = 0.5 * last + scale * t
        made.append(last)
    return made


def season(draw: random.Random, rows: int, period: float, amplitude: float) -> list[float]:
    """Two harmonics with random phases; `amplitude` is half of the way from the lowest to the highest point."""
    a, b, share = draw.uniform(0, math.tau), draw.uniform(0, math.tau), draw.uniform(0, 0.5)
    one = [math.sin(math.tau * i / 512 + a) + share * math.sin(2 * math.tau * i / 512 + b) for i in range(512)]
    middle, half = (max(one) + min(one)) / 2, (max(one) - min(one)) / 2
    w = math.tau / period
    return [amplitude * (math.sin(w * i + a) + share * math.sin(2 * w * i + b) - middle) / half for i in range(rows)]


def trend(draw: random.Random, rows: int) -> list[float]:
    """Straight pieces of 1,500 to 4,000 rows, up and down by turns, with slopes of .002 to .02 a row."""
    made: list[float] = []
    level, sign = 0.0, draw.choice((-1, 1))
    while len(made) < rows:
        slope = sign * 10 ** draw.uniform(math.log10(0.002), math.log10(0.02))
        for _ in range(draw.randint(1_500, 4_000)):
            level += slope
            made.append(level)
        sign = -sign
    return made[:rows]


def _size(draw: random.Random) -> float:
    return min(13.0, 1.9 + draw.expovariate(1 / 2.5))


def episodes(draw: random.Random, rows: int, kind: str) -> tuple[list[float], list[tuple[int, int]]]:
    """What the episodes add to each row, and where they are."""
    added, spans = [0.0] * rows, list[tuple[int, int]]()
    row = 160 + int(draw.expovariate(1 / 300))
    level = 0.0
    while row < rows - 60:
        if kind == "level":
            level += draw.choice((-1, 1)) * _size(draw) if abs(level) < 10 else -math.copysign(_size(draw), level)
            added[row:] = [level] * (rows - row)
            spans.append((row, row + 19))
            row += 40 + int(draw.expovariate(1 / 450))
        else:
            last = min(rows - 2, row + draw.randint(19, 199))
            sign = {"dip": -1, "spike": 1}.get(kind) or draw.choice((-1, 1))
            added[row : last + 1] = [sign * _size(draw)] * (last + 1 - row)
            spans.append((row, last))
            row = last + 5 + int(draw.expovariate(1 / 330))
    return added, spans


def series(
    group: str,
    kind: str,
    *,
    seed: int,
    rows: int = 10_000,
    period: float = 288.0,
    amplitude: float = 5.0,
    hard: bool = False,
    step: int = MINUTES_5,
) -> Ground:
    """One series. `group` is flat, seasonal, trending or both; `period` in rows."""
    name = f"{group}-{kind}-{rows}-{period:g}-{amplitude:g}-{'hard' if hard else 'white'}-{seed}"
    draw = random.Random(name)
    values = noise(draw, rows, hard=hard)
    if group in {"seasonal", "both"}:
        values = [a + b for a, b in zip(values, season(draw, rows, period, amplitude), strict=True)]
    if group in {"trending", "both"}:
        values = [a + b for a, b in zip(values, trend(draw, rows), strict=True)]
    added, spans = episodes(draw, rows, kind)
    return Ground(name, group, kind, step, [a + b for a, b in zip(values, added, strict=True)], spans)


def bank(group: str, *, seed: int = 0, hard: bool = False, repeats: int = 1) -> Iterator[Ground]:
    """The series of a group: every kind, on seasons of several periods and sizes or on several trends."""
    for repeat in range(repeats):
        number = 1_000 * seed + repeat
        for kind in KINDS:
            if group == "flat":
                yield series(group, kind, seed=number, hard=hard)
            elif group == "trending":
                for extra in range(4):
                    yield series(group, kind, seed=number + 100 * extra, hard=hard)
            else:
                for period in (144.0, 200.0, 288.0):
                    for amplitude in (3.0, 8.0):
                        yield series(group, kind, seed=number, period=period, amplitude=amplitude, hard=hard)
