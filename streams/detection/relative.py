"""A drop of a metric against its own normal: a restarting likelihood ratio over a bounded window.

A one-sided CUSUM (Page 1954, Biometrika 41) sums standardised residuals against a shift of known size. Here the size is
estimated: for each k the newest k periods are compared with the rest of the current regime by the generalised
likelihood ratio for a change of the mean (Lorden 1971, Ann. Math. Stat. 42; windowed as in Lai 1995, J. R. Stat. Soc.
B 57), g = e^2 A0 A1 / ((A0 + A1) sigma^2), twice the log-likelihood ratio, where A is the sum of squared season factors
(the number of periods when there is no season) and e the difference of the two levels. On weekly spend it finds more at
fewer false alarms than a CUSUM with the same noise. It resets (the regime restarts at each change), dates the onset
(first of the k periods), and has a cool-down. Every quantity is a ratio to the series itself, so units do not matter.
How much evidence counts follows from the permitted false alarms (`detection/calibration.py`); where most periods are
empty it is bounded by that of a hurdle model (`detection/hurdle.py`).

A drop is over when the newest periods, at least `verification.hold_periods` of them, are clearly a return: evidence for
a rise, and on average `verification.recovery_share` of the baseline that was frozen at onset. It is dated to the first
of them. A lower level that lasts is the new normal after `verification.new_normal_after` and `new_normal_periods`,
never a recovery; nothing at all is no normal. Changes for the better are learnt in silence: periods are watched for
harm only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice
from math import inf
from operator import mul
from typing import NamedTuple, TypeAlias

from streams.detection import hurdle
from streams.detection.calibration import evidence_limit
from streams.detection.strength import strength
from streams.domain.finding import Evidence, Finding
from streams.domain.signal import Signals, SignalState
from streams.health import normal
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy, RelativePolicy, VerificationPolicy

_LEAST = 4  # periods on the other side of a change
_TINY = 1e-9
_RETURN = 0.8  # of the limit: a return to what is known is less of a surprise than a fall
_COUNTS = range(1, 33)
_WEIGHTS = tuple(float(k) for k in _COUNTS)  # sums of f*f while there is no season
_Fall: TypeAlias = tuple[float, int, float, float]
"""Evidence, minus the number of periods, working and raw level before."""


class Scan(NamedTuple):
    """Evidence for the best change of each kind, and how many periods ago it began; 0 when there is none."""

    worse: float
    worse_k: int
    better: float
    better_k: int
    back: float
    back_k: int


NOTHING = Scan(0.0, 0, 0.0, 0, 0.0, 0)


def scan(  # noqa: C901  one loop: this is where the time of a closed period goes
    signal: SignalState, metric: MetricPolicy, rules: RelativePolicy, verification: VerificationPolicy, limit: float
) -> Scan:
    """Looks for a change among the newest periods of the current regime.

    Of rises and returns only those are looked at closely whose evidence can matter: beyond `limit`, or the part of it
    that a return needs.
    """
    ff, fy, yy, n = signal.regime_ff, signal.regime_fy, signal.regime_yy, signal.regime_n
    if not yy:
        return NOTHING  # all periods are empty
    better = back = 0.0
    better_k = back_k = 0
    falls: list[_Fall] = []
    up, squared, ratio, min_run = metric.good == "up", metric.transform == "sqrt", metric.drop_ratio, metric.min_run
    variance = max(signal.noise * signal.noise, _TINY * _TINY)
    scale = ff * variance
    base, hold = signal.base, verification.hold_periods
    first, last = (min_run, n - _LEAST) if base is None else (min(min_run, hold), n - 1)
    enough = (limit if base is None else _RETURN * limit) * scale
    for k, a1, s1, x1 in islice(_sums(signal), min(first, _LEAST) - 1, max(0, last)):
        a0 = ff - a1
        d = fy * a1 - s1 * ff  # a0 a1 times the difference of the levels
        if (d > 0.0) is up:
            if k < min_run or n - k < _LEAST or (squared and up and x1 * a0 > ratio * (yy - x1) * a1):
                continue
        elif d * d <= enough * a0 * a1:
            continue
        if a1 < _TINY or a0 < _TINY:
            continue
        before, after = (fy - s1) / a0, s1 / a1
        e = before - after
        g = e * e * a0 * a1 / scale
        if (e > 0.0) is up:
            was, now = ((yy - x1) / a0, x1 / a1) if squared else (before, after)
            if _is_drop(was, now, ratio, up):
                g += rules.quiet_bonus * (k - (x1 - s1 * after) / variance)
                falls.append((g, -k, before, was))
            continue
        if g > better and k >= _LEAST and n - k >= _LEAST:
            better, better_k = g, k
        if g > back and base is not None and k >= hold:
            level = x1 / a1 if squared else after
            if is_back(level, base, verification.share_back(metric), metric):
                back, back_k = g, k
    worse, worse_k = _most(signal, falls, metric, limit) if falls else (0.0, 0)
    return Scan(worse, worse_k, better, better_k, back, back_k)


def judge(account: Signals, name: str, signal: SignalState, metric: MetricPolicy, policy: Policy, end: int) -> bool:
    """Decides after a closed period that ended at `end`. True when a drop is to be reported.

    A drop that is over is told in `signal.ends` and `account.ended`.
    """
    if signal.n < metric.min_periods or not signal.unit:
        signal.evidence = 0.0
        return False
    rules, verification = policy.detection.relative, policy.verification
    limit = evidence_limit(metric, policy.detection, len(account.metrics))
    found = scan(signal, metric, rules, verification, limit)
    alarm = False
    if signal.base is not None and found.back > _RETURN * limit and found.back >= found.worse:
        account.ended.append(signal.end_drop(name, "recovered", signal.ats[-found.back_k], end))
        normal.restart(signal, found.back_k)
    elif found.worse > limit and found.worse >= found.better:
        alarm = _drop(signal, metric, rules, found.worse_k, end)
    elif found.better > limit:
        normal.restart(signal, found.better_k)
        if signal.base is None:
            signal.level = signal.regime_fy / signal.regime_ff if signal.regime_ff else signal.level
    elif signal.base is not None and _has_settled(signal, metric, verification, end):
        account.ended.append(signal.end_drop(name, "new_normal", end, end))
        signal.level = signal.regime_fy / signal.regime_ff if signal.regime_ff else signal.level
    signal.evidence = 1.0 if signal.base is not None else strength(found.worse, limit)
    return alarm


def is_back(level: float, base: float, share: float, metric: MetricPolicy) -> bool:
    """True when a raw level counts as back at `share` of the raw baseline (for costs: at most 1/share of it)."""
    if metric.good == "up":
        return level >= share * base
    floor = metric.noise_floor * metric.noise_floor if metric.transform == "sqrt" else metric.noise_floor
    return level * share <= max(base, floor)


def finding(signal: SignalState, name: str, metric: MetricPolicy, now: int) -> Finding:
    """The finding of a drop that lasts."""
    base = signal.base or 0.0
    run = max(1, min(len(signal.ys), sum(at >= signal.onset_at for at in signal.ats)))
    present = normal.raw_of_last(signal, run, metric) or 0.0
    change = (base - present) / base if base else -1.0
    fell = metric.good == "up"
    severity = min(1.0, max(0.0, change if fell else 1 - base / present if present else 0.0))
    unit = metric.unit
    share = f"{abs(change):.0%}" if base else "far"
    text = f"{name} {'fell' if fell else 'rose'} {share} {'below' if fell else 'above'} its own normal: "
    text += f"{present:.4g} instead of {base:.4g} {unit}".rstrip()
    confidence = min(1.0, 0.6 + 0.1 * run) * min(1.0, signal.n / (1.5 * metric.min_periods))
    return Finding(
        kind="relative",
        dimension=metric.dimension,
        subject=name,
        severity=severity,
        confidence=confidence,
        onset_at=signal.onset_at,
        at=now,
        text=text,
        evidence=(Evidence(name, present, now, base, unit, signal.event_id or None),),
        baseline=base,
    )


def _sums(signal: SignalState) -> Iterator[tuple[int, float, float, float]]:
    """For k = 1, 2, .. of the newest periods: k and their sums of f*f, f*y and y*y."""
    ys = signal.ys[::-1]
    squares = accumulate(map(mul, ys, ys))
    if not signal.seasonal:
        return zip(_COUNTS, _WEIGHTS, accumulate(ys), squares, strict=False)
    fs = signal.fs[::-1]
    return zip(_COUNTS, accumulate(map(mul, fs, fs)), accumulate(map(mul, fs, ys)), squares, strict=False)


def _is_drop(was: float, now: float, ratio: float, up: bool) -> bool:  # noqa: FBT001  in the innermost loop
    """True when a raw level `now` instead of `was` is large enough a change to matter, whatever its evidence."""
    if up:
        return was <= 0 or now <= ratio * was
    return now * ratio >= max(0.0, was)


def _most(signal: SignalState, falls: list[_Fall], metric: MetricPolicy, limit: float) -> tuple[float, int]:
    """The fall with the most evidence that is no single lost report, and how many periods ago it began."""
    up, squared = metric.good == "up", metric.transform == "sqrt"
    spare = hurdle.allowance(signal.empty, limit) if up and squared else inf
    if spare < inf:
        falls = _hurdled(signal, falls, spare)
    falls.sort(reverse=True)
    for g, minus_k, before, was in falls:
        if g <= 0.0:
            break
        rest = _without_worst(signal, -minus_k, before, up)
        if rest is not None and _is_drop(was, rest[1] if squared else rest[0], metric.drop_ratio, up):
            return g, -minus_k
    return 0.0, 0


def _hurdled(signal: SignalState, falls: list[_Fall], spare: float) -> list[_Fall]:
    """The falls, in order, with no more evidence than the hurdle model has for them and `spare`."""
    ys, n, all_active, whole = signal.ys, signal.regime_n, signal.regime_active, signal.regime_fy
    variance = max(signal.noise * signal.noise, _TINY * _TINY)
    k = active = 0
    total = 0.0
    bounded: list[_Fall] = []
    for g, minus_k, before, was in falls:
        while k < -minus_k:
            k += 1
            y = ys[-k]
            if y:
                active += 1
                total += y
        bound = spare + hurdle.evidence(n - k, all_active - active, whole - total, k, active, total, variance)
        bounded.append((min(bound, g), minus_k, before, was))
    return bounded


def _without_worst(signal: SignalState, k: int, before: float, up: bool) -> tuple[float, float] | None:  # noqa: FBT001
    """Working and raw level of the newest k periods without the worst of them; None when nothing else weighs.

    One lost report is no drop: what is left must be one, too.
    """
    ys = signal.ys[-k:]
    if not signal.seasonal:
        worst = min(ys) if up else max(ys)
        left = k - 1
        return ((sum(ys) - worst) / left, (sum(map(mul, ys, ys)) - worst * worst) / left) if left else None
    fs = signal.fs[-k:]
    low = [f * (before * f - y) for f, y in zip(fs, ys, strict=True)]
    index = low.index(max(low) if up else min(low))
    del ys[index], fs[index]
    ff = sum(map(mul, fs, fs))
    return (sum(map(mul, fs, ys)) / ff, sum(map(mul, ys, ys)) / ff) if ff > _TINY else None


def _drop(signal: SignalState, metric: MetricPolicy, rules: RelativePolicy, k: int, end: int) -> bool:
    """Takes the newest k periods as a new regime; an alarm unless the change is old or one was raised just now."""
    a1 = s1 = x1 = 0.0
    for f, y in zip(signal.fs[-k:], signal.ys[-k:], strict=True):
        a1 += f * f
        s1 += f * y
        x1 += y * y
    a0 = signal.regime_ff - a1
    before = (signal.regime_fy - s1) / a0
    before_raw = (signal.regime_yy - x1) / a0 if metric.transform == "sqrt" else before
    onset = signal.ats[-k]
    normal.restart(signal, k)
    if k > rules.max_age:
        if signal.base is None:
            signal.level = s1 / a1
        return False
    if signal.base is None:
        signal.base, signal.level, signal.onset_at = before_raw, before, onset
    elif end - signal.dropped_at < rules.cooldown:
        return False
    signal.dropped_at = end
    return True


def _has_settled(signal: SignalState, metric: MetricPolicy, rules: VerificationPolicy, end: int) -> bool:
    """True when the drop has lasted so long that the level it led to is the normal; nothing at all is no normal."""
    lasting = max(rules.new_normal_after, rules.new_normal_periods * metric.length)
    if end - signal.dropped_at < lasting:
        return False
    if metric.good == "down":
        return True
    present = normal.raw_of_last(signal, metric.recent, metric)
    return present is not None and present > rules.gone_share * (signal.base or 0.0)
