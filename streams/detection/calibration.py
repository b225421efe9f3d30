"""How much evidence raises a drop, so that chance raises no more drops than the policy allows.

The policy says how many false alarms an account may have in a year. Its metrics share that budget alike, so an account
with more of them is judged more strictly. On periods in which nothing changes, alarms become rarer exponentially with
the evidence h that is asked for: ln(alarms a period) = a - b h. Both coefficients are fitted to simulated histories of
independent periods that go through the detector itself (`tests/bench/detection/calibrate.py`): two years each of
counts and money with Poisson, gamma, exponential and log-normal values, with none to four fifths of the periods empty.
The line follows the worst of them at each limit; the others stay below, by a factor of two on average.

A metric whose samples are periods of their own is taken to come daily. Periods that hang together (a slow season, a
campaign) raise more than independent ones: the rate is a promise for pure noise, and a scale for the rest.
"""

from __future__ import annotations

from functools import lru_cache
from math import log

from streams.domain.time import DAY, WEEK, YEAR
from streams.policy.signals import DetectionPolicy, MetricPolicy

# a and b, fitted with the defaults of weekly and of daily metrics; what is shorter than a week is judged as days are.
_WEEKLY = (-2.072, 0.2943)
_DAILY = (-2.589, 0.195)
_REFERENCE = 0.2
"""False alarms a year of one account at which detectors with a limit of their own are set."""
_LEAST = 4.0
"""Less evidence than this is none, whatever the policy allows."""


def evidence_limit(metric: MetricPolicy, detection: DetectionPolicy, metrics: int = 1) -> float:
    """Twice the log-likelihood ratio from which a drop of a metric is raised.

    Args:
        metric: Its entry in the policy; `evidence`, when given, is taken as it is.
        detection: Holds the permitted rate.
        metrics: Metrics of the account, which share that rate.
    """
    if metric.evidence is not None:
        return metric.evidence
    return limit_for(detection.max_false_alarms_per_account_year, metric.length or DAY, metrics)


@lru_cache(maxsize=4_096)
def strictness(alarms_per_account_year: float, metrics: int = 1) -> float:
    """Nats of evidence to ask for beyond what suits one metric at 0.2 false alarms a year; below 0 for more alarms.

    Chance exceeds a log-likelihood ratio of x nats about exp(-x) times as often (Wilks 1938, Ann. Math. Stat. 9).
    """
    return log(_REFERENCE * max(1, metrics) / alarms_per_account_year)


@lru_cache(maxsize=4_096)
def limit_for(alarms_per_account_year: float, length: int, metrics: int = 1) -> float:
    """Evidence at which `metrics` metrics with periods of `length` ms raise so many alarms by chance."""
    a, b = _WEEKLY if length >= WEEK else _DAILY
    allowed = alarms_per_account_year / max(1, metrics) * length / YEAR
    return max(_LEAST, (a - log(allowed)) / b)
