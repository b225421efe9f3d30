"""How rare a value of this size is, by counting: no shape of the tail is assumed.

With r earlier peaks of about this size in n rows, its rate is (1 + r)/(n/5 + 20); 5 and 20 as in `tail.py`.
"""

from __future__ import annotations

from math import log10

from streams.detection.series.tail import PRIOR_RUNS, RUN, finished
from streams.domain.novelty import Peaks

KEPT = 8
"""Largest peaks kept of a side; a size that all of them had is no news."""
NEAR = 0.9
"""Share of a value from which an earlier peak counts as like it."""


def rarity(peaks: Peaks, side: int, x: float, n: int) -> float:
    """-log10 of the rate of values as far out as `x` > 0, at row `n`; 0 when it is common. Learns the peaks before."""
    lowest = KEPT * (side & 1)
    highest = lowest + KEPT - 1
    tops = peaks.tops
    done = finished(peaks, side, x, n)
    if done > tops[lowest]:
        i = lowest
        while i < highest and tops[i + 1] < done:
            tops[i] = tops[i + 1]
            i += 1
        tops[i] = done
    near = NEAR * x
    if tops[lowest] >= near:
        return 0.0
    alike = 0
    while tops[highest - alike] >= near:
        alike += 1
    return log10((n / RUN + PRIOR_RUNS) / (1 + alike))
