"""The account's own rhythm of use: distribution of ln(gap) between sessions, learnt online.

Gaps of people are close to log-normal, over hours as over weeks. Mean and variance are kept with a gain of 1/n, never
below 0.05, so that a changed rhythm is learnt; the variance starts from a prior worth four gaps.
"""

from __future__ import annotations

from math import exp, log, sqrt

from streams.domain.signal import Rhythm
from streams.policy.signals import SilencePolicy

_GAIN = 0.05
_PRIOR = 4.0
_PRIOR_VARIANCE = 0.35
_FORGET = 0.97  # of the longest gap, at each gap


def active(rhythm: Rhythm, at: int, session: int, feed_back_at: int) -> bool:
    """Takes in activity at event time `at`. True when it begins a session, False when nothing is to be looked at.

    A gap that spans a silence of the feed (it came back at `feed_back_at`) is not learnt.
    """
    last = rhythm.last_at
    if at - last < session and last:
        if at > last:
            rhythm.last_at = at
        return False
    if not last:
        rhythm.first_at = at
    elif feed_back_at <= last:
        _learn(rhythm, at - last)
    rhythm.last_at = at
    if rhythm.overdue_at is not None:
        rhythm.overdue_at = None
        rhythm.resumed_at = at
    return True


def _learn(rhythm: Rhythm, gap: int) -> None:
    if rhythm.overdue_at is not None:
        return  # what was found to be a silence is no part of the rhythm
    x = log(gap)
    rhythm.n += 1
    gain = max(_GAIN, 1 / rhythm.n)
    delta = x - rhythm.mean
    rhythm.mean += gain * delta
    rhythm.spread += gain * (delta * (x - rhythm.mean) - rhythm.spread)
    rhythm.longest = max(float(gap), rhythm.longest * _FORGET)


def usual_gap(rhythm: Rhythm) -> int:
    """Median gap in ms."""
    return round(exp(rhythm.mean))


def patience(rhythm: Rhythm, rules: SilencePolicy) -> int | None:
    """Gap in ms beyond which the account is overdue; None while its rhythm is unknown."""
    if rhythm.n < rules.min_gaps:
        return None
    variance = (rhythm.spread * rhythm.n + _PRIOR_VARIANCE * _PRIOR) / (rhythm.n + _PRIOR)
    by_spread = exp(min(40.0, rhythm.mean + rules.z * sqrt(variance)))
    gap = max(by_spread, rules.longest_factor * rhythm.longest, float(rules.min_gap))
    return round(min(gap, float(rules.max_gap)))
