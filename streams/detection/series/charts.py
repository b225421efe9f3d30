"""Control charts: the steps of a one-sided CUSUM and of an EWMA, and the CUSUM limit for a promised false-alarm rate.

Inputs are standardised: mean 0 and standard deviation 1 while nothing has changed.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log

_OVERSHOOT = 1.166  # Siegmund: twice the mean overshoot of a normal random walk, 2 x .583
_NEWTON = 50


def cusum_step(total: float, z: float, slack: float) -> float:
    """Page's one-sided sum max(0, S + z - k) (Page 1954, Biometrika 41). `slack` is k, half of the shift looked for."""
    total += z - slack
    return total if total > 0.0 else 0.0  # noqa: FURB136  four times as fast as max


def ewma_step(mean: float, value: float, gain: float) -> float:
    """Exponentially weighted mean m + lambda (x - m) (Roberts 1959, Technometrics 1). `gain` is lambda in (0, 1]."""
    return mean + gain * (value - mean)


def cusum_run_length(limit: float, slack: float, shift: float = 0.0) -> float:
    """Mean rows to an alarm of a one-sided CUSUM on independent normal values with mean `shift`.

    Siegmund's approximation (Sequential Analysis, 1985): (e^(-2 d b) + 2 d b - 1) / (2 d^2) with d = shift - k and
    b = h + 1.166. Within a few per cent of exact values for h of 3 and more.
    """
    drift, wide = shift - slack, limit + _OVERSHOOT
    if abs(drift * wide) < 1e-4:  # noqa: PLR2004  the quotient has no digits left; its limit is b^2
        return wide * wide
    return (exp(-2.0 * drift * wide) + 2.0 * drift * wide - 1.0) / (2.0 * drift * drift)


@lru_cache(maxsize=256)
def cusum_limit(alarms_per_year: float, rows_per_year: float, slack: float, sides: int = 2) -> float:
    """Limit h at which independent normal noise raises `alarms_per_year` alarms, by Siegmund's approximation.

    Args:
        alarms_per_year: Promised false alarms in a year, above 0.
        rows_per_year: Rows judged in a year.
        slack: k, above 0.
        sides: Sums that run at the same time; the promise is for all of them.

    Returns:
        h, 0 when even an alarm at each row that exceeds k keeps the promise.
    """
    wanted = sides * rows_per_year / alarms_per_year
    # e^x - x - 1 = a with x = 2 k b is increasing and convex: Newton from above converges without overshoot.
    aim = 2.0 * slack * slack * wanted
    x = log(aim + 2.0) + 1.0
    for _ in range(_NEWTON):
        change = (exp(x) - x - 1.0 - aim) / (exp(x) - 1.0)
        x -= change
        if change < 1e-12 * x:
            break
    return max(0.0, x / (2.0 * slack) - _OVERSHOOT)
