"""The rows of a segment in a bounded number of blocks of neighbours: count, mean, spread and tilt of each.

What is lost by making one block of two is their difference (Ward 1963, J. Am. Stat. Assoc. 58); small and old pairs go
first, so that the newest rows are known one by one and an old change keeps its edge.
"""

from __future__ import annotations

from math import sqrt

from streams.domain.segments import Blocks

MOST = 24
"""Blocks kept; one more, and some are merged."""
_NEWEST = 8  # blocks that are not merged: single rows
_MERGED = 4  # pairs merged at a time, so that it is done on every fourth row only


def append(blocks: Blocks, y: float, at: int, usual: float) -> None:
    """Adds a row; `usual` is the variance of a row, below which a difference does not count."""
    if blocks.counts:
        reach = at - blocks.start_at
        blocks.spans[-1] = reach - blocks.reach
        blocks.reach = reach
    else:
        blocks.start_at, blocks.reach = at, 0
    blocks.counts.append(1)
    blocks.spans.append(0)
    blocks.means.append(y)
    blocks.spreads.append(0.0)
    blocks.tilts.append(0.0)
    if len(blocks.counts) > MOST:
        _merge(blocks, usual)


def _merge(blocks: Blocks, usual: float) -> None:
    counts, spans, means = blocks.counts, blocks.spans, blocks.means
    costs: list[tuple[float, int]] = []
    age = blocks.reach + 1
    for i in range(len(counts) - _NEWEST - 1):
        a, b = counts[i], counts[i + 1]
        n = a + b
        d = means[i + 1] - means[i]
        costs.append(((d * d * a * b / n + usual) * n / age, i))
        age -= spans[i]
    costs.sort()
    chosen: set[int] = set()
    for _, i in costs:
        if i - 1 not in chosen and i + 1 not in chosen:
            chosen.add(i)
            if len(chosen) == _MERGED:
                break
    for i in sorted(chosen, reverse=True):
        _join(blocks, i)


def _join(blocks: Blocks, i: int) -> None:
    """Makes one block of block `i` and the next."""
    counts, spans, means, spreads, tilts = blocks.counts, blocks.spans, blocks.means, blocks.spreads, blocks.tilts
    a, b = counts[i], counts.pop(i + 1)
    n = a + b
    d = means.pop(i + 1) - means[i]
    left, right = spreads[i], spreads.pop(i + 1)
    counts[i] = n
    spans[i] += spans.pop(i + 1)
    means[i] += d * b / n
    spreads[i] = sqrt((a * left * left + b * right * right + d * d * a * b / n) / n)
    tilts[i] = (a * tilts[i] + b * tilts.pop(i + 1) + 0.5 * d * a * b) / n  # middles are n/2 rows apart


def drop(blocks: Blocks, count: int) -> None:
    """Lets the segment start so many blocks later."""
    gone = sum(blocks.spans[:count])
    blocks.start_at += gone
    blocks.reach -= gone
    del blocks.counts[:count], blocks.spans[:count]
    del blocks.means[:count], blocks.spreads[:count], blocks.tilts[:count]


def prepend(blocks: Blocks, at: int, count: int, mean: float, spread: float) -> None:
    """Puts a level block of earlier rows, whose first was at `at`, before the others."""
    gap = blocks.start_at - at
    blocks.start_at = at
    blocks.reach += gap
    blocks.counts.insert(0, count)
    blocks.spans.insert(0, gap)
    blocks.means.insert(0, mean)
    blocks.spreads.insert(0, spread)
    blocks.tilts.insert(0, 0.0)


def index_of(blocks: Blocks, at: int) -> int:
    """First block that starts at `at` or later; their number when none does."""
    start = blocks.start_at
    for i, span in enumerate(blocks.spans):
        if start >= at:
            return i
        start += span
    return len(blocks.spans)


def middles(blocks: Blocks, step: int) -> list[float]:
    """Middle of each block, in steps since the first row."""
    times: list[float] = []
    start = 0
    for span in blocks.spans:
        times.append((start + 0.5 * (span - step)) / step if span else start / step)
        start += span
    return times
