"""Evidence of a fall where most periods are empty: first whether anything happened, then how much.

Of a series that is mostly zero a mean and a noise say little: a few empty periods in a row look like a fall and are
chance. The hurdle model (Cragg 1971, Econometrica 39; Mullahy 1986, J. Econometrics 33) takes the two apart, and its
log-likelihood is the sum of both parts: a binomial one for the share of active periods, and one for the mean of the
active periods.
"""

from __future__ import annotations

from math import log

_BEGINS = 0.5  # of the periods empty: from here on their median is zero and tells nothing of the noise
_FULL = 0.58


def allowance(empty: float, limit: float) -> float:
    """How far evidence of levels may exceed that of the hurdle model, by the share of empty periods.

    Infinite up to one half, then from `limit` down to 0 at 0.58, so that nothing jumps.
    """
    if empty <= _BEGINS:
        return float("inf")
    return limit * max(0.0, (_FULL - empty) / (_FULL - _BEGINS))


def evidence(
    periods: int, active: int, total: float, later: int, later_active: int, later_total: float, variance: float
) -> float:
    """Twice the log-likelihood ratio for a fall after the first `periods` periods, 0 or more.

    Args:
        periods: Number of periods before the fall, 1 or more.
        active: How many of them are not empty.
        total: Sum of their working values.
        later: Number of periods since, 1 or more.
        later_active: How many of them are not empty.
        later_total: Sum of their working values.
        variance: Square of the noise of a working value, above 0.
    """
    found = 0.0
    if later_active * periods < active * later:
        both = _binomial(active, periods) + _binomial(later_active, later)
        found = 2.0 * (both - _binomial(active + later_active, periods + later))
    if active and later_active:
        fall = total / active - later_total / later_active
        if fall > 0:
            found += fall * fall * active * later_active / ((active + later_active) * variance)
    return found


def _binomial(hits: int, tries: int) -> float:
    """Largest log-likelihood of the hits."""
    misses = tries - hits
    if not hits or not misses:
        return 0.0
    return hits * log(hits / tries) + misses * log(misses / tries)
