"""The account's own rhythm of use: how long its gaps between sessions usually are, and when one is too long for chance.

Gaps of people are close to log-normal, over hours as over weeks. Mean and variance of ln(gap) are kept with a gain of
1/n, never below 0.05, so that a changed rhythm is learnt. The variance is drawn to that of the account's segment.

How far above its mean a gap must lie is learnt from the panel's accounts of the segment (`health/panel.py`): each gap
that ends is counted by its distance from the mean, in standard deviations, both as they were before. The account is
overdue beyond the quantile that chance passes as often as the policy permits in a year of gaps like its own. A prior
tail, worth some gaps, stands for what was not seen yet, and for everything until the pool holds enough: independent
gaps of any common shape stay below what is permitted then, at the price of patience.
"""

from __future__ import annotations

from math import exp, log, sqrt

from streams import topics
from streams.domain.account import AccountState
from streams.domain.gap_pool import GapPool
from streams.domain.partition import PartitionState
from streams.domain.signal import Rhythm
from streams.domain.time import YEAR
from streams.policy.model import Policy

_GAIN = 0.05
_REMEMBERED = 39.0
"""Gaps that a gain of 0.05 remembers: (2 - gain) / gain."""
_PRIOR_GAPS = 10.0
"""Gaps that the segment's variance counts for."""
_FIRST_SPREAD = 0.35
_FIRST_SPREAD_GAPS = 200.0
"""Variance of ln(gap) before anything is known of a segment, and the gaps that it counts for."""
_STEPS = 8
"""Bins of the histogram, a standard deviation."""
_BINS = 12 * _STEPS
_TAIL_GAPS = 200.0
_TAIL_RATE = 1.8
"""The prior: so many gaps, of which exp(-rate z) lie beyond z standard deviations."""
_KNOWN = 13
"""Gaps of an account before its further ones are counted for others; one more than `health/cadence.py` may look at."""
_SEGMENTS = 32
"""Segments that are told apart in a partition; the accounts of further ones are taken together, as `""`."""
_MOST_GAPS = 1 << 22
"""When a pool holds so many gaps it is halved: what is old counts less."""
_ENOUGH = 8_192
"""Gaps in a pool before it is believed: fewer say nothing about a tail that is passed once in a thousand gaps."""
_UNKNOWN = GapPool(spread=_FIRST_SPREAD)
_LONGEST = 40.0  # greatest ln(gap in ms) that is looked at: thousands of years


def active(rhythm: Rhythm, partition: PartitionState, at: int, policy: Policy) -> bool:
    """Takes in activity at event time `at`. True when it begins a session, False when nothing is to be looked at.

    A gap that spans a silence of the usage feed is not learnt.
    """
    last = rhythm.last_at
    if at - last < policy.time.session and last:
        if at > last:
            rhythm.last_at = at
        return False
    if not last:
        rhythm.first_at = at
    else:
        rhythm.repeats += 1
        if judged(rhythm, partition):
            _learn(rhythm, at - last)
    rhythm.last_at = at
    if rhythm.overdue_at is not None:
        rhythm.overdue_at = None
        rhythm.resumed_at = at
    return True


def judged(rhythm: Rhythm, partition: PartitionState) -> bool:
    """True when the usage feed has been flowing since the newest activity."""
    source = partition.sources.get(topics.USAGE)
    return source is None or source.silent_until <= rhythm.last_at


def pool_of(segment: str, partition: PartitionState) -> GapPool:
    """The pool of a segment."""
    pools = partition.gaps
    if segment not in pools and len(pools) >= _SEGMENTS:
        segment = ""
    pool = pools.get(segment)
    if pool is None:
        pool = pools[segment] = GapPool(spread=_FIRST_SPREAD)
    return pool


def count(rhythm: Rhythm, pool: GapPool, gap: int) -> None:
    """Counts a gap that has ended into the pool; `rhythm` is as it was before."""
    if rhythm.n < _KNOWN:
        return
    delta = log(gap) - rhythm.mean
    pool.gaps += 1
    z = delta / _deviation(rhythm, pool)
    pool.spread += (delta * delta - pool.spread) / (pool.gaps + _FIRST_SPREAD_GAPS)
    if z > 0:
        place = min(int(z * _STEPS), _BINS - 1)
        tail = pool.tail
        if place >= len(tail):
            tail += [0] * (place + 1 - len(tail))
        tail[place] += 1
    if pool.gaps >= _MOST_GAPS:
        pool.gaps //= 2
        pool.tail = [passed // 2 for passed in pool.tail]


def _learn(rhythm: Rhythm, gap: int) -> None:
    x = log(gap)
    if rhythm.overdue_at is not None:
        # How long a silence lasts once it is one is no part of the rhythm; that it came so far is.
        x = min(x, log(max(1, rhythm.overdue_at - rhythm.last_at)))
    rhythm.n += 1
    gain = max(_GAIN, 1 / rhythm.n)
    delta = x - rhythm.mean
    rhythm.mean += gain * delta
    if rhythm.n > 1:
        rhythm.spread += gain * (delta * (x - rhythm.mean) - rhythm.spread)


def _deviation(rhythm: Rhythm, pool: GapPool) -> float:
    """Standard deviation of ln(gap)."""
    n = min(float(rhythm.n), _REMEMBERED)
    return sqrt((rhythm.spread * n + pool.spread * _PRIOR_GAPS) / (n + _PRIOR_GAPS))


def usual_gap(rhythm: Rhythm) -> int:
    """Median gap in ms."""
    return round(exp(rhythm.mean))


def patience(account: AccountState, partition: PartitionState, policy: Policy) -> int | None:
    """Gap in ms beyond which the account is overdue; None while its rhythm is unknown.

    Chance passes it `silence.share` of `max_false_alarms_per_account_year` times in a year, at the account's own pace.
    """
    rhythm, rules = account.signals.rhythm, policy.detection.silence
    if rhythm.n < rules.min_gaps:
        return None
    pool = pool_of(account.profile.segment, partition)
    if pool.gaps < _ENOUGH:
        pool = _UNKNOWN
    deviation = _deviation(rhythm, pool)
    pace = exp(min(_LONGEST, rhythm.mean + deviation * deviation / 2)) / YEAR
    permitted = rules.share * policy.detection.max_false_alarms_per_account_year * pace
    gap = exp(min(_LONGEST, rhythm.mean + _quantile(pool, permitted) * deviation))
    return round(min(max(gap, float(rules.min_gap)), float(rules.max_gap)))


def _quantile(pool: GapPool, permitted: float) -> float:
    """Least z of which at most the share `permitted` of the gaps lies beyond, by the pool and the prior tail."""
    permitted *= pool.gaps + _TAIL_GAPS
    place, beyond = len(pool.tail), 0
    while place and beyond + pool.tail[place - 1] + _TAIL_GAPS * exp(-_TAIL_RATE * (place - 1) / _STEPS) <= permitted:
        place -= 1
        beyond += pool.tail[place]
    return max(place / _STEPS, log(_TAIL_GAPS / (permitted - beyond)) / _TAIL_RATE)
