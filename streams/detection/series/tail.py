"""How improbable an exceedance is, given the peaks that its side has had.

Peaks over a threshold are taken as exponential with an unknown mean. With a gamma prior on the rate, the predictive
distribution of the next one is Lomax, heavy while few peaks are known:

    P(a peak in this row is beyond x) = (c + 1)/(n/5 + 20) * (1 + x/(S + 2))^-(c + 2)

for c finished peaks with sum S in n rows; 1 peak in 20 runs and 2 peaks with a sum of 2 are the prior. The exponent is
bounded, so that no tail is ever believed to be thinner than that of a Pareto distribution, however many peaks agree.
"""

from __future__ import annotations

from math import log10

from streams.domain.novelty import Peaks

RUN = 5
"""Exceedances with fewer rows between them belong to one peak (declustering by runs)."""
PRIOR_RUNS = 20.0
PRIOR_PEAKS = 2.0
PRIOR_SUM = 2.0
HEAVIEST = 12.0
"""Bound of the exponent. Figures on public benchmark series stay the same from 8 to 15."""


def finished(peaks: Peaks, side: int, x: float, n: int) -> float:
    """Takes in an exceedance `x` > 0 at row `n`. Returns the peak of its side that this one shows to be over, or 0."""
    largest, rows = peaks.open, peaks.rows
    done = 0.0
    if n - rows[side] >= RUN:
        done = largest[side]
        largest[side] = x
    elif x > largest[side]:
        largest[side] = x
    rows[side] = n
    return done


def surprise(peaks: Peaks, side: int, x: float, n: int) -> float:
    """-log10 of the probability of an exceedance `x` > 0 at row `n`; learns the peaks before it."""
    done = finished(peaks, side, x, n)
    if done:
        peaks.counts[side] += 1.0
        peaks.sums[side] += done
    count = peaks.counts[side]
    shape = count + PRIOR_PEAKS
    scale = peaks.sums[side] + PRIOR_SUM
    if shape > HEAVIEST:
        scale *= HEAVIEST / shape
        shape = HEAVIEST
    rate = (count + 1.0) / (n / RUN + PRIOR_RUNS)
    return shape * log10(1.0 + x / scale) - (log10(rate) if rate < 1.0 else 0.0)
