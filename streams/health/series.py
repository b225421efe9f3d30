"""A metric that is reported as a level at regular moments: from its samples to a normal, a score, and drops.

Each sample is looked at twice. How new is it in this series (`novelty.py` of `detection/series/`): the evidence of the
row. Is the series off its expectation (`deviation.py` and `segments.py` there): episodes that open and end. Both sides
are always followed, since a rise that nobody asked for would else be learnt as normal; what is not watched is muted
here.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.detection.calibration import strictness
from streams.detection.series import deviation, novelty, segments
from streams.detection.series.change import Change
from streams.detection.series.charts import cusum_limit
from streams.domain.deviation import Deviation
from streams.domain.segments import Segments
from streams.domain.series import DropEnd, Series
from streams.domain.signal import SignalState
from streams.domain.time import DAY, HOUR, YEAR
from streams.health.cadence import SAMPLES
from streams.health.level import NORMAL
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy

_SLOW = round(0.9 * DAY)
"""Steps from here on are searched for change points; shorter ones are charted against an expectation."""
_PER_SIGMA = 4.0
"""Points that each standard deviation off the expectation takes from a score while an episode lasts."""
_UNLIKE = 20
"""Times as long, or as short, as the step: such gaps are another pace, not lost reports."""
_LARGEST, _SMALLEST = 1e30, 1e-30
"""What lies further from the first value, or closer, counts as this far, or as it: squares and single-precision arrays
must hold it."""


class Seen(NamedTuple):
    """What a sample did: whether a drop is to be reported, how one ended, whether health is to be looked at."""

    alarm: bool
    ended: DropEnd | None
    matters: bool


_NOTHING = Seen(alarm=False, ended=None, matters=False)


def begin(step: int, first: float) -> Series:
    """State of a series with this time between samples in ms, whose first value is `first`."""
    slow = step >= _SLOW
    return Series(
        step=step,
        origin=first,
        deviation=None if slow else Deviation(),
        segments=Segments() if slow else None,
    )


def observe(
    signal: SignalState,
    name: str,
    metric: MetricPolicy,
    at: int,
    value: float,
    event_id: str,
    policy: Policy,
    metrics: int,
) -> Seen:
    """Takes in a sample of one of the account's `metrics`.

    One that is older than the newest changes nothing: its moment has been judged.
    """
    series = signal.series
    before = signal.newest_at
    if series is None or at < before:
        return _NOTHING
    signal.newest_at, signal.event_id = at, event_id
    if before < at and _another_step(series, before, at):
        return _anew(signal, name, series, at, value)
    signal.n += 1
    rate = policy.detection.max_false_alarms_per_account_year
    strict = strictness(rate, metrics)
    rules = policy.detection.series
    y = value - series.origin
    if y > _LARGEST:
        y = _LARGEST
    elif y < -_LARGEST:
        y = -_LARGEST
    elif -_SMALLEST < y < _SMALLEST:
        y = 0.0
    both, up = metric.watch == "both", metric.good == "up"
    signal.evidence = novelty.step(series.novelty, y, at, rules, up=both or not up, down=both or up, strict=strict)
    if series.deviation is not None:
        limit = cusum_limit(rate / max(1, metrics), YEAR / series.step, rules.cusum_k, 2)
        change = deviation.step(series.deviation, y, at, series.step, limit, rules)
    elif series.segments is not None:
        change = segments.step(series.segments, y, at, series.step, rules, strict)
    else:
        change = None
    alarm, ended = (False, None) if change is None else _changed(signal, name, metric, change, at)
    beyond, hour = False, DAY if signal.base is None else HOUR
    if metric.threshold is not None:
        _remember(signal, metric, at, value, policy)
        beyond, hour = (value < metric.threshold) is up and value != metric.threshold, HOUR
    if change is None and not beyond and at // hour == before // hour and signal.score is not None:
        return _NOTHING
    _refresh(signal, series, metric, at)
    return Seen(alarm, ended, matters=True)


def _another_step(series: Series, before: int, at: int) -> bool:
    """True when as many gaps as show a step have been nothing like the one that is believed."""
    gap = at - before
    if series.step / _UNLIKE <= gap <= series.step * _UNLIKE:
        series.odd = 0
        return False
    if not series.odd:
        series.odd_since = at
    series.odd += 1
    return series.odd >= SAMPLES


def _anew(signal: SignalState, name: str, series: Series, at: int, value: float) -> Seen:
    """The metric comes at another pace now: what was learnt of the old one says nothing any more."""
    ended = None if signal.base is None else signal.end_drop(name, "new_normal", at, at)
    signal.series = begin((at - series.odd_since) // (series.odd - 1), value)
    signal.n, signal.evidence, signal.score = 0, 0.0, None
    return Seen(alarm=False, ended=ended, matters=True)


def _changed(
    signal: SignalState, name: str, metric: MetricPolicy, change: Change, at: int
) -> tuple[bool, DropEnd | None]:
    ended = None
    if signal.base is not None:
        # Whatever comes after an episode that lasts ends it; another opening makes what was reached the normal.
        back = change.what == "recovered"
        ended = signal.end_drop(name, "recovered" if back else "new_normal", change.at if back else at, at)
    hurts = (change.direction < 0) == (metric.good == "up")
    if change.what != "opened" or not (hurts or metric.watch == "both"):
        return False, ended
    origin = signal.series.origin if signal.series else 0.0
    signal.base = change.expected + origin
    signal.recent = change.present + origin
    signal.rose = change.direction > 0
    signal.onset_at, signal.dropped_at = min(change.at, at), at
    return True, ended


def _remember(signal: SignalState, metric: MetricPolicy, at: int, value: float, policy: Policy) -> None:
    """Keeps the newest samples for a bound that the policy sets: as many as it takes to be beyond it, and back."""
    if not signal.ys:
        signal.ats.clear()
    signal.ys.append(value)
    signal.fs.append(1.0)
    signal.ats.append(at)
    kept = max(policy.detection.relative.window, metric.min_run, policy.verification.hold_periods)
    del signal.ys[:-kept], signal.fs[:-kept], signal.ats[:-kept]


def _refresh(signal: SignalState, series: Series, metric: MetricPolicy, at: int) -> None:
    """Level, noise and score as of now: 80 at the expectation, less while an episode that hurts lasts."""
    if series.deviation is not None:
        level, noise, offset = (
            deviation.expected(series.deviation, at),
            deviation.noise(series.deviation),
            deviation.offset(series.deviation),
        )
    elif series.segments is not None:
        level, noise, offset = (
            segments.expected(series.segments, at),
            segments.noise(series.segments),
            segments.offset(series.segments),
        )
    else:
        return
    signal.level, signal.noise = level + series.origin, noise
    signal.recent = signal.level + offset
    if metric.threshold is None:
        signal.ats = [at]
        signal.ys.clear()  # those of a bound that the policy has taken back
        signal.fs.clear()
    if signal.n < metric.min_periods:
        signal.score = None
        return
    hurts = offset < 0 if metric.good == "up" else offset > 0
    sigmas = abs(offset) / noise if noise > 0 and signal.base is not None and hurts else 0.0
    signal.score = max(0.0, NORMAL - _PER_SIGMA * sigmas)
