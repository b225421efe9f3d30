"""The account's own normal of one metric: level, week, and robust noise, learnt online from closed periods.

A period of raw value v has the working value y = sqrt(v) for counts and money, else v. The normal of a period is
level * f, where f is the season factor of its weekday (1 until a week has proven itself; daily periods only).

Noise is the largest of four: 1.0484 times the median absolute difference of neighbouring residuals (1/(0.6745 sqrt 2):
the standard deviation of Gaussian noise; the median is kept by 32 logarithmic counters with slow forgetting), a share
of the level, a share of the mean squared difference (for series that are mostly zero, of which a median knows
nothing), and the metric's own floor. Differences do not see level shifts, so a drop does not hide itself.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from math import log2, sqrt

from streams.domain.signal import SignalState
from streams.domain.time import DAY
from streams.policy.signals import MetricPolicy, RelativePolicy

_BINS = 32
_FINEST = 0.15  # of the unit: smaller differences share the first counter
_STEPS = 5  # counters per doubling
_EDGES = tuple(2 ** (index / _STEPS) for index in range(_BINS))
_TO_SIGMA = 1.0484
_WEEK_GAIN = 0.1
_FIRST_MONDAY = 4  # 1970-01-05
_LIGHT = 1e-6
_MOST_DAY = 1e6
"""Most that a weekday may count for, in levels: without a bound, ratios overflow."""
FAINT = 0.3
"""Season factor below which a period tells nothing by itself."""


def working(value: float, metric: MetricPolicy) -> float:
    """Working value of a raw value. Negative counts are taken as 0."""
    if metric.transform == "sqrt":
        return sqrt(value) if value > 0 else 0.0
    return value


def raw(y: float, metric: MetricPolicy) -> float:
    """Raw value of a working value."""
    return y * abs(y) if metric.transform == "sqrt" else y


def weekday(at: int) -> int:
    """0 for Monday .. 6 for Sunday, UTC."""
    return (at // DAY - _FIRST_MONDAY) % 7


def factor(signal: SignalState, at: int) -> float:
    """Season factor of the period that starts at `at`."""
    return _week(signal, weekday(at)) if signal.seasonal else 1.0


def learn(signal: SignalState, y: float, at: int, metric: MetricPolicy, rules: RelativePolicy) -> None:
    """Takes in a closed period: updates level, week, noise, ring and regime."""
    signal.n += 1
    memory = min(signal.n, rules.memory)
    if metric.period == "day":
        _learn_week(signal, y, at, memory)
    f = factor(signal, at)
    if signal.base is None:
        signal.level += (y - signal.level * f) * f / memory
    ys, fs = signal.ys, signal.fs
    if ys and signal.unit:
        level = signal.level
        _count(signal, abs((y - level * f) - (ys[-1] - level * fs[-1])), rules)
    ys.append(y)
    fs.append(f)
    signal.ats.append(at)
    signal.regime_n += 1
    signal.regime_ff += f * f
    signal.regime_fy += f * y
    signal.regime_yy += y * y
    signal.empty += ((y == 0.0) - signal.empty) / memory
    if y:
        signal.regime_active += 1
    extra = len(ys) - rules.window
    if extra > 0:
        del ys[:extra], fs[:extra], signal.ats[:extra]
    if not signal.unit and signal.n >= min(8, metric.min_periods) and (signal.level > 0 or metric.noise_floor > 0):
        signal.unit = max(abs(signal.level), metric.noise_floor)
        _recount(signal, rules)
    elif metric.transform == "none" and not signal.unit and signal.n >= metric.min_periods:
        spread = max(ys) - min(ys)
        signal.unit = max(abs(signal.level), spread)
        _recount(signal, rules)
    signal.noise = _noise(signal, metric, rules)


def restart(signal: SignalState, k: int) -> None:
    """Begins the regime anew with the newest `k` periods."""
    ys, fs = signal.ys[-k:], signal.fs[-k:]
    signal.regime_n = len(ys)
    signal.regime_ff = sum(f * f for f in fs)
    signal.regime_fy = sum(f * y for f, y in zip(fs, ys, strict=True))
    signal.regime_yy = sum(y * y for y in ys)
    signal.regime_active = len(ys) - ys.count(0.0)


def mean_of_last(signal: SignalState, k: int) -> tuple[float, float]:
    """Working level over the newest `k` periods at season factor 1, and the weight (sum of f*f) behind it."""
    ff = fy = 0.0
    for f, y in zip(signal.fs[-k:], signal.ys[-k:], strict=True):
        ff += f * f
        fy += f * y
    return (fy / ff if ff else 0.0), ff


def raw_of_last(signal: SignalState, k: int, metric: MetricPolicy) -> float | None:
    """Mean raw value of the newest `k` periods at season factor 1; None when they weigh nothing."""
    ff = total = 0.0
    squared = metric.transform == "sqrt"
    for f, y in zip(signal.fs[-k:], signal.ys[-k:], strict=True):
        ff += f * f
        total += y * y if squared else f * y
    return total / ff if ff > _LIGHT else None


def _week(signal: SignalState, day: int) -> float:
    mean = sum(signal.profile) / 7
    return signal.profile[day] / mean if mean > 0 else 1.0


def _learn_week(signal: SignalState, y: float, at: int, memory: int) -> None:
    """Compares the level alone with level and week, and changes over when one is clearly better."""
    if not signal.profile:
        signal.profile = [0.0] * 7
        signal.profile_n = [0] * 7
    day, level = weekday(at), signal.level
    if signal.base is not None or level <= 0:
        return
    counts = signal.profile_n
    if min(counts) >= 1:
        gain = max(1 / memory, 0.05)
        signal.error_flat += (abs(y - level) - signal.error_flat) * gain
        signal.error_week += (abs(y - level * _week(signal, day)) - signal.error_week) * gain
    counts[day] += 1
    share = min(y / level, _MOST_DAY)
    signal.profile[day] += (share - signal.profile[day]) * max(1 / counts[day], _WEEK_GAIN)
    if min(counts) < 2:  # noqa: PLR2004  each weekday was predicted once and then learnt again
        return
    better = signal.error_week < signal.error_flat * (1.0 if signal.seasonal else 0.8)
    if better != signal.seasonal:
        signal.seasonal = better
        signal.fs = [factor(signal, start) for start in signal.ats]
        ff = sum(f * f for f in signal.fs)
        if ff:
            signal.level = sum(f * v for f, v in zip(signal.fs, signal.ys, strict=True)) / ff
        restart(signal, len(signal.ys))
        signal.unit = 0.0


def _recount(signal: SignalState, rules: RelativePolicy) -> None:
    """Fills the counters anew from the ring."""
    signal.bins = [0] * _BINS
    signal.roughness = 0.0
    level = signal.level
    residuals = [y - level * f for y, f in zip(signal.ys, signal.fs, strict=True)]
    for before, after in pairwise(residuals):
        _count(signal, abs(after - before), rules)


def _count(signal: SignalState, difference: float, rules: RelativePolicy) -> None:
    bins = signal.bins
    total = sum(bins)
    signal.roughness += (difference * difference / 2 - signal.roughness) / (total + 1)
    least = _FINEST * signal.unit
    if difference <= least:
        index = 0
    elif difference >= least * _EDGES[-2]:
        index = _BINS - 1  # however far beyond: the ratio of two floats may be infinite
    else:
        index = 1 + int(_STEPS * log2(difference / least))
    bins[index] += 1
    if total >= rules.memory:
        signal.bins = [count >> 1 for count in bins]


def _noise(signal: SignalState, metric: MetricPolicy, rules: RelativePolicy) -> float:
    if not signal.unit:
        return 0.0
    median = _median(signal) * _TO_SIGMA
    share = metric.noise_share * abs(signal.level)
    sparse = sqrt(rules.sparse_noise * signal.roughness)
    return max(median, share, sparse, metric.noise_floor)


def _median(signal: SignalState) -> float:
    """Median of the counted differences, linear inside its counter."""
    counts = list(accumulate(signal.bins))
    half = counts[-1] / 2
    if half <= 0:
        return 0.0
    least = _FINEST * signal.unit
    index = bisect_left(counts, half)
    below, low = (counts[index - 1], least * _EDGES[index - 1]) if index else (0, 0.0)
    high = least * _EDGES[index]
    return low + (high - low) * ((half - below) / (counts[index] - below))
