"""How likely an account is gone by the BG/NBD model, from three figures of it.

Fader, Hardie and Lee 2005, Marketing Science 24(2), "Counting your customers the easy way: an alternative to the
Pareto/NBD model". While an account lives, its sessions come at random at its own rate lambda, which differs between
accounts as Gamma(r, alpha). After each session but the first it is gone for good with its own probability p, which
differs as Beta(a, b). Times are in weeks. What the model does not know: trends, seasons, rhythms more regular than
chance, and accounts that come back after they were gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import exp, inf, lgamma, log, log1p
from typing import NamedTuple

from streams.detection.nelder_mead import minimise

_STEEPEST = 500.0  # exp() goes no further than 709
_LARGEST = 1e6
"""Parameters are looked for between 1/`_LARGEST` and this: where a history has no maximum, the search ends there."""
_UNCLEAR = 1e3


class Parameters(NamedTuple):
    """All above zero. The mean account has r/alpha sessions a week and leaves after one with probability a/(a+b)."""

    r: float
    alpha: float
    """Weeks."""
    a: float
    b: float


class Activity(NamedTuple):
    """What is known of an account."""

    x: int
    """Sessions since the first."""
    t_x: float
    """From the first to the newest session, weeks; 0 when x is."""
    t: float
    """T, from the first session until now, weeks; at least t_x."""


class Fit(NamedTuple):
    """The parameters of the greatest likelihood."""

    parameters: Parameters
    log_likelihood: float
    clear: bool
    """False when a parameter ran so far that the history says little about it; probabilities may still be fine."""


def log_likelihood(known: Activity, parameters: Parameters) -> float:
    """Natural logarithm of the likelihood of one account (equation 6 of the paper, its terms as logarithms)."""
    r, alpha, a, b = parameters
    x, t_x, t = known
    return _of_count(x, parameters) + _of_times(x, t_x, t, r, alpha, _leaves(x, a, b))


def _of_count(x: int, parameters: Parameters) -> float:
    """The part of the likelihood that depends on x alone."""
    r, alpha, a, b = parameters
    rate = lgamma(r + x) - lgamma(r) + r * log(alpha)
    return rate + lgamma(a + b) + lgamma(b + x) - lgamma(b) - lgamma(a + b + x)


def _leaves(x: int, a: float, b: float) -> float:
    """ln(a / (b + x - 1)): odds of leaving after the newest session; not used for x = 0."""
    return log(a) - log(b + (x - 1)) if x else 0.0


def _of_times(x: int, t_x: float, t: float, r: float, alpha: float, leaves: float) -> float:
    """The rest, ln(alive + gone)."""
    alive = -(r + x) * log(alpha + t)
    if not x:
        return alive
    odds = leaves - (r + x) * log(alpha + t_x) - alive  # ln of gone/alive
    return alive + (odds + log1p(exp(-odds)) if odds > 0.0 else log1p(exp(odds)))


def probability_alive(known: Activity, parameters: Parameters) -> float:
    """P(not gone for good | x, t_x, T). 1 for an account that was seen once, however long ago: the model's weakness."""
    r, alpha, a, b = parameters
    x, t_x, t = known
    if not x:
        return 1.0
    odds = _leaves(x, a, b) + (r + x) * (log(alpha + t) - log(alpha + t_x))
    return 1.0 / (1.0 + exp(min(odds, _STEEPEST)))


def probability_gone(known: Activity, parameters: Parameters, horizon: float) -> float:
    """P(no session in the next `horizon` weeks | x, t_x, T) = 1 - P(alive) (1 - ((alpha+T)/(alpha+T+H))^(r+x)).

    Exact under the model: lambda of an account that lives is Gamma(r+x, alpha+T), and as accounts leave only after a
    session, leaving cannot come before the first one of the horizon. What it leaves out is that the parameters are
    estimates.
    """
    r, alpha = parameters.r, parameters.alpha
    silent = exp(-(r + known.x) * log1p(horizon / (alpha + known.t)))
    return 1.0 - probability_alive(known, parameters) * (1.0 - silent)


def fit(accounts: Iterable[Activity]) -> Fit:
    """The parameters that make these accounts likeliest; accounts that are alike are counted together.

    Raises ValueError when there is nothing to learn from: no account, or none that came back after its first session.
    """
    counted = Counter(accounts)
    by_x: dict[int, list[tuple[float, float, int]]] = {}
    for (x, t_x, t), n in sorted(counted.items()):
        by_x.setdefault(x, []).append((t_x, t, n))
    sessions = sum(known.x * n for known, n in counted.items())
    if not sessions:
        msg = "no account came back after its first session" if counted else "no account was ever active"
        raise ValueError(msg)
    members = [(x, sum(n for _, _, n in rows), rows) for x, rows in by_x.items()]
    most = log(_LARGEST)

    def cost(logs: list[float]) -> float:
        if max(map(abs, logs)) > most:
            return inf
        parameters = Parameters(*map(exp, logs))
        r, alpha, a, b = parameters
        total = 0.0
        for x, number, rows in members:
            total += number * _of_count(x, parameters)
            leaves = _leaves(x, a, b)
            for t_x, t, n in rows:
                total += n * _of_times(x, t_x, t, r, alpha, leaves)
        return -total

    pace = sum(known.t * n for known, n in counted.items()) / sessions
    start = [0.0, min(max(log(max(pace, 1.0 / _LARGEST)), 1.0 - most), most - 1.0), 0.0, 0.0]
    logs, lost = minimise(cost, start)
    clear = max(map(abs, logs)) <= log(_UNCLEAR)
    return Fit(Parameters(*map(exp, logs)), -lost, clear)
