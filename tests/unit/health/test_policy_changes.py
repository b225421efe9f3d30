"""A policy that changes while a metric is known: what was learnt in another measure says nothing any more."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR
from streams.outcomes.verification import NOT_YET, verdict
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy
from tests.support.history import MONDAY, History

NAME = "shifting"
MEASURES: dict[str, dict[str, Any]] = {
    "auto": {"kind": "auto"},
    "level": {"kind": "level"},
    "bounded level": {"kind": "level", "threshold": 10.0},
    "days": {"kind": "sum", "period": "day"},
    "weeks": {"kind": "sum", "period": "week"},
    "samples": {"kind": "last", "period": "sample", "transform": "none"},
}


def policy_with(**fields: Any) -> Policy:
    """The shipped policy with one more metric."""
    policy = default_policy()
    metric = MetricPolicy.model_validate({"kind": "sum", "period": "day", **fields})
    return policy.model_copy(update={"metrics": {**policy.metrics, NAME: metric}})


def fed(history: History, first: int, days: int, draw: random.Random) -> None:
    """Four readings a day around 100."""
    for day in range(first, first + days):
        for hour in (0, 6, 12, 18):
            history.usage(MONDAY + day * DAY + hour * HOUR, draw.gauss(100.0, 4.0), NAME)


@pytest.mark.parametrize(("before", "after"), list(permutations(MEASURES, 2)))
def test_another_measure_begins_anew_and_raises_nothing(before: str, after: str) -> None:
    """Neither a crash nor a drop for every account, whatever it was and becomes."""
    draw = random.Random(3)
    history = History(policy_with(**MEASURES[before]))
    fed(history, 0, 120, draw)
    history.policy = policy_with(**MEASURES[after])
    fed(history, 120, 120, draw)
    assert history.findings == []
    signal = history.account.signals.metrics[NAME]
    assert len(signal.ys) == len(signal.fs)
    assert not signal.ys or len(signal.ys) == len(signal.ats)
    assert (signal.series is not None) == ("level" in after or after == "auto")


def test_a_bound_that_is_taken_back_leaves_its_episode_undecided() -> None:
    """The samples that were kept for the bound go with it."""
    history, draw = History(policy_with(kind="level", threshold=90.0)), random.Random(1)
    for i in range(60):
        history.usage(MONDAY + i * HOUR, draw.gauss(80.0 if i > 50 else 100.0, 1.0), NAME)
    assert "threshold" in history.kinds()
    history.policy = policy_with(kind="level")
    for i in range(60, 90):
        history.usage(MONDAY + i * HOUR, draw.gauss(80.0, 1.0), NAME)
    at = MONDAY + 90 * HOUR
    judged = verdict(
        history.account, PartitionState(0), "threshold", "success", NAME, 90.0, MONDAY, MONDAY, at, history.policy
    )
    assert judged == NOT_YET


def test_a_shorter_window_holds_at_once() -> None:
    """Also for metrics that have more periods than that."""
    history, draw = History(policy_with()), random.Random(2)
    fed(history, 0, 40, draw)
    rules = history.policy.detection.relative.model_copy(update={"window": 8})
    detection = history.policy.detection.model_copy(update={"relative": rules})
    history.policy = history.policy.model_copy(update={"detection": detection})
    fed(history, 40, 3, draw)
    signal = history.account.signals.metrics[NAME]
    assert [len(signal.ys), len(signal.fs), len(signal.ats)] == [8, 8, 8]


def test_a_level_has_no_period_and_no_square_root_whatever_else_is_said() -> None:
    """Its samples are judged as they come, in their own unit."""
    for fields in ({"kind": "level"}, {"kind": "auto"}):
        metric = MetricPolicy.model_validate({**fields, "period": "week", "transform": "sqrt"}).shaped("level")
        assert (metric.kind, metric.length, metric.transform) == ("level", 0, "none")


def test_a_leap_beyond_all_measure_is_survived() -> None:
    """From next to nothing to the largest value that is let in."""
    for transform in ("none", "sqrt"):
        history = History(policy_with(transform=transform))
        for day in range(40):
            history.usage(MONDAY + day * DAY, 1e-300 * (1 + day % 3), NAME)
        for day in range(40, 60):
            history.usage(MONDAY + day * DAY, 1e100 * (day % 2), NAME)
        assert isinstance(history.account, AccountState)
        assert history.account.signals.metrics[NAME].n >= 50
