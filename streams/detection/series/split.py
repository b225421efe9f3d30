"""The best change in a row of blocks: two levels against one, or two lines against one where a line fits better.

The evidence is twice the log-likelihood ratio with an unknown common variance,

    G = N ln((v0 + f/5) / (w + f/5)) sqrt(min(1, f/w)),

v0 and w the variance without and with the change. f is the variance of independent noise with the same second
differences: it knows neither level nor trend, it keeps w from being too good, and where neighbours are more alike than
independent rows, f < w discounts the evidence. For a line the evidence is halved: a change has twice the parameters.
"""

from __future__ import annotations

from math import inf, log, sqrt
from operator import mul
from typing import NamedTuple

from streams.domain.segments import Blocks

LEAST = 10
"""Rows on each side of a change when it is judged."""
_LEAST_DATED = 3  # rows after it when it is dated: the newest ones may be of both sides
FLOOR = 0.2
"""Share of f that no fit is better than."""
_LINES = 2.0


class Line(NamedTuple):
    """A line or level through some rows: their number, mean time (steps since the first row), mean and slope a step."""

    rows: int
    middle: float
    mean: float
    slope: float


class Split(NamedTuple):
    """What was found."""

    block: int
    """Block that the second part begins with; 0 for none."""
    evidence: float
    within: float
    """Variance around the two levels or lines."""
    whole: Line
    """The line through all; its mean is the level."""
    flat: float
    """Variance around one level ..."""
    line: float
    """... and around one line."""
    lines: bool
    """Whether a line fits better than two levels, and so two lines were looked for."""


def find(blocks: Blocks, times: list[float], usual: float) -> Split:
    """Looks for the best change.

    Args:
        blocks: At least one.
        times: Middle of each, in steps.
        usual: f, variance of a row as its neighbours tell it.
    """
    counts, means = blocks.counts, blocks.means
    rows = sum(counts)
    mean = sum(map(mul, counts, means)) / rows
    last = rows - LEAST
    last_dated = rows - _LEAST_DATED
    left = split = 0
    s = st = stt = sty = total = best = top = 0.0
    parts = zip(counts, means, blocks.spreads, blocks.tilts, times, strict=True)
    for i, (count, value, spread, tilt, t) in enumerate(parts):
        if LEAST <= left <= last_dated:
            gain = s * s / (left * (rows - left))
            if gain > top:
                top, split = gain, i
            if left <= last and gain > best:
                best = gain
        left += count
        d = value - mean
        cd = count * d
        ct = count * t
        s += cd
        st += ct
        stt += ct * t + count * (count * count - 1) / 12.0
        sty += cd * t + count * tilt
        total += cd * d + count * spread * spread
    flat = total / rows
    square = stt - st * st / rows
    slope = sty / square if square > 0.0 else 0.0
    line = max(0.0, flat - slope * sty / rows)
    whole = Line(rows, st / rows, mean, slope)
    if flat - best <= line:
        within = max(0.0, flat - best)
        return Split(split, evidence(rows, flat, within, usual), within, whole, flat, line, lines=False)
    split, within = 0, line
    if last >= LEAST:
        gain, split = _two_lines(blocks, times, whole, stt, sty)
        within = max(0.0, flat - gain / rows)
    return Split(split, evidence(rows, line, within, usual) / _LINES, within, whole, flat, line, lines=True)


def _two_lines(blocks: Blocks, times: list[float], whole: Line, all_tt: float, all_ty: float) -> tuple[float, int]:
    """What two lines explain of the sum of squares around the mean, and the block that the second begins with."""
    rows, mean = whole.rows, whole.mean
    all_t = rows * whole.middle
    last = rows - LEAST
    left = split = 0
    s = st = stt = sty = best = 0.0
    for i, (count, value, tilt, t) in enumerate(zip(blocks.counts, blocks.means, blocks.tilts, times, strict=True)):
        if LEAST <= left <= last:
            right = rows - left
            rest = all_t - st
            gain = s * s * rows / (left * right)
            square = stt - st * st / left
            if square > 0.0:
                product = sty - st * s / left
                gain += product * product / square
            square = all_tt - stt - rest * rest / right
            if square > 0.0:
                product = all_ty - sty + rest * s / right
                gain += product * product / square
            if gain > best:
                best, split = gain, i
        left += count
        d = value - mean
        ct = count * t
        s += count * d
        st += ct
        stt += ct * t + count * (count * count - 1) / 12.0
        sty += ct * d + count * tilt
    return best, split


def evidence(rows: int, without: float, within: float, usual: float) -> float:
    """G of the module's formula; infinite when nothing is left unexplained."""
    floor = FLOOR * usual
    if within + floor <= 0.0:
        return inf if without > 0.0 else 0.0
    ratio = (without + floor) / (within + floor)
    if ratio <= 1.0:
        return 0.0
    return rows * log(ratio) * (sqrt(usual / within) if usual < within else 1.0)


def fit(blocks: Blocks, times: list[float], begin: int, end: int, *, sloped: bool) -> Line:
    """Level or line through the blocks from `begin` to before `end`."""
    counts, means, times = blocks.counts[begin:end], blocks.means[begin:end], times[begin:end]
    rows = sum(counts)
    mean = sum(map(mul, counts, means)) / rows
    middle = sum(map(mul, counts, times)) / rows
    slope = square = product = 0.0
    if sloped:
        for c, y, tilt, t in zip(counts, means, blocks.tilts[begin:end], times, strict=True):
            square += c * (t - middle) * (t - middle) + c * (c * c - 1) / 12.0
            product += c * (t - middle) * (y - mean) + c * tilt
        slope = product / square if square > 0.0 else 0.0
    return Line(rows, middle, mean, slope)
