"""A metric that is reported as a level: its drops, their ends, and what they do to health."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Literal

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy
from tests.support.history import MONDAY, History

GAUGE = "free_capacity"
DIP = range(400, 420)


def policy_with(good: Literal["up", "down"] = "up", watch: Literal["harm", "both"] = "harm", **more: float) -> Policy:
    """The shipped policy with one gauge."""
    policy = default_policy()
    gauge = MetricPolicy.model_validate({"kind": "level", "good": good, "watch": watch, **more})
    return policy.model_copy(update={"metrics": {**policy.metrics, GAUGE: gauge}})


def fed(policy: Policy, shift: float, moments: range, step: int = HOUR, rows: int = 520) -> History:
    """Noise around 100, with another mean at some of the moments."""
    history, draw = History(policy), random.Random(11)
    for i in range(rows):
        value = 100.0 + draw.gauss(0, 1) + (shift if i in moments else 0.0)
        history.usage(MONDAY + i * step, value, GAUGE)
    return history


def test_a_dip_is_found_dated_and_over() -> None:
    """Opened within it, dated to its first sample, closed at the first sample behind it."""
    history = fed(policy_with(), -12.0, DIP)
    (_, finding), *others = history.findings
    assert (finding.kind, finding.subject, finding.harm, others) == ("relative", GAUGE, True, [])
    assert abs(finding.onset_at - (MONDAY + DIP.start * HOUR)) <= HOUR
    assert finding.onset_at <= finding.at < MONDAY + DIP.stop * HOUR
    (end,) = history.account.signals.metrics[GAUGE].ends
    assert (end.ended_as, end.onset_at) == ("recovered", finding.onset_at)
    assert abs(end.at - (MONDAY + DIP.stop * HOUR)) <= HOUR


def test_a_lower_level_that_lasts_becomes_the_normal() -> None:
    """It is never called recovered."""
    history = fed(policy_with(), -12.0, range(300, 520))
    ends = history.account.signals.metrics[GAUGE].ends
    assert [end.ended_as for end in ends] == ["new_normal"]


def test_a_rise_of_what_is_good_when_high_is_not_told() -> None:
    """Unless the policy asks for both sides."""
    assert fed(policy_with(), 12.0, DIP).findings == []


def test_a_rise_that_is_watched_is_told_but_is_no_harm() -> None:
    """So that nothing is fired for it."""
    ((_, finding),) = fed(policy_with(watch="both"), 12.0, DIP).findings
    assert not finding.harm
    assert "rose above" in finding.text


def test_a_rise_of_what_is_bad_when_high_is_harm() -> None:
    """The other way round for costs."""
    ((_, finding),) = fed(policy_with("down"), 12.0, DIP).findings
    assert finding.harm


def test_the_score_falls_with_a_dip_and_comes_back() -> None:
    """80 is the expectation, before as after."""
    policy = policy_with()
    during = fed(policy, -12.0, DIP, rows=DIP.stop).account.signals.metrics[GAUGE].score
    after = fed(policy, -12.0, DIP).account.signals.metrics[GAUGE].score
    assert during is not None
    assert during < 60.0
    assert after == 80.0


def test_a_bound_of_the_policy_holds_for_a_gauge_too() -> None:
    """As many samples as make a run, all below it."""
    history = fed(policy_with(threshold=90.0), -15.0, DIP)
    assert "threshold" in history.kinds()


def test_an_older_sample_changes_nothing() -> None:
    """Its moment has been judged."""
    history = fed(policy_with(), 0.0, DIP, rows=60)
    signal = history.account.signals.metrics[GAUGE]
    before = (signal.n, signal.newest_at)
    old = {"metric": GAUGE, "value": -1e6, "unit": "", "occurred_at": MONDAY + 29 * HOUR}
    history.event(topics.USAGE, MONDAY + 59 * HOUR, old)
    assert (signal.n, signal.newest_at) == before


@pytest.mark.parametrize("step", [HOUR, DAY])
def test_a_steady_gauge_raises_nothing(step: int) -> None:
    """Neither by the hour nor by the day."""
    assert fed(policy_with(watch="both"), 0.0, DIP, step).findings == []


def test_episodes_of_a_gauge_never_overlap() -> None:
    """One ends before, or when, the next begins."""
    history, draw = History(policy_with(watch="both")), random.Random(5)
    level = 100.0
    for i in range(3_000):
        if i % 170 == 0:
            level += draw.choice([-9.0, 9.0])
        history.usage(MONDAY + i * HOUR, level + draw.gauss(0, 1), GAUGE)
    ends = history.account.signals.metrics[GAUGE].ends
    assert len(ends) == 4
    assert all(end.onset_at <= end.opened_at for end in ends)
    assert all(before.opened_at < after.opened_at for before, after in pairwise(ends))
