"""How likely an account is gone: a logistic curve that the partition learns from its own past, without any label.

    logit P(silent for the next H) = b0 + b1 ln(1 + g) + b2 ln(1 + x) + b3 ln H + b4 ln(1 + m)

g is the silence so far and H the horizon, both in weeks, x the sessions since the first one, m the silence in usual
gaps of the account (0 for one that was seen once). Every account is its own
label, later: looked at from a calendar mark in the past, it has come back within H since, or it has not
(`health/silences.py`). The weights are learnt again at each mark by Newton's method, drawn to a prior, so that few
accounts change little: over all segments to PRIOR, for each segment to those of all.

With `detection.dormancy.model: bg_nbd` the BG/NBD model of `detection/bg_nbd.py` answers instead, by the policy's
parameters. The curve goes on learning, so that a change back finds it up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

from streams.detection import bg_nbd
from streams.domain.account import AccountState
from streams.domain.dormancy import Dormancy, Silences
from streams.domain.partition import PartitionState
from streams.domain.signal import Rhythm
from streams.domain.time import WEEK
from streams.health.silences import CELLS, MARK, log_activity, log_missed, mark_at, mark_of, of_cell
from streams.policy.model import Policy

PRIOR = (2.44, 0.57, -1.22, -0.73, 0.0)
"""Weights that this method learns, without the last, from nine months of the public CDNOW cohort (2,357 buyers)."""
_HORIZONS = (5, 6, 7, 8, 9, 10)
"""Horizons learnt from, in marks: 20 to 40 weeks."""
_ENOUGH = 400
"""Accounts that are followed before anything is learnt: fewer say less than the prior."""
_MARKS = 9
"""Marks that must have passed, too: from less than nine months one cannot tell who is gone for nine."""
_RIDGE = 500.0
"""Pull to the prior, in answers; an account that is followed for a year gives some twenty."""
_RIDGES = (_RIDGE, _RIDGE, _RIDGE, _RIDGE, _RIDGE / 10)
"""By weight: of the last the prior says nothing, so that it is held less."""
_FIXED = 1e15  # a pull that leaves a weight where it is
_ROUNDS = 12
_CLOSE = 1e-6
_STEEPEST = 500.0  # exp() goes no further than 709
_CLASSES = 3.0  # of silence, a unit of ln(1 + g)

Point = tuple[tuple[float, ...], float, float]
"""What is known of some accounts, how many they are, and how many were gone."""
Row = list[float]
"""Sum of n ln(1 + g), n, and how many of them were gone."""
Rows = dict[tuple[int, int, int], Row]
"""By class of silence, cell (`health/silences.py`) and horizon in marks."""


def probability_gone(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> float:
    """Probability that the account shows no sign of life for `dormancy.horizon` from `now`; 0 if it never did."""
    pulse = account.signals.rhythm
    if not pulse.last_at:
        return 0.0
    rules = policy.detection.dormancy
    if rules.model == "bg_nbd" and rules.bg_nbd is not None:
        given = rules.bg_nbd
        parameters = bg_nbd.Parameters(given.r, given.alpha, given.a, given.b)
        return bg_nbd.probability_gone(activity(pulse, now), parameters, rules.horizon / WEEK)
    known = partition.dormancy
    of_segment = known.segments.get(account.profile.segment)
    weights = (of_segment.weights if of_segment is not None else None) or known.weights or PRIOR
    silence = max(0, now - pulse.last_at) / WEEK
    horizon = log(rules.horizon / WEEK)
    x = (1.0, log(1.0 + silence), log_activity(pulse), horizon, log_missed(pulse, silence))
    return _logistic(sum(b * value for b, value in zip(weights, x, strict=True)))


def activity(pulse: Rhythm, now: int) -> bg_nbd.Activity:
    """What the BG/NBD model has to know of an account that was active: its sessions as the rhythm counts them."""
    newest = (pulse.last_at - pulse.first_at) / WEEK if pulse.repeats else 0.0
    return bg_nbd.Activity(pulse.repeats, newest, max(newest, (now - pulse.first_at) / WEEK))


def learn(partition: PartitionState, now: int) -> None:
    """Learns the weights from everything before the newest mark, at or before `now`.

    To be called when `due_at` is reached, before anything from then on is applied.
    """
    known = partition.dormancy
    known.learnt = mark_of(known, now)
    known.due_at = mark_at(known, known.learnt + 1)
    if known.learnt < _MARKS or sum(map(_members, known.segments.values())) < _ENOUGH:
        return
    every: Rows = {}
    found: list[tuple[Silences, Rows]] = []
    for of_segment in known.segments.values():
        rows = _rows(of_segment, known)
        found.append((of_segment, rows))
        for key, row in rows.items():
            total = every.setdefault(key, [0.0, 0.0, 0.0])
            for i, value in enumerate(row):
                total[i] += value
    known.weights = fit(every, PRIOR, known.weights)
    for of_segment, rows in found:
        if len(found) > 1 and _members(of_segment) >= _ENOUGH:
            of_segment.weights = fit(rows, known.weights, of_segment.weights)
        else:
            of_segment.weights = []


def _members(of_segment: Silences) -> int:
    """Accounts that are followed."""
    return sum(sum(week.silent) for week in of_segment.weeks)


def _rows(of_segment: Silences, known: Dormancy) -> Rows:
    """What the marks in the past saw, and what became of it: n accounts, of which some were gone for a horizon."""
    rows: Rows = {}
    for i, week in enumerate(of_segment.weeks):
        begun, phase = divmod(of_segment.first + i - known.anchor, MARK)
        marks = known.learnt - begun  # passed since
        if marks <= _HORIZONS[0]:
            break
        for cell in range(CELLS):
            silent = week.silent[cell] if cell < len(week.silent) else 0
            returned = week.returned[cell::CELLS]
            if silent or any(returned):
                _look_back(rows, cell, phase, marks, silent, returned)
    return rows


def _look_back(rows: Rows, cell: int, phase: int, marks: int, silent: int, returned: list[int]) -> None:
    """Adds the accounts of one week and cell, as seen at each mark that they passed in silence."""
    longer = [silent] * (max(marks, len(returned)) + 2)
    """By marks: accounts that were silent at that mark or still are."""
    for passed in range(len(returned), 0, -1):
        longer[passed] = longer[passed + 1] + returned[passed - 1]
    for mark in range(1, marks - _HORIZONS[0] + 1):
        n = longer[mark]
        if not n:
            break
        silence = log(
            MARK * mark - phase + 0.5
        )  # 1 + g: the week began `phase` weeks after a mark, on average half over
        size = int(_CLASSES * silence)
        for horizon in _HORIZONS:
            if mark + horizon > marks:
                break
            row = rows.setdefault((size, cell, horizon), [0.0, 0.0, 0.0])
            row[0] += n * silence
            row[1] += n
            row[2] += longer[mark + horizon]


def fit(rows: Rows, prior: Sequence[float], start: Sequence[float]) -> list[float]:
    """Weights of the greatest penalised likelihood; the prior when there are no rows.

    More missed sessions make no account less likely gone: the last weight is not negative.
    """
    points: list[Point] = []
    for (_, cell, horizon), (total, n, gone) in sorted(rows.items()):
        activity, usual = of_cell(cell)
        silence = total / n
        missed = log(1.0 + (exp(silence) - 1.0) / usual)
        points.append(((1.0, silence, activity, log(MARK * horizon), missed), n, gone))
    if not points:
        return list(prior)
    weights = _newton(points, prior, list(start or prior), _RIDGES)
    if weights[-1] < 0.0:
        weights = _newton(points, (*prior[:-1], 0.0), [*weights[:-1], 0.0], (*_RIDGES[:-1], _FIXED))
    return weights


def _newton(points: list[Point], prior: Sequence[float], weights: list[float], ridges: Sequence[float]) -> list[float]:
    size = range(len(prior))
    for _ in range(_ROUNDS):
        slope = [pull * (b - now) for pull, b, now in zip(ridges, prior, weights, strict=True)]
        curve = [[ridges[i] if i == j else 0.0 for j in size] for i in size]
        for x, n, gone in points:
            p = _logistic(sum(b * value for b, value in zip(weights, x, strict=True)))
            error, w = gone - n * p, n * p * (1.0 - p)
            for i in size:
                slope[i] += error * x[i]
                line, wx = curve[i], w * x[i]
                for j in range(i, len(x)):
                    line[j] += wx * x[j]
        step = _solve(curve, slope)
        weights = [b + d for b, d in zip(weights, step, strict=True)]
        if max(abs(d) for d in step) < _CLOSE:
            break
    return weights


def _solve(curve: list[list[float]], slope: list[float]) -> list[float]:
    """Solves the symmetric, positive definite system (upper half given) by elimination."""
    size = len(slope)
    a = [[curve[min(i, j)][max(i, j)] for j in range(size)] + [slope[i]] for i in range(size)]
    for i in range(size):
        for k in range(i + 1, size):
            factor = a[k][i] / a[i][i]
            for j in range(i, size + 1):
                a[k][j] -= factor * a[i][j]
    found = [0.0] * size
    for i in range(size - 1, -1, -1):
        rest = sum(a[i][j] * found[j] for j in range(i + 1, size))
        found[i] = (a[i][size] - rest) / a[i][i]
    return found


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + exp(min(-x, _STEEPEST)))
